"""CTRNets small enough for tests, with seeded weights, as files: one like the published, one for documents."""

from dataclasses import replace

import torch

from remover.ctrnet import Generator, GeneratorConfig, save_generator

SMALL = GeneratorConfig(base_width=2, lgcm_blocks=1, rdbs=1, growth=1, rdb_layers=1, structure_width=1)
SMALL_DOCUMENTS = replace(SMALL, spectral_norm=False, auxiliary_heads=False, dropout=False, prefill=True)


def write_small_ctrnet(path, seed=0):
    """Write the weights to ``path`` and return it."""
    torch.manual_seed(seed)
    save_generator(Generator(SMALL).eval(), path, {"trained_on": "nothing: random weights for tests"})
    return path


def small_documents(seed=0, config=SMALL_DOCUMENTS):
    """A network for documents that changes something, in evaluation mode: an untrained one does not."""
    torch.manual_seed(seed)
    generator = Generator(config).eval().requires_grad_(False)
    for layer in (generator.coarse_gen.deconv5.conv2d, generator.texture_generator.dc3[1]):
        layer.weight.normal_(std=0.2)
    return generator


def write_small_documents(path, seed=0):
    """Write weights for documents to ``path``, float16 as those that are shipped, and return it."""
    save_generator(small_documents(seed), path, {"trained_on": "nothing: random weights for tests"}, half=True)
    return path
