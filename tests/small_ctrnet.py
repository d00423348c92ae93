"""A CTRNet small enough for tests, with seeded weights, as a file."""

import torch

from remover.ctrnet import Generator, GeneratorConfig, save_generator

SMALL = GeneratorConfig(base_width=2, lgcm_blocks=1, rdbs=1, growth=1, rdb_layers=1, structure_width=1)


def write_small_ctrnet(path, seed=0):
    """Write the weights to ``path`` and return it."""
    torch.manual_seed(seed)
    save_generator(Generator(SMALL).eval(), path, {"trained_on": "nothing: random weights for tests"})
    return path
