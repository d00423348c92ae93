"""What only the trainer of CTRNet can be told: the size of the network, and what counts how much. Knows no torch."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from workflows.training.settings import TrainSettings

# Weights of terms that need something which is not always there: where it is, and nothing else is said, these count
NEEDING_VGG = {"perceptual": 0.05, "style": 120.0}
NEEDING_TRUNK = {"context": 0.1}
NEEDING_HEADS = {"heads": 0.1}


@dataclass(frozen=True, slots=True)
class LossSettings:
    """The weights of the terms of the loss, and the files that some of them need. Raises UsageError.

    ``l1``, ``l2`` and ``scales`` (L1 of the error's mean over squares of 2 and 4 px) compare pictures, and ``log`` (the
    logarithm of a sample's squared error) does so in dB: pages on which little is wrong count as much as others.
    ``structure`` compares the structure generator's output with the truth's, ``heads`` (multi-scale) the pictures of
    the auxiliary heads, which the network must have. ``perceptual`` and ``style`` need VGG-16's weights (``vgg``),
    ``context`` those of TResNet-L (``trunk``) and auxiliary heads; None counts as usual where they are there, and not
    at all where they are not. ``adversarial`` trains a discriminator along.
    """

    vgg: Path | None = None
    trunk: Path | None = None
    l1: float = 1.0
    l2: float = 5.0
    scales: float = 0.5
    log: float = 0.02
    structure: float = 0.3
    heads: float | None = None
    perceptual: float | None = None
    style: float | None = None
    context: float | None = None
    adversarial: float = 0.0

    def __post_init__(self) -> None:
        for part in dataclasses.fields(self)[2:]:
            value = getattr(self, part.name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise UsageError(f"the weight of {part.name} must be finite and not negative, not {value}")
        needs = {"vgg": (NEEDING_VGG, "VGG-16"), "trunk": (NEEDING_TRUNK, "TResNet-L")}
        for path, (names, network) in needs.items():
            for name in names:
                if getattr(self, name) and getattr(self, path) is None:
                    raise UsageError(
                        f"the loss {name} needs the weights of {network}",
                        f"name them with --{path} FILE, or leave it out",
                    )

    def weights(self, *, has_heads: bool) -> dict[str, float]:
        """What each term counts for with a network that has auxiliary heads or not, none left out in silence.

        Raises UsageError for a term that the network has no heads for, and when no term counts.
        """
        if not has_heads and (self.heads or self.trunk):
            what = "the loss heads" if self.heads else "the loss context (trunk)"
            raise UsageError(
                f"{what} needs a network with auxiliary heads",
                "set auxiliary_heads = true in [network] (--auxiliary-heads true), or leave it out",
            )
        there = ((has_heads, NEEDING_HEADS), (self.vgg, NEEDING_VGG), (self.trunk, NEEDING_TRUNK))
        usual = {name: weight for given, weights in there if given for name, weight in weights.items()}
        named = {part.name: getattr(self, part.name) for part in dataclasses.fields(self)[2:]}
        found = {name: usual.get(name, 0.0) if value is None else value for name, value in named.items()}
        if not any(found.values()):
            raise UsageError("every loss has the weight 0", "let at least one count")
        return found


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What is to differ from ``remover.ctrnet.network.DOCUMENTS``, by the names of ``GeneratorConfig``; None is not."""

    base_width: int | None = None
    lgcm_blocks: int | None = None
    rdbs: int | None = None
    growth: int | None = None
    rdb_layers: int | None = None
    structure_width: int | None = None
    attention_heads: int | None = None
    feature_channels: int | None = None
    spectral_norm: bool | None = None
    auxiliary_heads: bool | None = None
    dropout: bool | None = None

    def given(self) -> dict[str, Any]:
        """Those that are not None."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class CtrnetSettings(TrainSettings):
    """A training run of CTRNet: ``loss`` and ``network`` are tables of their own in a TOML file. Raises UsageError."""

    loss: LossSettings = field(default_factory=LossSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)

    def __post_init__(self) -> None:
        TrainSettings.__post_init__(self)  # super() does not work in a class with slots
        if self.init is not None and self.network.given():
            raise UsageError(
                f"{self.init} brings its own network: {', '.join(self.network.given())} cannot be set",
                "leave out --init, or what is set of the network",
            )
