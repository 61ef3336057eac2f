"""THE harness: whoever looks, at whatever, becomes the same per-example columns."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hardattn.rollout import Agent, Draw, greedy, rollout
from hardattn.scenes import Scenes
from hardattn.world import World


class Columns(NamedTuple):
    """N examples, T looks, on the CPU. Every figure is computed from these and from nothing else.

    After an agent has stopped, its answer stands.
    """

    log_probability: Tensor  # (N, T, K) of every answer after each look
    location: Tensor  # (N, T, P) where each look fell; NaN where one look shows everything
    hit: Tensor  # (N, T) bool, the place lies in the target's box
    entropy: Tensor  # (N, T) of the distribution the place came from
    looks: Tensor  # (N,) int64, how many looks were taken
    target: Tensor  # (N,) int64
    index: Tensor  # type: ignore[assignment]  # (N,) int64, which image of the split the target is

    @property
    def prediction(self) -> Tensor:
        """(N, T) int64: the most probable answer, the first of equals."""
        return self.log_probability.argmax(-1)

    @property
    def correct(self) -> Tensor:
        """(N, T) bool."""
        return self.prediction == self.target[:, None]

    @property
    def nll(self) -> Tensor:
        """(N, T) nats."""
        target = self.target[:, None, None].expand(-1, self.log_probability.shape[1], 1)
        return -self.log_probability.gather(2, target)[..., 0]

    @property
    def confidence(self) -> Tensor:
        """(N, T): the probability of the answer given."""
        return self.log_probability.max(-1).values.exp()


def evaluate(
    agent: Agent,
    world: World,
    scenes: Scenes,
    draw: Draw = greedy,
    seed: int = 0,
    batch: int = 1000,
) -> Columns:
    """Look once at every scene, as in use: no gradient, evaluation mode, draws from `seed` alone.

    First looks are drawn on the CPU for all scenes at once, so that agents, batch sizes and
    devices share them.
    """
    device = scenes.image.device
    generator = torch.Generator(device).manual_seed(seed)
    first = world.first(scenes, torch.Generator().manual_seed(seed))
    training = isinstance(agent, nn.Module) and agent.training
    if isinstance(agent, nn.Module):
        agent.eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(scenes), batch):
            part = scenes.slice(start, start + batch)
            path = rollout(agent, world, part, draw, generator, first[start : start + batch])
            parts.append(_columns(path, world, part))
    if training and isinstance(agent, nn.Module):
        agent.train()
    return Columns(*(torch.cat(column) for column in zip(*parts, strict=True)))


def average(passes: list[Columns]) -> Columns:
    """The mean probability over several passes (Ba et al. 2015); places are those of the first."""
    stacked = torch.stack([one.log_probability for one in passes])
    mean = stacked.logsumexp(0) - torch.log(torch.tensor(float(len(passes))))
    return passes[0]._replace(log_probability=mean)


def _columns(path: Any, world: World, scenes: Scenes) -> Columns:
    looks = path.alive.sum(0).long()
    row = torch.arange(world.looks, device=looks.device)[:, None]
    held = torch.minimum(row, looks - 1)[..., None].expand_as(path.logits)
    place = world.place(path.location)
    low, high = scenes.box[:, :2], scenes.box[:, 2:]
    hit = ((place[..., :2] >= low) & (place[..., :2] <= high)).all(-1) & path.alive.bool()
    if world.sensor.everything:
        place, hit = torch.full_like(place, torch.nan), torch.zeros_like(hit)
    by_example = (
        path.logits.gather(0, held).log_softmax(-1).transpose(0, 1),
        place.transpose(0, 1),
        hit.T,
        path.entropy.T,
        looks,
        scenes.target,
        scenes.index,
    )
    return Columns(*(column.cpu() for column in by_example))
