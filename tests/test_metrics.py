"""The figures, against values worked out by hand on arrays small enough to do so, and against other people's code."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.metrics import structural_similarity

from pipeline import metrics
from pipeline.types import Array


def flat(level: int | tuple[int, int, int], shape: tuple[int, int] = (4, 5)) -> Array:
    return np.full((*shape, 3), level, np.uint8)


def with_dots(*dots: tuple[int, int], level: int = 130, shape: tuple[int, int] = (4, 5)) -> Array:
    image = flat(100, shape)
    for y, x in dots:
        image[y, x] = level
    return image


def test_luma_is_bt601() -> None:
    assert metrics.luma(flat((255, 0, 0)))[0, 0] == pytest.approx(76.245)
    assert metrics.luma(flat((0, 255, 0)))[0, 0] == pytest.approx(149.685)
    assert metrics.luma(flat((0, 0, 255)))[0, 0] == pytest.approx(29.07)


def test_psnr_and_mse_by_hand() -> None:
    # every channel off by 51 of 255: MSE 0.2^2 = 0.04, PSNR 10 log10(1 / 0.04)
    assert metrics.mse(flat(151), flat(100)) == pytest.approx(4.0)
    assert metrics.psnr(flat(151), flat(100)) == pytest.approx(13.9794, abs=1e-4)
    # one channel of three off by 51: a third of the error
    assert metrics.psnr(flat((151, 100, 100)), flat(100)) == pytest.approx(10 * math.log10(3 / 0.04))
    # one pixel of 20 off by 30
    assert metrics.mse(with_dots((1, 1)), flat(100)) == pytest.approx(100 * (30 / 255) ** 2 / 20)


def test_an_identical_page_counts_100_db_and_no_page_more() -> None:
    assert metrics.psnr(flat(7), flat(7)) == 100
    large = np.zeros((300, 300, 3), np.uint8)
    almost = large.copy()
    almost[0, 0, 0] = 1
    assert metrics.psnr(almost, large) == 100
    assert metrics.psnr_within(flat(7), flat(7), np.ones((4, 5), bool)) == 100
    assert math.isnan(metrics.psnr_legacy(flat(7), flat(7))), "the field leaves it out"


def test_age_peps_and_pceps_by_hand() -> None:
    # a cross of five pixels that are off by 30: its middle has four neighbours in error
    cross = with_dots((1, 2), (0, 2), (2, 2), (1, 1), (1, 3))
    assert metrics.age(cross, flat(100)) == pytest.approx(5 * 30 / 20)
    assert metrics.peps(cross, flat(100)) == pytest.approx(25.0)
    assert metrics.pceps(cross, flat(100)) == pytest.approx(5.0)
    # one at the border has no four neighbours
    assert metrics.pceps(flat(130, (3, 1)), flat(100, (3, 1))) == 0


def test_an_error_is_more_than_20_levels_after_rounding() -> None:
    assert metrics.peps(flat(120), flat(100)) == 0
    assert metrics.peps(flat(121), flat(100)) == 100
    # luma off by 0.299 * 69 = 20.6: rounded to 21, an error; 0.299 * 68 = 20.3 is none
    assert metrics.peps(flat((169, 100, 100)), flat(100)) == 100
    assert metrics.peps(flat((168, 100, 100)), flat(100)) == 0
    assert metrics.age(flat((168, 100, 100)), flat(100)) == 20


def test_legacy_figures_by_hand() -> None:
    cross = with_dots((1, 2), (0, 2), (2, 2), (1, 1), (1, 3))
    assert metrics.age_legacy(cross, flat(100)) == pytest.approx(5 * 30 / 20), "a mean over the image"
    assert metrics.peps_legacy(cross, flat(100)) == pytest.approx(100 * 5 / 512**2), "a fixed denominator"
    assert metrics.pceps_legacy(cross, flat(100)) == pytest.approx(100 * 1 / 512**2)
    assert metrics.mse_legacy(flat(151), flat(100)) == pytest.approx(4.0)
    assert metrics.psnr_legacy(flat(151), flat(100)) == pytest.approx(13.9794, abs=1e-4)


def test_legacy_figures_are_of_512_by_512_pixels() -> None:
    assert metrics.resize_legacy(flat(9, (700, 300))).shape == (512, 512, 3)
    own = flat(9, (512, 512))
    assert metrics.resize_legacy(own) is own
    at_size = with_dots((1, 2), (0, 2), (2, 2), (1, 1), (1, 3), shape=(512, 512))
    assert metrics.peps_legacy(at_size, own * 0 + 100) == metrics.peps(at_size, own * 0 + 100)


def test_similarity_of_flat_images_by_hand() -> None:
    # no variance: contrast 1, luminance (2 a b + C1) / (a^2 + b^2 + C1) with C1 = 2.55^2 = 6.5025
    one, other = flat(100, (200, 200)), flat(50, (200, 200))
    luminance = (2 * 100 * 50 + 6.5025) / (100**2 + 50**2 + 6.5025)
    assert metrics.ssim(other, one) == pytest.approx(100 * luminance, abs=2e-3)
    assert metrics.mssim(other, one) == pytest.approx(100 * luminance**0.1333, abs=2e-3)
    assert metrics.mssim_legacy(other, one) == pytest.approx(metrics.mssim(other, one))
    assert metrics.ms_ssim(other, one) == pytest.approx(100 * luminance**0.1333, abs=2e-3)
    assert metrics.ms_ssim(one, one) == pytest.approx(100)


def noisy(seed: int, shape: tuple[int, int] = (240, 210)) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    truth = (128 + 60 * np.sin(rows / 9)[..., None] * np.cos(columns / 14)[..., None]).repeat(3, 2)
    image = truth + rng.normal(0, 18, truth.shape)
    return image.clip(0, 255).astype(np.uint8), truth.astype(np.uint8)


def test_ssim_is_the_one_of_scikit_image() -> None:
    image, truth = noisy(1)
    _, theirs = structural_similarity(
        metrics.luma(truth),
        metrics.luma(image),
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    assert metrics.ssim(image, truth) == pytest.approx(100 * theirs[5:-5, 5:-5].mean(), abs=0.01)


def test_ms_ssim_is_the_multi_scale_one_and_mssim_is_not() -> None:
    image, truth = noisy(2)
    one, other = (metrics.luma(side).astype(np.float64) for side in (image, truth))
    product = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        blur = partial(gaussian_filter, sigma=1.5, radius=5)
        means = blur(one), blur(other)
        variances = blur(one**2) - means[0] ** 2, blur(other**2) - means[1] ** 2
        contrast = (2 * (blur(one * other) - means[0] * means[1]) + 58.5225) / (sum(variances) + 58.5225)
        luminance = (2 * means[0] * means[1] + 6.5025) / (means[0] ** 2 + means[1] ** 2 + 6.5025)
        similarity = contrast * luminance if scale == 4 else contrast
        product *= similarity[5:-5, 5:-5].mean() ** weight
        one, other = (uniform_filter(side, 2, origin=-1)[: side.shape[0] // 2 * 2 : 2, : side.shape[1] // 2 * 2 : 2]
                      for side in (one, other))  # fmt: skip
    assert metrics.ms_ssim(image, truth) == pytest.approx(100 * product, abs=1e-3)
    assert metrics.mssim(image, truth) < metrics.ms_ssim(image, truth) - 5


def test_ms_ssim_needs_room_for_five_scales() -> None:
    assert math.isnan(metrics.ms_ssim(flat(1, (175, 400)), flat(2, (175, 400))))
    assert not math.isnan(metrics.ms_ssim(flat(1, (176, 176)), flat(2, (176, 176))))
    with pytest.raises(ValueError, match="11 x 11"):
        metrics.ssim(flat(1, (10, 40)), flat(2, (10, 40)))


def areas(shape: tuple[int, int] = (100, 120)) -> metrics.TextAreas:
    strokes = np.zeros(shape, bool)
    strokes[40:44, 30:60] = True
    word = np.array([(30, 38), (59, 38), (59, 45), (30, 45)])
    return metrics.text_areas([word], strokes, [np.array([(100, 80), (109, 80), (109, 89), (100, 89)])])


def test_text_areas_by_hand() -> None:
    found = areas()
    rows, columns = np.flatnonzero(found.text.any(axis=1)), np.flatnonzero(found.text.any(axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (38 - 6, 45 + 6, 30 - 6, 59 + 6)
    away = np.flatnonzero(~found.background.all(axis=1))
    assert found.background[: 38 - 6 - 18].all() and not found.background[38 - 6 - 18, 40]
    assert away.size and not (found.text & found.background).any()
    assert not found.background[76:94, 96:114].any(), "ignored ones are grown by 4 px"


def test_psnr_within_counts_its_own_pixels_only() -> None:
    truth = flat(100, (100, 120))
    image = truth.copy()
    found = areas()
    image[found.background] = 151
    assert metrics.psnr_within(image, truth, found.text) == 100
    assert metrics.psnr_within(image, truth, found.background) == pytest.approx(13.9794, abs=1e-4)
    assert metrics.psnr_within(image, truth, np.zeros((100, 120), bool)) == 100
    assert metrics.changed_share(image, truth, found.background) == 100
    assert metrics.changed_share(image, truth, found.background, 51) == 0
    assert np.array_equal(metrics.with_truth(image, truth, found.background), truth)


def test_ink_left_by_hand() -> None:
    truth, before = flat(200, (10, 10)), flat(200, (10, 10))
    before[2, :] = 100  # ten pixels of ink
    before[3, :] = 190  # too faint to count
    strokes = (before != truth).any(axis=2)
    image = truth.copy()
    image[2, :4] = 149  # 51 away from the truth, 49 from the ink: still ink
    image[2, 4:] = 150  # as far from both: gone
    assert metrics.ink_left(before, image, truth, strokes) == pytest.approx(40)
    assert metrics.ink_left(before, before, truth, strokes) == 100
    assert metrics.ink_left(before, truth, truth, strokes) == 0
    assert metrics.ink_left(before, before, truth, np.zeros((10, 10), bool)) == 0


def test_structure_error_by_hand() -> None:
    truth = flat(200, (40, 40))
    truth[20, :] = 100  # a rule: its edge is its row and the two beside it
    where = np.ones((40, 40), bool)
    image = truth.copy()
    image[20, :] = 200  # the rule is gone: 100 on one of three rows of edge
    assert metrics.structure_error(image, truth, where) == pytest.approx(100 / 3, abs=1e-3)
    assert metrics.structure_error(truth, truth, where) == 0
    where[:, 16:] = False
    assert math.isnan(metrics.structure_error(image, truth, where)), "48 pixels of edge are too few"


def test_images_of_two_sizes_are_an_error_and_not_a_figure() -> None:
    for figure in (metrics.psnr, metrics.mse, metrics.age, metrics.peps, metrics.pceps):
        with pytest.raises(ValueError, match="one size"):
            figure(flat(1, (4, 5)), flat(1, (5, 4)))
