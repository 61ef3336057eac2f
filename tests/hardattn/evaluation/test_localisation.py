"""Maps against boxes, by hand."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from hardattn.evaluation import localisation

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


def test_parts_hang_together_by_corners_too() -> None:
    which, size, box = localisation.parts(torch.cat([MAP > 0, MAP < 0, MAP > 2]))
    assert sorted(zip(which.tolist(), size.tolist(), box.tolist(), strict=True)) == [
        (0, 1, [0.5, -1.0, 1.0, -0.5]),
        (0, 2, [-0.5, -0.5, 0.5, 0.5]),
        (2, 1, [0.5, -1.0, 1.0, -0.5]),
    ]


def test_maps_that_are_alike_everywhere_find_nothing() -> None:
    flat = torch.full((2, 4, 4), 0.3)
    assert localisation.parts(flat > 1).which.tolist() == []
    whole = torch.tensor([[[-1.0, -1.0, 1.0, 1.0]]])
    for box in (MIDDLE, whole):
        for every in (False, True):
            assert not localisation.overlaps(flat, box.expand(2, -1, -1))[every].any()
    assert localisation.max_box_acc(flat, whole.expand(2, -1, -1)) == 0


def test_thresholds_are_strict_as_published() -> None:
    """Boxes of the published evaluation, made anew with scipy: what is brighter than a share of
    the brightest, of maps scaled to 0 to 1 (wsolevaluation, cv2.THRESH_BINARY).
    """
    generator = torch.Generator().manual_seed(3)
    # Steps of a twentieth, so that many cells are exactly at a threshold.
    maps = torch.randint(21, (30, 6, 7), generator=generator).double() / 20
    maps[:, 0, 0], maps[:, 5, 6] = 0.0, 1.0
    low, high = torch.rand(2, 30, 1, 2, generator=generator, dtype=torch.float64).sort(0).values
    box = 2 * torch.cat([low, high], -1) - 1
    x, y = localisation.edges(7), localisation.edges(6)
    wanted = torch.zeros(20, 30, dtype=torch.float64)
    for step in range(20):
        for image, one in enumerate(maps.numpy()):
            label, count = ndimage.label(one > step / 20, np.ones((3, 3)))
            sizes = [int((label == part).sum()) for part in range(1, count + 1)]
            down, across = ndimage.find_objects(label)[int(np.argmax(sizes))]
            around = torch.stack([x[across.start], y[down.start], x[across.stop], y[down.stop]])
            wanted[step, image] = localisation.best_iou(around[None], box[image][None])[0]
    assert torch.allclose(localisation.overlaps(maps, box).largest, wanted, atol=1e-9)


@pytest.mark.parametrize("size", [(1, 1), (3, 8), (9, 9), (5, 17), (4, 33), (6, 64), (5, 150)])
@pytest.mark.parametrize("share", [0.2, 0.45, 0.7])
def test_parts_against_scipy(size: tuple[int, int], share: float) -> None:
    """Narrow masks and wide ones; about the middle share parts are long and winding."""
    height, width = size
    generator = torch.Generator().manual_seed(width)
    mask = torch.rand(20, height, width, generator=generator) < share
    x, y = localisation.edges(width).tolist(), localisation.edges(height).tolist()
    wanted = []
    for image in range(20):
        label, _ = ndimage.label(mask[image].numpy(), np.ones((3, 3)))
        for number, (down, across) in enumerate(ndimage.find_objects(label), 1):
            box = (x[across.start], y[down.start], x[across.stop], y[down.stop])
            wanted.append((image, int((label == number).sum()), box))
    which, size, box = localisation.parts(mask)
    found = zip(which.tolist(), size.tolist(), map(tuple, box.tolist()), strict=True)
    assert sorted(found) == sorted(wanted)


def test_of_parts_as_large_the_first_is_the_largest() -> None:
    twins = torch.tensor([[[0.0, 0, 1, 0, 1], [1, 0, 0, 0, 0], [1, 0, 1, 1, 0]]])
    twins[0, 0, 4] = 0
    boxes = torch.tensor([[[-1.0, -1 / 3, -0.6, 1.0]], [[-0.2, 1 / 3, 0.6, 1.0]]])
    for box, found in zip(boxes, (1, 0), strict=True):
        assert localisation.overlaps(twins, box[None], 2).largest[1].item() == pytest.approx(
            found, abs=1e-6
        )
        assert localisation.overlaps(twins, box[None], 2).best[1].item() == pytest.approx(1)


def test_the_box_around_the_largest_part() -> None:
    # Up to 2 of 3 the pair makes the box, a perfect one; above, the corner cell.
    for box, expected in ((MIDDLE, 1.0), (CORNER, 1.0)):
        assert localisation.overlaps(MAP, box).largest.amax(0).tolist() == [pytest.approx(expected)]
    at_half = localisation.overlaps(MAP, MIDDLE, thresholds=2).largest
    assert at_half[1].tolist() == [pytest.approx(1.0)]
    # At threshold 0 all that is more than nothing is there: the pair and the corner cell.
    assert at_half[0].tolist() == [pytest.approx(1.0)]


def test_one_threshold_must_do_for_all_images() -> None:
    # The first wants a threshold below 2/3, the second one above: only one can be had.
    assert localisation.max_box_acc(MAP, MIDDLE) == 1
    both = torch.cat([MAP, MAP])
    assert localisation.max_box_acc(both, torch.cat([MIDDLE, CORNER])) == 0.5


def test_a_box_that_is_half_right() -> None:
    box = torch.tensor([[[-0.5, -0.5, 0.5, 1.0]]])  # IoU 2/3 with the pair's box
    assert localisation.overlaps(MAP, box).largest.amax(0).tolist() == [pytest.approx(2 / 3)]
    assert localisation.max_box_acc(MAP, box, iou=0.7) == 0
    assert localisation.max_box_acc(MAP, box, iou=0.6) == 1


def test_any_part_may_match_in_the_second_version() -> None:
    """The pair is never the largest: a bar beside it is."""
    bar = MAP.clone()
    bar[0, 3] = 2.5
    bar[0, 1:3] = 0
    bar[0, 1, 1] = 2
    box = torch.tensor([[[-0.5, -0.5, 0.0, 0.0]]])  # that of the single cell
    assert localisation.overlaps(bar, box).largest[1:].amax() == 0
    assert localisation.overlaps(bar, box).best.amax() == pytest.approx(1)
    assert localisation.max_box_acc(bar, box) == 0
    assert localisation.max_box_acc_v2(bar, box) == 1


def test_the_second_version_is_the_mean_of_three() -> None:
    # The pair's IoU with the first is 2/3, with the second 1/2, with the third 4/9.
    boxes = [[-0.5, -0.5, 0.5, 1.0], [-0.5, -0.5, 0.5, 1.5], [-0.5, -0.5, 1.0, 1.0]]
    maps = MAP.clone()
    maps[0, 0, 3] = 0
    found = localisation.max_box_acc_v2(maps.expand(3, -1, -1), torch.tensor(boxes)[:, None])
    assert found == pytest.approx((3 / 3 + 2 / 3 + 0) / 3)


def test_precision_and_recall_of_cells() -> None:
    box = torch.tensor([[[-1.0, -1.0, 0.0, 1.0]]])  # the left two of four
    for row, expected in (
        ([4.0, 3.0, 2.0, 1.0], 1.0),
        ([1.0, 2.0, 3.0, 4.0], (1 / 3) / 2 + (2 / 4) / 2),
        ([4.0, 1.0, 2.0, 3.0], 1 / 2 + (2 / 4) / 2),
        ([5.0, 5.0, 5.0, 5.0], 2 / 4),  # all or nothing
        ([0.0, 0.0, 0.0, 0.0], 2 / 4),
    ):
        assert localisation.pxap(torch.tensor([[row]]), box) == pytest.approx(expected), row
    half = torch.tensor([[[-1.0, -1.0, -0.25, 1.0]]])  # the first and half of the second
    found = localisation.pxap(torch.tensor([[[4.0, 3.0, 2.0, 1.0]]]), half)
    assert found == pytest.approx(1 * (1 / 1.5) + (1.5 / 2) * (0.5 / 1.5))
    assert math.isnan(localisation.pxap(torch.ones(1, 2, 2), torch.full((1, 1, 4), NAN)))


def test_cells_of_all_images_are_one_curve() -> None:
    """Each map counts by its own range: one that is ten times stronger is not the surer one."""
    box = torch.tensor([[[-1.0, -1.0, 0.0, 1.0]], [[0.0, -1.0, 1.0, 1.0]]])
    strong = torch.tensor([[[10.0, 0.0]], [[1.0, 0.0]]])
    assert localisation.pxap(strong, box) == pytest.approx((1 / 2) / 2 + (2 / 4) / 2)


def test_the_box_of_half_the_mass() -> None:
    density = torch.tensor([[[6.0, 0, 0, 1], [0, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 2]]])
    corner, middle = [-1.0, -1.0, -0.5, -0.5], [-1.0, -1.0, 1.0, 1.0]
    box = torch.tensor([[corner], [middle]])
    assert localisation.mass_iou(density, box[:1]).tolist() == [pytest.approx(1.0)]
    # For more than half the two of weight 2 come in, both of them.
    assert localisation.mass_iou(density, box[1:], 0.6).tolist() == [pytest.approx(1.0)]
    assert localisation.mass_iou(torch.zeros(1, 4, 4), box[1:]).tolist() == [0]
    assert localisation.mass_iou(density, torch.full((1, 1, 4), NAN)).tolist() == [0]
    tenths = torch.full((1, 1, 10), 0.1)
    assert localisation.mass_iou(tenths, box[1:]).tolist() == [pytest.approx(1.0)]


def test_effective_cells() -> None:
    maps = torch.zeros(3, 3, 5)
    maps[0, 1, 2] = 7
    maps[1, :, :2] = 0.1
    assert localisation.effective_cells(maps).tolist() == pytest.approx([1 / 15, 6 / 15, 0])


def test_reference_maps() -> None:
    centre = localisation.centre_map(3, 5, 8)
    assert centre.shape == (3, 5, 8) and centre[0].sum() == pytest.approx(1)
    assert torch.allclose(centre, centre.flip(1).flip(2), atol=1e-7)
    assert centre[0].argmax() in (2 * 8 + 3, 2 * 8 + 4)
    # Within one deviation 0.6827, within two, which is all of the image, 0.9545.
    row = localisation.centre_map(1, 1, 4)[0, 0]
    assert row[1:3].sum() == pytest.approx(0.6827 / 0.9545, abs=1e-4)
    one, same = (localisation.random_map(2, 3, 4, torch.Generator().manual_seed(5)) for _ in "ab")
    assert torch.equal(one, same) and not torch.equal(one[0], one[1])
