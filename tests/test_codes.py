"""QR codes and bar codes: found, read, and gone where they may hold what was to go."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp
from fakes import IdleRemover
from PIL import Image

from pipeline.choosing import TextPolicy
from pipeline.codes import Code, code_mask, find_codes, says_what_goes
from remover.registry import REMOVERS

SECRET = "Jane Doe jane@example.org"
KINDS = {"QRCode": SECRET, "DataMatrix": SECRET, "PDF417": SECRET, "Aztec": SECRET, "Code128": "JANE4711"}


def draw_code(kind: str, text: str, scale: int = 4) -> np.ndarray:
    drawn = np.array(zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind)).to_image(scale=scale))
    code = drawn if drawn.ndim == 2 else drawn[..., 0]
    return np.where(code > 127, 235, 30).astype(np.uint8)


def page_with(kind: str = "QRCode", text: str = SECRET, scale: int = 4) -> tuple[np.ndarray, tuple[slice, slice]]:
    """A page, (H, W, 3) uint8, with a code and a rule under it; and where the code is."""
    page = np.full((600, 800, 3), 235, np.uint8)
    code = draw_code(kind, text, scale)
    place = (slice(150, 150 + code.shape[0]), slice(200, 200 + code.shape[1]))
    page[place] = code[..., None]
    page[place[0].stop + 30 : place[0].stop + 33, 40:760] = 60
    return page, place


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("angle", [0, 5])
def test_a_code_is_found_and_read(kind, angle):
    page, place = page_with(kind, KINDS[kind])
    middle = ((place[1].start + place[1].stop) / 2, (place[0].start + place[0].stop) / 2)
    turned = cv2.warpAffine(page, cv2.getRotationMatrix2D(middle, angle, 1.0), (800, 600), borderValue=(235,) * 3)
    (code,) = find_codes(turned)
    assert code.text == KINDS[kind]
    np.testing.assert_allclose(code.polygon.mean(axis=0), middle, atol=14)


def test_small_codes_of_a_blurred_scan_are_read():
    page, _ = page_with(scale=3)
    small = cv2.GaussianBlur(cv2.resize(page, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA), (0, 0), 0.8)
    noisy = np.clip(small + np.random.default_rng(0).normal(0, 5, small.shape), 0, 255).astype(np.uint8)
    assert [code.text for code in find_codes(noisy)] == [SECRET]


def test_a_code_too_damaged_to_be_read_is_still_found():
    page, place = page_with(scale=8)
    modules = (place[0].stop - place[0].start) // 8
    rng = np.random.default_rng(1)
    for row, column in np.ndindex(modules, modules):
        in_corner = (row < 10 or row >= modules - 10) and (column < 10 or column >= modules - 10)
        if not in_corner and rng.random() < 0.2:
            page[150 + 8 * row : 158 + 8 * row, 200 + 8 * column : 208 + 8 * column] = 30 if rng.random() < 0.5 else 235
    (code,) = find_codes(page)
    assert code.text is None


def test_a_page_of_text_and_rules_has_none():
    page = np.full((900, 700, 3), 240, np.uint8)
    for row in range(8):
        cv2.putText(page, "Invoice 4711 Jane Doe", (30, 100 * row + 60), cv2.FONT_HERSHEY_DUPLEX, 1.2, (20,) * 3, 2)
        cv2.rectangle(page, (30, 100 * row + 75), (60, 100 * row + 105), (20,) * 3, 2)
    assert find_codes(page) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_a_code_is_masked_and_nothing_beside_it(kind):
    page, place = page_with(kind, KINDS[kind])
    (code,) = find_codes(page)
    # as of a scan of which only a few lines were read
    thin = code.polygon.copy()
    thin[2:, 1] -= 0.3 * (thin[2:, 1] - thin[:2, 1]) if kind == "Code128" else 0
    mask = code_mask(page, Code(code.kind, thin, code.text))
    dark = page[..., 0] < 128
    inside = np.zeros_like(dark)
    inside[place] = True
    assert mask[dark & inside].all() and not mask[dark & ~inside].any()


@pytest.mark.parametrize(
    ("policy", "goes"),
    [
        (TextPolicy(patterns=("jane@",)), True),
        (TextPolicy(entities=("email",)), True),
        (TextPolicy(words=("doe",)), True),
        (TextPolicy(entities=("email",), keep=("example",)), False),
        (TextPolicy(patterns=("Miller",), entities=("iban",), words=("smith",)), False),
    ],
)
def test_a_code_goes_by_what_it_says(policy, goes):
    polygon = np.float32([[0, 0], [9, 0], [9, 9], [0, 9]])
    assert says_what_goes(Code("QR Code", polygon, SECRET), policy) is goes
    assert not says_what_goes(Code("QR Code", polygon, None), policy)


@pytest.fixture
def clean(tmp_path: Path, restore_docs):
    """Clean a page with a code and no text; the outcome, its page of the report, and its image."""

    def call(page: np.ndarray, *words: object):
        cv2.imwrite(str(tmp_path / "a.png"), page)
        (tmp_path / "a.png.json").write_text('{"pages": [{"page_number": 1, "regions": []}]}')
        quick = ("--detector", "annotated", "--jobs", "1")
        words = words if "--remover" in words else (*words, "--remover", "fill")
        done = restore_docs(tmp_path / "a.png", "--out", tmp_path / "out", *quick, *words)
        (entry,) = done.report["documents"][0]["pages"]
        outputs = list((tmp_path / "out").glob("*.png"))
        return done, entry, np.asarray(Image.open(outputs[0]).convert("RGB")) if outputs else None

    return call


def test_what_is_looked_for_goes_as_a_code_too(clean):
    page, place = page_with()
    done, entry, image = clean(page, "--entities", "email")
    assert done.code == 0 and list(entry["reasons"]) == ["code"] and not entry["notes"]
    assert find_codes(image) == () and (image[place] > 200).all()
    assert (image[place[0].stop + 20 :] == page[place[0].stop + 20 :]).all()


def test_a_code_that_says_something_else_stays_and_is_noted(clean):
    page, _ = page_with(text="https://example.org/form-7")
    done, entry, image = clean(page, "--match", "Jane")
    assert done.code == 0 and (image == page).all()
    assert entry["notes"] == ["codes stay that were read and hold nothing looked for: 1 x QR Code"]


def test_codes_are_not_looked_at_when_all_text_goes(clean):
    page, _ = page_with()
    _, entry, image = clean(page)
    assert (image == page).all() and entry["notes"] == []


def test_no_code_is_given_away(clean, looks_clean):
    page, place = page_with(text="7319")
    done, entry, image = clean(page, "--anonymize")
    assert done.code == 0 and entry["status"] == "RESTORED" and entry["reasons"]["code"] > 1000
    assert find_codes(image) == () and (image[place] > 200).all()


def test_a_code_in_a_zone_that_is_kept_stays(clean, looks_clean, tmp_path):
    page, _ = page_with()
    zones = tmp_path / "zones.json"
    zones.write_text('{"zones": [{"action": "keep", "unit": "fraction", "rectangle": [0, 0, 1, 1]}]}')
    done, entry, image = clean(page, "--anonymize", "--zones", zones)
    assert done.code == 0 and entry["status"] == "UNCHANGED" and len(find_codes(image)) == 1


def test_a_code_that_is_left_keeps_the_document_back(clean, looks_clean, monkeypatch):
    monkeypatch.setitem(REMOVERS, "idle", IdleRemover)
    monkeypatch.setattr("workflows.pages.tasks.hide_seams", lambda prepared, verdict: verdict.image)
    monkeypatch.setattr("workflows.pages.tools.keep_to_surroundings", lambda image, after, *others: after)
    page, _ = page_with()
    done, entry, image = clean(page, "--anonymize", "--remover", "idle")
    assert done.code == 6 and entry["status"] == "FAILED" and image is None
    assert "codes are left that a machine reads: 1 x QR Code" in entry["failure"]["what"]
    assert "Jane" not in str(done.report)
