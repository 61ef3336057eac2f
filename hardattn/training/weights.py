"""By how much a scene counts in training: all alike, or the more the rarer its class is."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from hardattn.data import Dataset
from hardattn.tasks import Weighted
from hardattn.world import World


def balanced(labels: Tensor, classes: int) -> Tensor:
    """(K,): images over classes over images of the class, so that all classes weigh the same.

    One of which there is no image has the weight 0; the mean over the images is 1.
    """
    count = torch.bincount(labels, minlength=classes).to(torch.get_default_dtype())
    there = (count > 0).sum()
    return torch.where(count > 0, len(labels) / (there * count.clamp_min(1)), 0.0)


# By the word that `--class-weights` takes.
WEIGHTS: dict[str, Callable[[Tensor, int], Tensor]] = {"balanced": balanced}


def weighted(world: World, name: str | None, dataset: Dataset) -> World:
    """The same world, whose task counts scenes by the class that they are of; None: as it is.

    Raises ValueError for a name that there is not, and where what is asked is not the class.
    """
    if name is None:
        return world
    if name not in WEIGHTS:
        raise ValueError(f"no class weights {name!r}: choose from {', '.join(WEIGHTS)}")
    if world.task.classes != len(dataset.classes):
        raise ValueError(
            f"class weights are of the {len(dataset.classes)} classes of the data, and "
            f"{world.task.classes} answers are asked for: leave them out"
        )
    heavier = copy.copy(world)
    weights = WEIGHTS[name](dataset.train.labels, len(dataset.classes))
    heavier.task = Weighted(world.task, weights)
    return heavier
