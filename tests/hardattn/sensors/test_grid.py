"""Cells, patches and pairs of a grid."""

import pytest
import torch

from hardattn.sensors import SENSORS
from tests.support.sensors import pictures


def test_cells_show_the_patch_that_was_chosen_or_the_mean():
    images = pictures(2, 3, 4, 9)
    cells = SENSORS["cells"](2, 3)
    view = cells.open(images)
    for n in range(6):
        seen = cells.look(view, torch.eye(6)[[n, n]])
        row, column = divmod(n, 3)
        patch = images[:, :, 2 * row : 2 * row + 2, 3 * column : 3 * column + 3]
        assert torch.allclose(seen, patch / 255)
        assert torch.allclose(cells.at(cells.point(torch.eye(6)[[n]])), torch.eye(6)[[n]])
    mean = cells.look(view, torch.full((2, 6), 1 / 6))
    assert torch.allclose(mean.mean((2, 3)), (images / 255.0).mean((2, 3)), atol=1e-6)


def test_patches_blank_what_the_mask_leaves_out():
    images = pictures(1, 2, 4, 6)
    patches = SENSORS["patches"](2, 2)
    seen = patches.look(patches.open(images), torch.tensor([[1.0, 0.0, 0.0, 0.5]]))
    wanted = images / 255.0
    wanted[:, :, :2, 3:] = 0
    wanted[:, :, 2:, :3] = 0
    wanted[:, :, 2:, 3:] *= 0.5
    assert torch.allclose(seen, wanted)
    with pytest.raises(ValueError, match="does not divide"):
        patches.open(pictures(1, 1, 5, 6))


def test_pairs_show_what_is_in_either_mask():
    images, pairs = pictures(1, 2, 4, 6), SENSORS["pairs"](2, 2)
    place = torch.tensor([[1.0, 0.0, 0.0, 0.5, 1.0, 0.0, 0.5, 0.5]])
    union = torch.tensor([[1.0, 0.0, 0.5, 0.75]])
    patches = SENSORS["patches"](2, 2)
    wanted = patches.look(patches.open(images), union)
    assert torch.allclose(pairs.look(pairs.open(images), place), wanted)
    assert torch.equal(pairs.density(place), union.view(1, 2, 2))
    assert torch.allclose(pairs.point(place), patches.point(union))
    assert torch.equal(pairs.at(torch.tensor([[0.5, -0.5]])), pairs.over(torch.eye(4)[[1]]))
    assert torch.equal(pairs.density(pairs.over(torch.eye(4))), torch.eye(4).view(4, 2, 2))


@pytest.mark.parametrize("name", ["cells", "patches", "pairs"])
def test_grids_are_differentiable_in_the_weights(name):
    sensor = SENSORS[name](2, 3)
    view = sensor.open(pictures(2, 1, 4, 6)).double()
    weights = torch.rand(2, sensor.places, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: sensor.look(view, w), weights)
