"""CTRNet: the network that removes text, and what surrounds it."""
