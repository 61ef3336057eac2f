"""Features of cells, and attention over them."""

import pytest
import torch

from hardattn.nn.layers import CellFeatures, attend


@pytest.mark.parametrize(
    "image, cell, cells",
    [
        ((1, 12, 12), (4, 4), 9),
        ((3, 14, 20), (7, 5), 8),
        ((1, 6, 4), (1, 1), 24),
        ((2, 12, 9), (6, 9), 2),
        ((1, 26, 13), (13, 13), 2),
    ],
)
def test_features_are_a_grid_of_cells(image: tuple, cell: tuple, cells: int) -> None:
    torch.manual_seed(0)
    net = CellFeatures(image, cell, 16)
    pixels = torch.rand(2, *image, requires_grad=True)
    features = net(pixels)
    assert features.shape == (2, cells, 16) and net.cells == cells
    for n in range(cells):
        (seen,) = torch.autograd.grad(features[0, n].sum(), pixels, retain_graph=True)
        row, column = divmod(n, image[2] // cell[1])
        top, left = row * cell[0], column * cell[1]
        own = seen[0, :, top : top + cell[0], left : left + cell[1]].abs().sum()
        assert own > 0 and not seen[1].any()


def test_features_refuse_what_is_no_grid() -> None:
    with pytest.raises(ValueError, match="cells that divide it"):
        CellFeatures((1, 12, 12), (5, 4), 8)
    with pytest.raises(ValueError, match="whole image"):
        CellFeatures((0,), (4, 4), 8)


def test_attends_to_everything_first_and_then_to_the_weights() -> None:
    torch.manual_seed(0)
    features, weights = torch.randn(2, 5, 3), torch.eye(5)[[1, 4]]
    assert torch.allclose(attend(features, weights, torch.zeros(2)), features.mean(1), atol=1e-6)
    later = attend(features, weights, torch.full((2,), 0.5))
    assert torch.equal(later, features[[0, 1], [1, 4]])
