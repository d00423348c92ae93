"""What tests of the frozen networks share: the trunk's entries, and random weights that reach every rule."""

import torch

ABN = ("weight", "bias", "running_mean", "running_var")


def trunk_entries():
    def layer(prefix):
        return [f"body.{prefix}.0.weight", *(f"body.{prefix}.1.{name}" for name in ABN)]

    entries = layer("conv1")
    for stage, blocks in (("layer1", 4), ("layer2", 5)):
        for block in range(blocks):
            halves = (stage, block) == ("layer2", 0)
            entries += layer(f"{stage}.{block}.conv1.0" if halves else f"{stage}.{block}.conv1")
            entries += layer(f"{stage}.{block}.conv2")
            entries += layer(f"{stage}.{block}.downsample.1") if halves else []
            entries += [f"body.{stage}.{block}.se.{fc}.{kind}" for fc in ("fc1", "fc2") for kind in ("weight", "bias")]
    return entries


def shaken(module):
    """Every entry moved off its initial value: weights of both signs, variances positive."""
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand_like(tensor) + 0.5)
        elif name.endswith(ABN[:3]) and tensor.ndim == 1:
            tensor.copy_(torch.randn_like(tensor))
    return module
