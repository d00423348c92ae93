"""The ladder every registered remover has to climb."""

import cv2
import numpy as np
import pytest
from small_ctrnet import write_small_ctrnet, write_small_documents

from pipeline.errors import UsageError
from pipeline.masks import soft_mask
from pipeline.types import Box, RestoredTile, Tile
from remover.base import RemoverSettings
from remover.fill import fill
from remover.registry import REMOVERS, create_remover

WEIGHTS = {"published": write_small_ctrnet, "documents": write_small_documents}
WITHOUT_WEIGHTS = {"fill"}
KINDS = [
    (name, weights) for name in sorted(REMOVERS) for weights in ([None] if name in WITHOUT_WEIGHTS else sorted(WEIGHTS))
]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: "-".join(filter(None, kind)))
def remover(request, tmp_path_factory):
    name, kind = request.param
    weights = WEIGHTS[kind](tmp_path_factory.mktemp("weights") / "small.safetensors") if kind else None
    return create_remover(name, RemoverSettings(weights=weights, engine="torch"))


def tile(remover, seed):
    """A tile of noisy paper with dark bars, placed somewhere on a page."""
    side = remover.tile_side
    rng = np.random.default_rng(seed)
    image = np.clip(rng.normal(225, 4, (side, side, 3)), 0, 255).astype(np.uint8)
    image[:, side // 2 :: 40] = 80  # rules, on one half
    text = np.zeros((side, side), bool)
    polygons = []
    for x, y in rng.integers(20, side - 160, (4, 2)):
        text[y + 6 : y + 12, x + 6 : x + 110] = True
        polygons.append([(x, y), (x + 116, y), (x + 116, y + 18), (x, y + 18)])
    image[text] = 30
    soft = soft_mask(polygons, side, side)
    return Tile(
        Box(100 * seed, 7, 100 * seed + side, 7 + side),
        image,
        text,
        soft == 1,
        soft if remover.needs_soft_mask else None,
        (image / np.float32(255)).astype(np.float32) if remover.needs_structure else None,
    )


def test_it_says_what_it_is(remover):
    assert remover.name in REMOVERS
    assert remover.tile_side > 0 and remover.tile_side % 8 == 0
    assert isinstance(remover.needs_structure, bool) and isinstance(remover.needs_soft_mask, bool)


def test_no_tiles_give_no_tiles(remover):
    assert remover.remove([]) == ()


def test_every_tile_is_answered_in_order_in_its_own_box(remover):
    tiles = [tile(remover, seed) for seed in (2, 1)]
    restored = remover.remove(tiles)
    assert isinstance(restored, tuple) and all(isinstance(r, RestoredTile) for r in restored)
    assert [r.box for r in restored] == [t.box for t in tiles]
    assert all(r.image.dtype == np.uint8 for r in restored)


def test_a_tile_is_answered_alike_alone_in_company_and_again(remover):
    first, second = tile(remover, 3), tile(remover, 4)
    together = remover.remove([first, second])
    np.testing.assert_array_equal(together[0].image, remover.remove([first])[0].image)
    np.testing.assert_array_equal(together[1].image, remover.remove([second])[0].image)


def test_the_tile_is_left_as_it_was(remover):
    given = tile(remover, 5)
    before = given.image.copy(), given.text_mask.copy()
    remover.remove([given])
    np.testing.assert_array_equal(given.image, before[0])
    np.testing.assert_array_equal(given.text_mask, before[1])


def test_the_answer_does_not_share_memory_with_the_tile(remover):
    given = tile(remover, 6)
    assert not np.shares_memory(remover.remove([given])[0].image, given.image)


def test_the_fill_puts_paper_where_the_text_was():
    fill = create_remover("fill", RemoverSettings())
    given = tile(fill, 7)
    restored = fill.remove([given])[0].image
    assert abs(float(restored[given.text_mask].mean()) - 225) < 2


@pytest.mark.parametrize(("height", "gap"), [(16, 6), (24, 3), (32, 3)])
def test_the_fill_keeps_the_colour_of_a_marker_under_dense_type(height, gap):
    blank = np.full((120, 200, 3), 245, np.uint8)
    blank[44 : 44 + height] = (250, 230, 90)
    letters = np.zeros(blank.shape[:2], np.uint8)
    for x in range(10, 180, 6 + gap):
        letters[48 : 42 + height, x : x + 6] = 1
    page = cv2.GaussianBlur(np.where(letters[..., None] > 0, np.uint8(25), blank), (0, 0), 0.6)
    mask = cv2.dilate(letters, np.ones((3, 3), np.uint8)) > 0
    error = np.abs(fill(page, mask).astype(float) - cv2.GaussianBlur(blank, (0, 0), 0.6))
    assert error[mask].mean() < 4


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(UsageError, match="'fill'") as caught:
        create_remover("fil", RemoverSettings())
    assert "'fil'" in str(caught.value)


def test_listing_the_removers_loads_no_framework():
    import subprocess
    import sys

    script = "import sys, remover.registry; sys.exit(any(m in sys.modules for m in ('torch', 'cv2', 'onnxruntime')))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
