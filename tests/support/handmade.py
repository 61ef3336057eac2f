"""Answers, looks and maps made by hand, whose figures are known."""

import torch
from torch import Tensor

from hardattn.evaluation.evaluate import Columns
from hardattn.scenes import inside

# Final probabilities of four examples, and of the look before; four classes.
BEFORE = [[0.1, 0.7, 0.1, 0.1], [0.2, 0.5, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], [0.6, 0.2, 0.1, 0.1]]
FINAL = [
    [0.7, 0.1, 0.1, 0.1],  # target 0: right
    [0.4, 0.3, 0.2, 0.1],  # target 1: above 1/K, and yet another class is more probable: wrong
    [0.4, 0.4, 0.1, 0.1],  # target 0: a tie, of which the first is the answer: right
    [0.4, 0.4, 0.1, 0.1],  # target 1: the same tie: wrong
]
TARGET = [0, 1, 0, 1]
MAPS = [[[1.0, 0], [0, 0]], [[0.0, 1], [0, 0]], [[1.0, 1], [0, 0]], [[1.0, 1], [1, 1]]]


def columns(**changes: Tensor) -> Columns:
    """Four examples and two looks, all taken."""
    place = torch.tensor([[[0.9, 0.9], [x, y]] for x, y in [(0.0, 0), (1, 0), (0, 0.5), (1, 0.5)]])
    made = Columns(
        log_probability=torch.tensor([BEFORE, FINAL]).transpose(0, 1).log(),
        location=place,
        hit=torch.tensor([[True, False], [True, True], [True, False], [False, False]]),
        entropy=torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [0.0, 4.0]]),
        looks=torch.full((4,), 2),
        target=torch.tensor(TARGET),
        index=torch.arange(4),
        box=torch.tensor([[[-1.0, -1.0, 0.0, 0.0]]]).expand(4, 1, 4),  # the cell at top left
        density=torch.tensor(MAPS),
        activation=torch.tensor(MAPS[:1]).expand(4, 2, 2),
    )
    return made._replace(**changes)


def looking(place: Tensor, looks: list[int] | None = None, box: Tensor | None = None) -> Columns:
    """Columns of (N, T, 2) places and nothing else: all targets fill the quarter at top left."""
    images, steps = place.shape[:2]
    if box is None:
        box = torch.tensor([-1.0, -1.0, 0.0, 0.0]).expand(images, 1, 4)
    return Columns(
        log_probability=torch.zeros(images, steps, 2).log_softmax(-1),
        location=place,
        hit=inside(place.transpose(0, 1), box).T,
        entropy=torch.zeros(images, steps),
        looks=torch.full((images,), steps) if looks is None else torch.tensor(looks),
        target=torch.zeros(images, dtype=torch.int64),
        index=torch.arange(images),
        box=box,
    )


def mapped(density: Tensor, box: Tensor) -> Columns:
    """Columns of one look at everything, of (N, h, w) maps and (N, M, 4) boxes."""
    nowhere = torch.full((len(density), 1, 2), torch.nan)
    return looking(nowhere, box=box)._replace(density=density)
