"""Structure maps against the golden vectors, a direct solver, and what must hold for any image."""

import json
from pathlib import Path

import fakes
import numpy as np
import pytest
from conftest import draw_page
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rtv_reference import reference_map

from pipeline import structure
from pipeline.structure import StructureSettings, structure_at, structure_map
from pipeline.types import Box
from remover.registry import REMOVERS

GOLDEN = Path(__file__).parent / "golden" / "rtv"
SHARED = Path(__file__).parents[2] / "shared" / "rtv" / "golden"
FLAT = ("constant", "one_row", "one_col")
# tolerance: relative L2, 99.9th percentile and maximum of the absolute error
LIMITS = {1e-3: (1e-3, 1e-2, 5e-2), 1e-4: (1e-4, 1e-3, 1e-2)}


def golden_files():
    """Our copies, and the larger ones where the material they come from lies beside the checkout."""
    ours = {path.stem: path for path in sorted(GOLDEN.glob("*.npz"))}
    return list(({path.stem: path for path in sorted(SHARED.glob("*.npz"))} | ours).values())


def relative_error(result, exact):
    return np.linalg.norm(result.astype(np.float64) - exact) / np.linalg.norm(exact)


def noise_and_bars(height, width, channels, seed):
    """Textured paper with dark bars, (H, W, C) float32 in [0, 1]."""
    rng = np.random.default_rng(seed)
    image = np.clip(rng.normal(0.8, 0.06, (height, width, channels)), 0, 1)
    image[height // 3 : height // 2, width // 4 : -(width // 4) or None] *= rng.uniform(0.05, 0.6, channels)
    return image.astype(np.float32)


@pytest.mark.parametrize("tolerance", sorted(LIMITS))
@pytest.mark.parametrize("path", golden_files(), ids=lambda path: path.stem)
def test_golden_vectors(path, tolerance):
    with np.load(path) as case:
        image, exact = case["image"], case["expected_u16"] / 65535
        parameters = json.loads(str(case["params"]))
    result = structure_map(image, **parameters, tolerance=tolerance)
    assert result.shape == image.shape and result.dtype == np.float32
    error = np.abs(result - exact)
    whole, most, largest = (1e-4,) * 3 if path.stem in FLAT else LIMITS[tolerance]
    assert relative_error(result, exact) <= whole
    assert np.quantile(error, 0.999) <= most
    assert error.max() <= largest


def test_there_are_golden_vectors():
    assert len(list(GOLDEN.glob("*.npz"))) >= 6


@settings(max_examples=25)
@given(
    lam=st.floats(0.005, 0.05),
    sigma=st.floats(0.5, 6),
    sharpness=st.floats(0.001, 0.03),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 99),
)
def test_other_parameters_against_a_direct_solver(lam, sigma, sharpness, channels, seed):
    image = noise_and_bars(29, 40, channels, seed)
    exact = reference_map(image, lam, sigma, sharpness, 3)
    for tolerance in LIMITS:
        result = structure_map(image, lam, sigma, sharpness, 3, tolerance)
        assert relative_error(result, exact) <= tolerance


@settings(max_examples=30)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    shape=st.sampled_from([(), (1,), (3,)]),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]),
    seed=st.integers(0, 99),
)
def test_invariants(height, width, shape, dtype, seed):
    rng = np.random.default_rng(seed)
    image = rng.random((height, width, *shape))
    full = 1.0 if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).max
    image = (image * full).astype(dtype)
    if shape == (3,):
        image[..., seed % 3] = 0
    before = image.copy()
    result = structure_map(image)
    assert (image == before).all()
    assert result.shape == image.shape and result.dtype == np.float32
    planes = np.atleast_3d(result).astype(np.float64)
    source = np.atleast_3d(image).astype(np.float64) / full
    assert np.allclose(planes.mean(axis=(0, 1)), source.mean(axis=(0, 1)), atol=1e-3)
    assert (planes.min(axis=(0, 1)) >= source.min(axis=(0, 1)) - 1e-7).all()
    assert (planes.max(axis=(0, 1)) <= source.max(axis=(0, 1)) + 1e-7).all()
    if shape == (3,):
        assert (planes[..., seed % 3] == 0).all()


@pytest.mark.parametrize("value", [0, 1, 131, 255])
def test_a_constant_image_is_a_fixed_point(value):
    image = np.full((23, 31, 3), value, np.uint8)
    assert np.abs(structure_map(image) - value / 255).max() < 1e-6


def test_grey_pages_give_grey_maps_equal_to_one_channels():
    grey = noise_and_bars(50, 70, 1, 3)
    assert (structure_map(np.repeat(grey, 3, axis=2)) == structure_map(grey)).all()


def test_same_image_same_bytes():
    image = noise_and_bars(60, 80, 3, 5)
    assert structure_map(image).tobytes() == structure_map(image).tobytes()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"lam": 0}, r"lam 0 must be in \(0, 0.05\]"),
        ({"lam": 0.06}, "lam"),
        ({"lam": float("nan")}, "lam"),
        ({"sigma": 0}, "sigma"),
        ({"sigma": 6.1}, r"in \(0, 6\]"),
        ({"sharpness": 0.0009}, r"sharpness 0.0009 must be in \[0.001, 0.03\]"),
        ({"sharpness": 0.04}, "sharpness"),
        ({"iterations": 0}, "at least 1"),
        ({"iterations": 1.5}, "whole number"),
        ({"tolerance": 0}, "tolerance"),
    ],
)
def test_bad_parameters_are_refused_with_their_range(parameters, words):
    with pytest.raises(ValueError, match=words):
        structure_map(np.zeros((4, 4), np.uint8), **parameters)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
        (np.zeros((4,), np.uint8), r"\(4,\)"),
        (np.zeros((0, 4), np.uint8), "not empty"),
        (np.zeros((4, 4), np.int32), "int32"),
        (np.full((4, 4), 1.5), r"\[0, 1\]"),
        (np.full((4, 4), np.nan), r"\[0, 1\]"),
    ],
)
def test_bad_images_are_refused(image, words):
    with pytest.raises(ValueError, match=words):
        structure_map(image)


def page_of_noise_and_bars(height, width):
    page = (noise_and_bars(height, width, 3, 11) * 255).astype(np.uint8)
    rng = np.random.default_rng(12)
    for y, x in zip(rng.integers(0, height - 9, 60), rng.integers(0, width - 90, 60), strict=True):
        page[y : y + 7, x : x + 80 : 5] = 30
    return page


@pytest.mark.parametrize("side", [1024, 96], ids=["one block", "several blocks"])
def test_the_map_under_tiles_is_that_of_the_page(monkeypatch, side):
    monkeypatch.setattr(structure, "BLOCK_SIDE", side)
    page = page_of_noise_and_bars(600, 520)
    boxes = [Box(10, 20, 138, 148), Box(100, 60, 228, 188), Box(400, 480, 528, 608)]
    result, exact = structure_at(page, boxes), structure_map(page, tolerance=1e-6)
    inside = np.zeros(page.shape[:2], bool)
    for box in boxes:
        inside[box.y0 : box.y1, box.x0 : box.x1] = True
    assert relative_error(result[inside], exact[inside]) < 1e-3
    assert np.abs(result - exact)[inside].max() < 2e-2
    finer = structure_at(page, boxes, StructureSettings(tolerance=1e-4))
    assert relative_error(finer[inside], exact[inside]) < 1e-4
    assert np.abs(finer - exact)[inside].max() * 255 < 1, "less than a grey level, so no seam shows"
    assert result.dtype == np.float32 and (result[240:440] == 0).all(), "far from the boxes nothing is computed"


def test_no_boxes_no_map():
    assert not structure_at(page_of_noise_and_bars(40, 130), []).any()


def test_settings_reach_the_map_under_tiles():
    page = page_of_noise_and_bars(100, 140)
    strong = StructureSettings(lam=0.05, sigma=5)
    inside = structure_at(page, [Box(0, 0, 140, 100)], strong)
    assert np.allclose(inside, structure_map(page, 0.05, 5), atol=1e-6)


WORDS = ("--detector", "annotated", "--jobs", "1")


def test_a_remover_that_asks_for_structure_gets_the_page_s_own(tmp_path, restore_docs, monkeypatch):
    monkeypatch.setitem(REMOVERS, "structure", fakes.StructureRemover)
    source = draw_page(tmp_path / "a.png", size=(900, 700))
    done = restore_docs(source, "--out", tmp_path / "out", "--remover", "structure", "--mask", "polygons", *WORDS)
    assert done.code == 0 and done.document("a.png")["pages"][0]["seconds"]["structure"] > 0
    before, after = np.asarray(Image.open(source)), np.asarray(Image.open(tmp_path / "out" / "a.png").convert("RGB"))
    inside = np.zeros(before.shape[:2], bool)
    for top in (30, 80):
        inside[top : top + 21, 20:111] = True
    assert (before[~inside] == after[~inside]).all()
    error = np.abs(after[inside] - 255 * structure_map(before)[inside])
    assert error.mean() < 0.5 and error.max() <= 0.05 * 255, "both are solved to the default tolerance only"
