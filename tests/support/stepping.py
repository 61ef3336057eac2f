"""What tests of stepping share."""

import torch
from gymnasium.vector import AutoresetMode

MODES = list(AutoresetMode)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
