"""Maps against boxes, by hand."""

import math

import pytest
import torch
from torch import Tensor

from hardattn import localisation

NAN = math.nan
# One map of 4x4 cells, each half a unit wide: two hang together, a higher one stands apart.
MAP = torch.tensor(
    [
        [0.0, 0.0, 0.0, 3.0],
        [0.0, 2.0, 0.0, 0.0],
        [0.0, 0.0, 2.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
    ]
)[None]
MIDDLE = torch.tensor([[[-0.5, -0.5, 0.5, 0.5], [NAN, NAN, NAN, NAN]]])
CORNER = torch.tensor([[[0.5, -1.0, 1.0, -0.5], [NAN, NAN, NAN, NAN]]])


@pytest.mark.parametrize("box, found", [(MIDDLE, False), (CORNER, True)])
def test_pointing_looks_at_the_highest_cell_alone(box: Tensor, found: bool) -> None:
    assert localisation.pointing(MAP, box).tolist() == [found]


def test_of_equal_cells_the_first_is_pointed_at() -> None:
    flat = torch.ones(1, 2, 2)
    boxes = torch.tensor([[[-1.0, -1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0, 1.0]]])
    assert localisation.pointing(flat.expand(2, -1, -1), boxes).tolist() == [True, False]


def test_energy_is_the_share_inside() -> None:
    assert localisation.energy(MAP, MIDDLE).tolist() == [pytest.approx(4 / 7)]
    assert localisation.energy(MAP, CORNER).tolist() == [pytest.approx(3 / 7)]
    assert localisation.energy(torch.zeros_like(MAP), MIDDLE).tolist() == [0]
    # Half of the corner's cell lies in this box.
    half = torch.tensor([[[0.75, -1.0, 1.0, -0.5]]])
    assert localisation.energy(MAP, half).tolist() == [pytest.approx(1.5 / 7)]


def test_two_boxes_that_overlap_do_not_count_twice() -> None:
    twice = CORNER[:, :1].repeat(1, 2, 1)
    assert localisation.energy(MAP, twice).tolist() == [pytest.approx(3 / 7)]


def test_entropy_is_between_one_cell_and_all_alike() -> None:
    one = torch.zeros(1, 3, 5)
    one[0, 1, 2] = 7
    assert localisation.entropy(one).tolist() == [0]
    assert localisation.entropy(torch.full((1, 3, 5), 0.2)).tolist() == [pytest.approx(1)]
    two = torch.zeros(1, 4, 4)
    two[0, 0, :2] = 1
    assert localisation.entropy(two).tolist() == [pytest.approx(math.log(2) / math.log(16))]


def test_gini_of_one_cell_of_equals_and_of_halves() -> None:
    one = torch.zeros(4, 2, 3)
    one[0, 1, 2] = 5
    one[1] = 0.3
    one[2, 0] = 1
    assert localisation.gini(one).tolist() == pytest.approx([5 / 6, 0, 1 / 2, 0])
    # Half the mean absolute difference over the mean.
    some = torch.tensor([[[1.0, 2.0], [4.0, 9.0]]])
    gaps = (some.flatten()[:, None] - some.flatten()).abs().mean()
    assert localisation.gini(some).item() == pytest.approx((gaps / 2 / some.mean()).item())


def test_the_largest_part_hangs_together_by_corners_too() -> None:
    part = localisation.largest(MAP > 0)
    assert part.nonzero().tolist() == [[0, 1, 1], [0, 2, 2]]
    assert not localisation.largest(torch.zeros(2, 3, 3, dtype=torch.bool)).any()


def test_the_largest_part_of_a_snake_is_the_snake() -> None:
    snake = torch.ones(1, 9, 9, dtype=torch.bool)
    for row in range(1, 9, 2):
        snake[0, row, 1 if row % 4 == 1 else 0 :] = False
        snake[0, row] = False
        snake[0, row, 8 if row % 4 == 1 else 0] = True
    dot = snake.clone()
    dot[0, 1, :] = False
    assert torch.equal(localisation.largest(snake), snake)
    assert localisation.largest(dot).sum() == snake[0, 2:].sum()


def test_the_box_around_the_largest_part() -> None:
    # Up to 2 of 3 the pair makes the box, a perfect one; above, the corner cell.
    for box, expected in ((MIDDLE, 1.0), (CORNER, 1.0)):
        assert localisation.overlap(MAP, box).amax(0).tolist() == [pytest.approx(expected)]
    at_half = localisation.overlap(MAP, MIDDLE, thresholds=2)
    assert at_half[1].tolist() == [pytest.approx(1.0)]
    # At threshold 0 all of the map is one part: a box of 1 in an area of 4.
    assert at_half[0].tolist() == [pytest.approx(0.25)]


def test_one_threshold_must_do_for_all_images() -> None:
    # The first wants a threshold below 2/3, the second one above: only one can be had.
    assert localisation.max_box_acc(MAP, MIDDLE) == 1
    both = torch.cat([MAP, MAP])
    assert localisation.max_box_acc(both, torch.cat([MIDDLE, CORNER])) == 0.5


def test_a_box_that_is_half_right() -> None:
    box = torch.tensor([[[-0.5, -0.5, 0.5, 1.0]]])  # IoU 2/3 with the pair's box
    assert localisation.overlap(MAP, box).amax(0).tolist() == [pytest.approx(2 / 3)]
    assert localisation.max_box_acc(MAP, box, iou=0.7) == 0
    assert localisation.max_box_acc(MAP, box, iou=0.6) == 1
