"""CTRNet: the network that removes text, what it is given, and what trains it. Importing this imports torch."""

from remover.ctrnet.checkpoint import load_generator, save_generator
from remover.ctrnet.network import Generator, GeneratorConfig, Prediction

__all__ = ["Generator", "GeneratorConfig", "Prediction", "load_generator", "save_generator"]
