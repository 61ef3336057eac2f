"""Whether words look at their objects: points, weights over cells, and maps, by hand."""

import math

import torch
from torch import Tensor

from hardattn.evaluation.grounding import attended, grounded
from hardattn.maps import Map, pooled
from hardattn.scenes import Scenes
from hardattn.sensors import Cells, Retina, Whole
from hardattn.tasks import Sequence
from hardattn.world import World

NAN = math.nan
LEFT, RIGHT = [-1.0, -1.0, 0.0, 1.0], [0.0, -1.0, 1.0, 1.0]


def scenes(named: list[list[int]]) -> Scenes:
    """Halves of an image, the left one first."""
    count = len(named)
    box = torch.tensor([[LEFT, RIGHT]]).expand(count, 2, 4)
    return Scenes(
        torch.zeros(count, 1, 4, 4, dtype=torch.uint8),
        torch.zeros(count, len(named[0]), dtype=torch.int64),
        box,
        torch.arange(count),
        named=torch.tensor(named),
    )


def same(found: Tensor, wanted: list[list[float]]) -> bool:
    return torch.allclose(found.double(), torch.tensor(wanted).double(), equal_nan=True)


def test_points_lie_in_the_box_that_is_named_or_not() -> None:
    world = World(Retina(2), Sequence(3), 4)
    place = torch.tensor([[-0.5, 0.0], [0.5, 0.0], [0.5, 0.5], [0.5, -0.5]])[:, None]
    assert same(grounded(world, place, scenes([[0, 1, -1, 0]]), []), [[1, 1, NAN, 0]])
    # Two looks a word: of the first word one of both lies there.
    assert same(grounded(world, place, scenes([[0, 1]]), []), [[0.5, 1]])


def test_weights_over_cells_lie_there_as_far_as_they_do() -> None:
    world = World(Cells(1, 4), Sequence(3), 2)
    place = torch.tensor([[[0.5, 0.25, 0.25, 0.0]], [[0.0, 0.0, 0.0, 1.0]]])
    assert same(grounded(world, place, scenes([[0, 0]]), []), [[0.75, 0]])
    assert attended(world, place, []).shape == (2, 1, 1, 4)


def test_a_map_of_each_look_is_what_was_attended_to() -> None:
    world, place = World(Whole(), Sequence(3), 2), torch.zeros(2, 1, 2)
    weights = torch.tensor([[[0.2, 0.8]]]), torch.tensor([[[1.0, 0.0]]])
    maps = [Map("cross", "pooled query", each, (-1,), pooled(1, 2)) for each in weights]
    once = Map("gate", "pooled query", torch.ones(1, 1, 2), (-1,), pooled(1, 2))
    assert same(grounded(world, place, scenes([[1, 1]]), [*maps, once]), [[0.8, 0]])
    # Whoever sees everything and says nothing of where has not looked anywhere.
    assert same(grounded(world, place, scenes([[1, 1]]), [once]), [[NAN, NAN]])


def test_where_there_is_no_sentence_there_is_nothing() -> None:
    plain = Scenes(*scenes([[0, 1]])[:-1])
    world = World(Retina(2), Sequence(3), 2)
    assert grounded(world, torch.zeros(2, 1, 2), plain, []).shape == (1, 0)
