"""Features of cells: one each, in the order of cells, which know where they are."""

import pytest
import torch

from hardattn.nn.cells import PlacedCells


def test_features_are_of_cells_row_by_row() -> None:
    torch.manual_seed(0)
    net = PlacedCells((1, 32, 48), (8, 8), 16).eval()
    assert net.grid == (4, 6) and net.cells == 24
    image = torch.zeros(1, 1, 32, 48)
    other = image.clone()
    other[..., 8:16, 40:48] = 1.0  # the cell of row 1, column 5
    with torch.no_grad():
        change = (net(other) - net(image)).abs().sum(-1)[0]
    assert net(image).shape == (1, 24, 16) and change.argmax() == 1 * 6 + 5
    # Without places a blank cell within is like another.
    here = net(image)[0] - net.places
    assert torch.allclose(here[14], here[15], atol=1e-5)


@pytest.mark.parametrize(
    "image, cell", [((0,), (8, 8)), ((1, 24, 24), (6, 6)), ((1, 20, 24), (8, 8))]
)
def test_what_has_no_such_cells_is_refused(image: tuple[int, ...], cell: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="cells"):
        PlacedCells(image, cell, 8)
