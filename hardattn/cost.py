"""What looking costs, in units that no machine changes."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from hardattn.rollout import Agent, Draw, greedy, rollout
from hardattn.scenes import Scenes
from hardattn.world import World


def flops(agent: Agent, world: World, scenes: Scenes, draw: Draw = greedy) -> int:
    """Floating-point operations for one image, as torch counts them: two for a product and its
    sum, in matrix products and convolutions; everything else (elementwise, sampling, sorting) is
    not counted. scenes: any; the first is looked at.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        rollout(agent, world, scenes.slice(0, 1), draw)
    return int(counter.get_total_flops())
