"""The real reader on drawn lines: what it says, where the characters stand, and how it is loaded."""

from __future__ import annotations

import math
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from detectors import models
from detectors import reading as reader_module
from detectors.characters import Steps, decode_steps, join_windows
from detectors.reading import SHARED, STRIDE, WINDOW, TextReader, cut_upright, plan_windows, prepare_line, resize_line
from pipeline.errors import SetupError, UsageError
from pipeline.readings import Reading, run_corners
from pipeline.types import Array, TextRegion

MARGIN = 6


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return TextReader()


def draw(text: str, height: int = 32) -> tuple[Array, list[float]]:
    """A line of text, (H, W, 3) uint8, and where its characters begin and the last one ends, in pixels."""
    font = ImageFont.load_default(height)
    places = [MARGIN + font.getlength(text[:count]) for count in range(len(text) + 1)]
    image = Image.new("L", (math.ceil(places[-1]) + MARGIN, round(height * 1.3) + 2 * MARGIN), 240)
    ImageDraw.Draw(image).text((MARGIN, MARGIN), text, font=font, fill=20)
    return np.repeat(np.asarray(image)[:, :, None], 3, axis=2), places


def whole(image: Array) -> TextRegion:
    height, width = image.shape[:2]
    return TextRegion(np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32))


def test_a_line_is_read_and_its_characters_are_where_they_stand(reader: TextReader) -> None:
    text = "IBAN DE89 3704, j.doe@example.com"
    image, places = draw(text)
    (reading,) = reader.read(image, [whole(image)])
    assert reading.text == text
    assert reading.score > 0.9 and reading.scores.min() > 0.5
    borders = np.abs(reading.spans[1:, 0] * image.shape[1] - np.array(places[1:-1])) / 32
    assert borders.mean() < 0.1 and borders.max() < 0.7  # of the type's size


@pytest.mark.parametrize("word", ["DE89", "3704,", "j.doe@example.com"])
def test_the_borders_of_words_cut_no_ink(reader: TextReader, word: str) -> None:
    text = "IBAN DE89 3704, j.doe@example.com"
    image, _ = draw(text)
    (reading,) = reader.read(image, [whole(image)])
    first = reading.text.index(word)
    low, high = reading.spans[first, 0] * image.shape[1], reading.spans[first + len(word) - 1, 1] * image.shape[1]
    ink = (image[:, :, 0] < 130).any(axis=0)
    assert not ink[math.floor(low)]
    assert not ink[min(math.floor(high), len(ink) - 1)]


def test_a_long_line_is_read_in_full(reader: TextReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "WINDOW", 640)
    text = " ".join(f"number {number} of the long list," for number in range(100, 107))
    image, places = draw(text)
    assert image.shape[1] / image.shape[0] * 48 > 3 * 640
    (reading,) = reader.read(image, [whole(image)])
    assert reading.text == text
    ends = np.abs(reading.spans[:, 1] * image.shape[1] - np.array(places[1:]))
    assert np.mean(ends) < 4 and ends.max() < 20


@pytest.mark.slow
def test_a_line_of_thousands_of_pixels_is_read_in_full(reader: TextReader) -> None:
    text = " ".join(f"number {number} of the long list," for number in range(100, 130))
    image, _ = draw(text)
    assert image.shape[1] > 10_000
    (reading,) = reader.read(image, [whole(image)])
    wrong = [pair for pair in zip(reading.text, text, strict=False) if pair[0] != pair[1]]
    assert len(reading.text) == len(text) and len(wrong) <= 2


def test_text_is_read_whatever_way_it_runs(reader: TextReader) -> None:
    image, _ = draw("Remark 4711 here")
    for turns, falls in ((0, False), (1, True), (2, True), (3, False)):  # 90 degrees against the clock: it runs up
        page = np.ascontiguousarray(np.rot90(image, turns))
        (reading,) = reader.read(page, [whole(page)])
        assert (reading.text, reading.falls) == ("Remark 4711 here", falls)
    low = reading.spans[0, 0]
    assert low < 0.1


def test_lines_taken_for_one_region_are_read_one_by_one(reader: TextReader) -> None:
    first, second = draw("Social security", 20)[0], draw("530-14-6542 and more", 20)[0]
    page = np.full((first.shape[0] + second.shape[0] - 14, 300, 3), 240, np.uint8)
    page[: first.shape[0], : first.shape[1]] = first
    page[-second.shape[0] :, : second.shape[1]] = np.minimum(page[-second.shape[0] :, : second.shape[1]], second)
    page = cv2.GaussianBlur(page, (0, 0), 1.2)
    assert reader.read(page, [whole(page)])[0].score < 0.9
    regions, readings = reader.read_lines(page, [whole(page)])
    assert [reading.text for reading in readings] == ["Social security", "530-14-6542 and more"]
    assert regions[0].polygon[2, 1] == regions[1].polygon[0, 1]  # nothing between them is left out
    line = draw("One line 12")[0]
    kept = whole(line)
    assert reader.read_lines(line, [kept])[0] == (kept,)


def test_a_skewed_line_is_cut_upright(reader: TextReader) -> None:
    image, _ = draw("Customer K-123456")
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 8, 1)
    matrix[:, 2] += (20, 60)
    page = cv2.warpAffine(image, matrix, (width + 40, height + 120), borderValue=(240, 240, 240))
    corners = whole(image).polygon @ matrix[:, :2].T + matrix[:, 2]
    readings = reader.read(page, [TextRegion(corners.astype(np.float32))])
    assert readings[0].text == "Customer K-123456"


def test_readings_do_not_depend_on_neighbours_or_threads(reader: TextReader) -> None:
    first, second = draw("First 12.5 kg")[0], draw("A second, much longer line of text")[0]
    page = np.full((first.shape[0] + second.shape[0], max(first.shape[1], second.shape[1]), 3), 240, np.uint8)
    page[: first.shape[0], : first.shape[1]] = first
    page[first.shape[0] :, : second.shape[1]] = second
    below = whole(second).polygon + np.float32((0, first.shape[0]))
    regions = [whole(first), TextRegion(below), whole(first)]
    together = reader.read(page, regions)
    assert [r.text for r in together] == ["First 12.5 kg", "A second, much longer line of text", "First 12.5 kg"]
    alone = [reader.read(page, [region])[0] for region in regions]
    in_threads = TextReader(threads=2).read(page, regions)
    for one, other, third in zip(together, alone, in_threads, strict=True):
        assert one.text == other.text == third.text
        assert one.spans.tobytes() == other.spans.tobytes() == third.spans.tobytes()
        assert one.scores.tobytes() == other.scores.tobytes() == third.scores.tobytes()


def test_blank_paper_and_what_lies_outside_say_nothing(reader: TextReader) -> None:
    page = np.full((60, 200, 3), 240, np.uint8)
    outside = TextRegion(np.array([(300, 300), (400, 300), (400, 340), (300, 340)], np.float32))
    thin = TextRegion(np.array([(10, 10), (12, 10), (12, 10.001)], np.float32))
    for reading in reader.read(page, [whole(page), outside, thin]):
        assert (reading.text, reading.score, reading.spans.shape) == ("", 0.0, (0, 2))
    assert reader.read(page, []) == ()


@pytest.mark.slow  # paddlex takes seconds to import
def test_what_the_network_sees_is_what_paddleocr_would_feed_it() -> None:
    from paddlex.inference.models.text_recognition.processors import OCRReisizeNormImg

    image = np.random.default_rng(3).integers(0, 256, (37, 501, 3), np.uint8)
    for crop in (image, image[:, :40]):
        theirs = OCRReisizeNormImg()([np.ascontiguousarray(crop[:, :, ::-1])])[0]
        assert np.array_equal(prepare_line(resize_line(crop)), theirs)


@pytest.mark.slow
def test_crops_are_paddleocrs() -> None:
    from paddlex.inference.pipelines.components import CropByPolys

    page = np.random.default_rng(4).integers(0, 256, (200, 300, 3), np.uint8)
    for polygon in ([(40, 30), (240, 60), (234, 100), (34, 70)], [(60, 20), (90, 24), (80, 180), (50, 176)]):
        corners = np.array(polygon, np.float32)
        ours = cut_upright(page, run_corners(corners))
        (theirs,) = CropByPolys(det_box_type="quad")(page, [corners])
        assert ours is not None and abs(ours.shape[0] - theirs.shape[0]) <= 1
        theirs = cv2.resize(theirs, ours.shape[1::-1])
        assert np.abs(cv2.blur(ours, (9, 9)).astype(int) - cv2.blur(theirs, (9, 9))).mean() < 8


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 20_000))
def test_windows_cover_a_line_and_overlap(width: int) -> None:
    windows = plan_windows(width)
    assert windows[0][0] == 0 and windows[-1][1] == width
    assert all(start % STRIDE == 0 and 0 < stop - start <= WINDOW + 2 * STRIDE for start, stop in windows)
    for (_, stop), (start, _) in pairwise(windows):
        assert stop - start >= SHARED - 2 * STRIDE


def steps(classes: str) -> Steps:
    """Steps that surely see these, '-' for blank."""
    best = np.array([0 if c == "-" else ord(c) - 96 for c in classes])
    return Steps(best, np.full(len(best), 0.9, np.float32), np.where(best == 0, 0.99, 0.01).astype(np.float32))


ALPHABET = ("", *(chr(97 + i) for i in range(26)))
BLANK_LINE = np.full((48, 400, 3), 255, np.uint8)


def decoded(found: Steps) -> Reading:
    return decode_steps(found, ALPHABET, BLANK_LINE[:, : STRIDE * len(found.best)], STRIDE)


def test_repetitions_join_unless_a_blank_parts_them() -> None:
    reading = decoded(steps("-aab-b-cc"))
    assert reading.text == "abbc"
    assert reading.spans[:, 0].tolist() == sorted(reading.spans[:, 0].tolist())
    assert decoded(steps("----")).text == ""


@settings(deadline=None, max_examples=50)
@given(st.text("abc-", min_size=40, max_size=40), st.integers(2, 16))
def test_windows_join_to_what_one_look_would_see(classes: str, first: int) -> None:
    # the second window begins inside the first; where both see the same, the line comes out as seen whole
    seen = steps(classes)
    windows = [(0, Steps(*(a[:24] for a in seen))), (first * STRIDE, Steps(*(a[first:] for a in seen)))]
    assert np.array_equal(join_windows(windows, STRIDE).best, seen.best)


def test_a_reading_is_checked() -> None:
    spans, scores = np.array([(0.0, 0.5)], np.float32), np.ones(1, np.float32)
    assert Reading("a", 1.0, spans, scores).falls is False
    for broken in (("ab", 1.0, spans, scores), ("a", 1.5, spans, scores), ("a", 1.0, spans + 1, scores)):
        with pytest.raises(ValueError):
            Reading(*broken)


def fake_rapidocr(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SimpleNamespace(submodule_search_locations=[str(folder)])
    monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: spec if name == "rapidocr" else None)


def test_missing_or_damaged_weights_are_a_setup_error(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_rapidocr(tmp_path, monkeypatch)
    with pytest.raises(SetupError, match=r"PP-OCRv6_rec_small\.onnx cannot be read.*pip install"):
        TextReader()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "PP-OCRv6_rec_small.onnx").write_bytes(b"cut short")
    with pytest.raises(SetupError, match="damaged or another model"):
        TextReader()
    monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match="rapidocr, which is missing"):
        TextReader()
    with pytest.raises(UsageError):
        TextReader(threads=0)


def test_importing_the_reader_loads_no_framework() -> None:
    import subprocess

    code = "import sys, detectors.reading; assert not {'onnxruntime', 'paddleocr', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=str(Path(__file__).parents[1]))
