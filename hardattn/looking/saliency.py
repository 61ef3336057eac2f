"""What an answer hangs on in one picture, for agents whatever they are: Grad-CAM and occlusion.

These are the maps that are drawn most often of networks that have no attention of their own. They
are about an answer that was given, not about where anybody looked.
"""

import math
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap
from hardattn.rollout import Agent, Draw, greedy, rollout
from hardattn.scenes import Scenes
from hardattn.world import World

AT_A_TIME = 32  # occluded pictures
SHARE = 6  # an occluded square is so many times shorter than the picture


class Cam(NamedTuple):
    """A class activation map, (h, w), and the name of the layer whose channels it is made of."""

    layer: str
    density: Tensor


def grad_cam(
    agent: nn.Module, world: World, scenes: Scenes, answer: int, draw: Draw = greedy
) -> Cam | None:
    """Grad-CAM of one scene (Selvaraju et al. 2017, arXiv:1610.02391).

    It is relu(sum_k mean_hw(dy / dA_k) A_k), where A is the last feature map, (1, C, h, w), on the
    way to the logit y of the answer. None of a network that has none, and of an agent that sees
    glimpses: their features are about no place.
    """
    if not (world.sensor.everything and isinstance(agent, nn.Module)):
        return None
    made: list[tuple[str, Tensor]] = []

    def hook(name: str) -> Any:
        def keep(part: nn.Module, given: Any, out: Any) -> None:
            if _is_a_feature_map(out):
                made.append((name, out))

        return keep

    parts = [each for each in agent.named_modules() if not isinstance(each[1], AttentionMap)]
    handles = [part.register_forward_hook(hook(name)) for name, part in parts]
    training = agent.training
    agent.eval()
    try:
        with torch.enable_grad():
            generator = torch.Generator(scenes.device).manual_seed(0)
            path = rollout(cast(Agent, agent), world, scenes, draw, generator)
            if not made or not path.logits.requires_grad:
                return None
            score = path.logits[-1, 0, answer]
            slopes = torch.autograd.grad(score, [out for _, out in made], allow_unused=True)
    finally:
        agent.train(training)
        for handle in handles:
            handle.remove()
    found = [(one, slope) for one, slope in zip(made, slopes, strict=True) if slope is not None]
    if not found:
        return None
    (name, features), slope = found[-1]
    weight = slope.mean((2, 3), keepdim=True)
    return Cam(name, F.relu((weight * features).sum(1))[0].detach())


def occlusion(
    agent: Any,
    world: World,
    scenes: Scenes,
    answer: int,
    draw: Draw = greedy,
    first: Tensor | None = None,
) -> Tensor:
    """(H, W): by how much the probability of the answer falls while a pixel is covered.

    A square of one colour, the picture's mean, covers it place after place, each half a side from
    the one before (Zeiler & Fergus 2014, arXiv:1311.2901); of those that cover a pixel the mean
    counts, and one that raises it is 0. An agent that looks chooses its looks anew each time, from
    the same first one. scenes: one.
    """
    height, width = scenes.shape[1:]
    side = [max(2, math.ceil(length / SHARE)) for length in (height, width)]
    starts = [_starts(length, one) for length, one in zip((height, width), side, strict=True)]
    mean = scenes.image.float().mean((2, 3), keepdim=True).round().to(torch.uint8)
    covers = torch.zeros(len(starts[0]) * len(starts[1]), height, width, dtype=torch.bool)
    corners = [(top, left) for top in starts[0] for left in starts[1]]
    for number, (top, left) in enumerate(corners):
        covers[number, top : top + side[0], left : left + side[1]] = True
    covers = covers.to(scenes.device)

    def probability(images: Tensor) -> Tensor:
        count = len(images)
        some = Scenes(images, *(field.expand(count, *field.shape[1:]) for field in scenes[1:4]))
        begin = None if first is None else first.expand(count, *first.shape[1:])
        generator = torch.Generator(images.device).manual_seed(0)
        path = rollout(agent, world, some, draw, generator, begin)
        looks = path.alive.sum(0).long() - 1
        last = path.logits[looks, torch.arange(count, device=looks.device)]
        return last.softmax(-1)[:, answer]

    training = isinstance(agent, nn.Module) and agent.training
    if isinstance(agent, nn.Module):
        agent.eval()
    with torch.no_grad():
        whole = probability(scenes.image)
        parts = [
            probability(torch.where(part[:, None], mean, scenes.image))
            for part in covers.split(AT_A_TIME)
        ]
    if training:
        agent.train()
    drop = F.relu(whole - torch.cat(parts))
    times = covers.sum(0).clamp_min(1)
    return (covers * drop[:, None, None]).sum(0) / times


def _is_a_feature_map(made: Any) -> bool:
    """Whether a layer made several channels over several places, and a gradient can reach them."""
    if not isinstance(made, Tensor) or made.dim() != 4 or not made.requires_grad:
        return False
    return made.shape[1] > 1 and min(made.shape[2:]) > 1


def _starts(length: int, side: int) -> list[int]:
    """Where squares start, so that they reach from one border to the other."""
    last = max(0, length - side)
    count = 1 + math.ceil(last / max(1, side // 2))
    return [round(last * number / max(1, count - 1)) for number in range(count)]
