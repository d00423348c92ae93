"""What every registered detector must do: the contract of ``detectors/base.py``, rung by rung."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from detectors.base import Detector, DetectorSettings
from detectors.registry import DETECTORS, create_detector
from pipeline.errors import UsageError
from pipeline.geometry import reading_order
from pipeline.types import Array, PageRef, TextRegion

Detect = Callable[[Array], tuple[TextRegion, ...]]


@cache
def loaded(name: str) -> Detector:
    """One of each per test run: models take seconds to load."""
    return create_detector(name, DetectorSettings())


@pytest.fixture(params=sorted(DETECTORS))
def detect(request: pytest.FixtureRequest, tmp_path: Path) -> Detect:
    """The detector as a function; a side-car lists the words of a page, for those that look them up."""

    def call(image: Array) -> tuple[TextRegion, ...]:
        height, width = image.shape[:2]
        boxes = [box for box in WORDS.values() if box[2] <= width and box[3] <= height and image.min() < image.max()]
        words = [{"box": list(box)} for box in boxes]
        (tmp_path / "page.png.json").write_text(json.dumps({"words": words}))
        return loaded(request.param).detect(image, PageRef(str(tmp_path / "page.png"), 0))

    return call


# in reading order; the boxes hold the ink
WORDS = {
    "Invoice": (30, 20, 150, 54),
    "Number": (30, 80, 120, 104),
    "20417": (200, 80, 280, 104),
    "Amount": (30, 114, 120, 138),
    "138.50": (200, 114, 280, 138),
}


def page(ink: int = 20, paper: int = 240) -> Array:
    image = Image.new("L", (320, 160), paper)
    draw = ImageDraw.Draw(image)
    for word, (x, y, _, bottom) in WORDS.items():
        draw.text((x + 4, y + 4), word, font=ImageFont.load_default((bottom - y) * 0.7), fill=ink)
    draw.rectangle((16, 68, 300, 148), outline=ink, width=1)
    return np.repeat(np.asarray(image)[:, :, None], 3, axis=2)


def test_names_are_the_registrys(detect: Detect) -> None:
    assert all(loaded(name).name == name for name in DETECTORS)


def test_words_are_found_in_reading_order(detect: Detect) -> None:
    regions = detect(page())
    centres = [region.polygon.mean(axis=0) for region in regions]
    assert len(regions) == len(WORDS)
    for (x, y), (x0, y0, x1, y1) in zip(centres, WORDS.values(), strict=True):
        assert x0 < x < x1 and y0 < y < y1
    assert [id(region) for region in reading_order(regions)] == [id(region) for region in regions]


def test_polygons_are_float32_and_inside_the_page(detect: Detect) -> None:
    image = page()
    for crop in (image, image[24:52, 34:150], image[:, :240]):  # ink up to the edge, and text that is cut off
        for region in detect(np.ascontiguousarray(crop)):
            assert region.polygon.dtype == np.float32 and 0 <= region.score <= 1
            assert (region.polygon >= 0).all() and (region.polygon <= (crop.shape[1], crop.shape[0])).all()


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_blank_page_has_no_text(detect: Detect, grey: int) -> None:
    assert detect(np.full((120, 160, 3), grey, np.uint8)) == ()


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (8, 12_000), (12_000, 8), (33, 31)])
def test_odd_shapes_are_pages_too(detect: Detect, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (*shape, 3), np.uint8)
    for region in detect(noise):
        assert (region.polygon >= 0).all() and (region.polygon <= (shape[1], shape[0])).all()


def test_the_same_page_gives_the_same_regions(detect: Detect) -> None:
    def found() -> list[tuple[bytes, float]]:
        return [(region.polygon.tobytes(), region.score) for region in detect(page())]

    assert found() == found()


def test_the_page_is_left_alone_and_may_be_a_read_only_view(detect: Detect) -> None:
    image = page()
    mirrored = image[:, ::-1][:, ::-1]
    before = image.copy()
    image.setflags(write=False)
    assert len(detect(mirrored)) == len(WORDS)
    assert np.array_equal(image, before)


def test_an_unknown_detector_is_named_with_the_nearest_known() -> None:
    with pytest.raises(UsageError, match="did you mean 'paddleocr'"):
        create_detector("paddelocr", DetectorSettings())


@pytest.mark.parametrize(
    "setting",
    [
        {"engine": "tensorrt"},
        {"device": "tpu"},
        {"threads": 0},
        {"thresh": 0.0},
        {"box_thresh": 1.0},
        {"box_thresh": float("nan")},
        {"unclip_ratio": 0.0},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(setting: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        DetectorSettings(**setting)  # type: ignore[arg-type]


def test_the_registry_loads_no_framework() -> None:
    program = (
        "import sys, detectors.registry; print([m for m in ('paddleocr', 'onnxruntime', 'torch', 'cv2', 'shapely')"
    )
    program += " if m in sys.modules])"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
