"""Maps made by torch beside those of the CPU solver and the golden vectors."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.structure import StructureSettings, structure_map
from remover.ctrnet.structure import structure_maps

GOLDEN = Path(__file__).parent / "golden" / "rtv"


def batch(*images):
    return torch.from_numpy(np.stack([np.moveaxis(image, 2, 0) for image in images]).astype(np.float32) / 255)


def golden(name):
    with np.load(GOLDEN / f"{name}.npz") as case:
        image = case["image"]
        return np.atleast_3d(image), np.atleast_3d(case["expected_u16"] / 65535), json.loads(str(case["params"]))


@pytest.mark.parametrize("name", ["astronaut_it1", "odd_tiny", "page_gray", "constant", "one_row", "one_col"])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-4])
def test_golden_vectors(name, tolerance):
    image, exact, parameters = golden(name)
    result = structure_maps(batch(image), StructureSettings(**parameters, tolerance=tolerance))
    error = np.moveaxis(result[0].numpy(), 0, 2) - exact
    flat = name in ("constant", "one_row", "one_col")
    assert np.linalg.norm(error) <= (1e-4 if flat else tolerance) * np.linalg.norm(exact)
    assert np.quantile(np.abs(error), 0.999) <= 10 * tolerance
    assert np.abs(error).max() <= (5e-2 if tolerance == 1e-3 else 1e-2)


@pytest.mark.parametrize("parameters", [{}, {"lam": 0.05, "sigma": 6.0, "sharpness": 0.001, "iterations": 2}])
def test_same_maps_as_the_cpu_solver(parameters):
    rng = np.random.default_rng(7)
    image = np.clip(rng.normal(210, 12, (90, 120, 3)), 0, 255).astype(np.uint8)
    image[30:50, 20:100] //= 4
    ours = structure_maps(batch(image), StructureSettings(**parameters))[0].numpy()
    theirs = structure_map(image, **parameters)
    assert np.linalg.norm(np.moveaxis(ours, 0, 2) - theirs) <= 1e-3 * np.linalg.norm(theirs)


def test_an_image_does_not_depend_on_its_batch():
    rng = np.random.default_rng(8)
    images = [rng.integers(0, 256, (40, 48, 3), np.uint8), np.zeros((40, 48, 3), np.uint8)]
    images.append(np.full((40, 48, 3), 200, np.uint8))
    together = structure_maps(batch(*images))
    for index, image in enumerate(images):
        assert torch.allclose(together[index], structure_maps(batch(image))[0], atol=1e-6)
    assert (together[1] == 0).all() and torch.allclose(together[2], torch.tensor(200 / 255))


def test_inputs_are_left_alone_and_checked():
    images = torch.rand(1, 3, 16, 16)
    before = images.clone()
    assert not structure_maps(images).requires_grad
    assert torch.equal(images, before)
    with pytest.raises(ValueError, match="float32"):
        structure_maps(images.double())
    with pytest.raises(ValueError, match="B, C, H, W"):
        structure_maps(images[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_makes_the_same_maps():
    image, exact, parameters = golden("page_gray")
    result = structure_maps(batch(image).cuda(), StructureSettings(**parameters))
    error = np.moveaxis(result[0].cpu().numpy(), 0, 2) - exact
    assert np.linalg.norm(error) <= 1e-3 * np.linalg.norm(exact)
