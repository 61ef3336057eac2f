"""Somebody else's looks for an agent that is trained: did its own matter?

A path is (T, N, P), the places of N scenes, look by look. Its first row is the world's: no agent
decides it, and no swap moves it. Where a place is more than a point (how wide a window is, how it
is turned) a point that is put there has what the agent's places have in the mean over scenes, look
by look. Where places are weights over cells, its own weights are dealt out anew, so that as many
cells are looked at, and as sharply.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from hardattn.evaluation.evaluate import APART, Columns, columns, episodes, finished
from hardattn.maps import Map
from hardattn.rollout import Agent, Draw, Trajectory, greedy
from hardattn.scenes import Scenes
from hardattn.sensors import Grid
from hardattn.tasks import Sequence
from hardattn.world import World


class Meaningless(ValueError):
    """A swap says nothing of this agent, or of these scenes; the message is the reason."""


class Own(NamedTuple):
    """Where an agent looked by itself, and what came of it."""

    place: Tensor  # (T, N, P); after a stop, where it would have looked
    columns: Columns


DRAWS = 5  # of a swap that is drawn: one alone would be luck that a whole table shares
Swap = Callable[[Own, World, Scenes, torch.Generator], Tensor]


def own_looks(
    agent: Agent, world: World, scenes: Scenes, draw: Draw = greedy, seed: int = 0
) -> Own:
    """As `evaluate`, with the places. Of a place what the sensor reads, no action."""

    def kept(part: Scenes, path: Trajectory, maps: list[Map]) -> Own:
        place = world.path(path.location)[..., : world.sensor.places]
        return Own(place, columns(path, world, part, maps))

    parts = episodes(agent, world, scenes, kept, draw, seed)
    place = torch.cat([one.place for one in parts], 1)
    return Own(place, finished(world, [one.columns for one in parts]))


def raster_point(look: Tensor, looks: int) -> Tensor:
    """Where look t of T falls, line by line: (B,) numbers of looks, from 0 -> (B, 2).

    To cell t of the smallest grid that has one for every look, ceil(T / ceil(sqrt(T))) rows of
    ceil(sqrt(T)).
    """
    columns = math.ceil(looks**0.5)
    rows = -(-looks // columns)
    row, column = torch.div(look, columns, rounding_mode="floor"), look.remainder(columns)
    return torch.stack([(column + 0.5) / columns * 2 - 1, (row + 0.5) / rows * 2 - 1], -1)


def random(own: Own, world: World, scenes: Scenes, generator: torch.Generator) -> Tensor:
    """Anywhere, uniformly and at each look anew."""
    if isinstance(world.sensor, Grid):
        count = world.sensor.rows * world.sensor.columns
        rank = torch.rand(*own.place[1:, :, 0].shape, count, generator=generator)
        return _dealt(own, world.sensor, rank.to(own.place))
    point = torch.empty(*own.place[1:, :, 0].shape, 2).uniform_(-1.0, 1.0, generator=generator)
    return _at(own, world, point.to(own.place))


def centre(own: Own, world: World, scenes: Scenes, generator: torch.Generator) -> Tensor:
    """The centre of the image, always."""
    return _at(own, world, own.place.new_zeros(1, 1, 2))


def raster(own: Own, world: World, scenes: Scenes, generator: torch.Generator) -> Tensor:
    """Line by line: see `raster_point`."""
    look = torch.arange(1, len(own.place), device=own.place.device)
    point = raster_point(look.to(own.place), world.horizon)
    return _at(own, world, point[:, None])


def oracle(own: Own, world: World, scenes: Scenes, generator: torch.Generator) -> Tensor:
    """The centre of a target's box: of several in turn, of a sequence that of the symbol asked."""
    box = scenes.box.to(own.place)
    there = ~box.isnan().any(-1)
    if not there.any(1).all():
        raise Meaningless("there are scenes without the box of a target")
    if (box[there].abs() == 1).all():
        raise Meaningless("targets fill the image: their place is its centre")
    look = torch.arange(1, len(own.place), device=box.device)[:, None]
    count = there.sum(1)
    if isinstance(world.task, Sequence):
        turn = (look // world.task.each(scenes.target, world.looks)).minimum(count - 1)
    else:
        turn = look % count
    # The boxes that are there, before those that are not.
    order = (~there).int().argsort(dim=1, stable=True)
    centres = (box[..., :2] + box[..., 2:]) / 2
    which = order.gather(1, turn.T)
    return _at(own, world, centres.gather(1, which[..., None].expand(-1, -1, 2)).transpose(0, 1))


def shuffled(own: Own, world: World, scenes: Scenes, generator: torch.Generator) -> Tensor:
    """The path of a scene made from another image."""
    return own.place[:, partners(scenes.index.cpu(), generator).to(own.place.device)]


def backwards(own: Own, world: World, scenes: Scenes, generator: torch.Generator) -> Tensor:
    """Its own path, the last look that it took first; what comes after a stop stays where it is."""
    looks = own.columns.looks.to(own.place.device)
    if looks.max() < 3:
        raise Meaningless("a single look of its own is its own reverse")
    look = torch.arange(len(own.place), device=own.place.device)[:, None]
    turned = torch.where((look > 0) & (look < looks), looks - look, look)
    return own.place.gather(0, turned[..., None].expand_as(own.place))


def mean(own: Own, world: World, scenes: Scenes, generator: torch.Generator) -> Tensor:
    """The mean of its paths over all scenes, whatever the image.

    Of hard looks over cells those that are looked at most often, as many as in the mean.
    """
    average = own.place.mean(1, keepdim=True)
    hard = ((own.place == 0) | (own.place == 1)).all()
    if isinstance(world.sensor, Grid) and hard:
        masks = average.unflatten(-1, (-1, world.sensor.rows * world.sensor.columns))
        rank = masks.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
        average = (rank < masks.sum(-1, keepdim=True).round()).to(average).flatten(2)
    return average.expand_as(own.place)


SWAPS: dict[str, Swap] = {
    "random": random,
    "centre": centre,
    "raster": raster,
    "oracle": oracle,
    "shuffled": shuffled,
    "reversed": backwards,
    "mean": mean,
}


DRAWN = ("random", "shuffled")


def paths(name: str, own: Own, world: World, scenes: Scenes, seed: int = 0) -> list[Tensor]:
    """The paths of a swap: DRAWS where it is drawn, and one of any other.

    seed: of the training, so that each has draws of its own. Raises Meaningless.
    """
    count = DRAWS if name in DRAWN else 1
    return [
        swapped(name, own, world, scenes, (seed * DRAWS + number) % 2**62)
        for number in range(count)
    ]


def swapped(name: str, own: Own, world: World, scenes: Scenes, seed: int = 0) -> Tensor:
    """(T, N, P): the path of a row of SWAPS for an agent that looked as `own` says.

    Drawn on the CPU from the seed alone. Raises Meaningless, a reason.
    """
    if world.sensor.everything:
        raise Meaningless("it sees everything at once, wherever it looks")
    if len(own.place) < 2:
        raise Meaningless("its only look is the world's to place")
    path = SWAPS[name](own, world, scenes, torch.Generator().manual_seed(seed + 2 * APART))
    chosen = len(own.place) - 1
    return torch.cat([own.place[:1], path[-chosen:]])


def partners(index: Tensor, generator: torch.Generator) -> Tensor:
    """For each scene another, made from another image: a permutation, (N,).

    index: (N,) the image of each scene. Scenes are laid in a circle, those of an image next to each
    other, images and scenes in random order; the partner is as far on as an image has scenes at
    most. Raises Meaningless where an image has more than half of them.
    """
    count = len(index)
    image = index.unique(return_inverse=True)[1]
    most = int(image.bincount().max())
    if 2 * most > count:
        raise Meaningless("there are not enough images to look at one by another's path")
    order = torch.randperm(count, generator=generator)
    rank = torch.randperm(int(image.max()) + 1, generator=generator)
    circle = order[rank[image[order]].argsort(dim=0, stable=True)]
    partner = torch.empty_like(circle)
    partner[circle] = circle.roll(-most)
    return partner


def _at(own: Own, world: World, point: Tensor) -> Tensor:
    """(T - 1 or 1, N or 1, 2) points -> (T - 1, N, P) places that lie there."""
    point, sensor = point.expand(*own.place[1:, :, 0].shape, 2), world.sensor
    if isinstance(sensor, Grid):
        # The cell that the point lies in comes first, then those whose centres are nearest.
        within = (
            sensor.density(sensor.at(point.flatten(0, 1))).flatten(1).view(*point.shape[:2], -1)
        )
        return _dealt(own, sensor, within.sign() * 9 - torch.cdist(point, sensor.centres(point)))
    others = own.place[1:, :, 2:].mean(1, keepdim=True)
    return torch.cat([point, others.expand(*point.shape[:2], -1)], -1)


def _dealt(own: Own, grid: Grid, rank: Tensor) -> Tensor:
    """Its own weights anew, the largest to the cell of the highest rank, (T - 1, N, cells).

    Of several slots the largest of each goes to the next cell, so that as many are shown.
    """
    cells = rank.argsort(dim=-1, descending=True, stable=True)[:, :, None]
    weights = own.place[1:].unflatten(-1, (-1, rank.shape[-1])).sort(-1, descending=True).values
    if not grid.together:
        slots = range(weights.shape[2])
        cells = torch.cat([cells.roll(-slot, -1) for slot in slots], 2)
    return torch.zeros_like(weights).scatter(-1, cells.expand_as(weights), weights).flatten(2)
