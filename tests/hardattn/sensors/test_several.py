"""Several patches at one look: cut by hand, painted or not."""

import pytest
import torch
from torch.nn import functional as F

from hardattn.data import Split
from hardattn.scenes import cluttered
from hardattn.scenes.sprites import Sprites
from hardattn.sensors import Several
from tests.support.scenes import make_split, numbers
from tests.support.sensors import pictures


def slots(*cells: int, of: int) -> torch.Tensor:
    return F.one_hot(torch.tensor(cells), of).float().flatten()[None]


def test_cells_as_they_are_cut_by_hand() -> None:
    image, eye = pictures(1, 2, 4, 9), Several(2, 3, 2)
    seen = eye.look(eye.open(image), slots(5, 1, of=6))
    assert seen.shape == (1, 2, 2, 2, 3) == (1, *eye.shape((2, 4, 9)))
    assert torch.allclose(seen[0, 0], image[0, :, 2:, 6:] / 255)
    assert torch.allclose(seen[0, 1], image[0, :, :2, 3:6] / 255)
    with pytest.raises(ValueError, match="does not divide"):
        eye.open(pictures(1, 1, 5, 9))


@pytest.mark.parametrize("side", [3, 4, 7])
def test_patches_lie_in_the_middle_of_cells(side: int) -> None:
    """Of 11 x 13 pixels in 2 x 3 cells, which do not divide them; off it is nothing."""
    image, eye = pictures(1, 1, 11, 13), Several(2, 3, 1, side)
    padded = F.pad(image, (9, 9, 9, 9))
    for cell in range(6):
        row, column = divmod(cell, 3)
        top = 9 + (2 * row + 1) * 11 // 4 - side // 2
        left = 9 + (2 * column + 1) * 13 // 6 - side // 2
        wanted = padded[0, :, top : top + side, left : left + side] / 255
        assert torch.allclose(eye.look(eye.open(image), slots(cell, of=6))[0, 0], wanted)


@pytest.mark.parametrize("side", [None, 5, 8])
def test_sprites_and_pixels_show_the_same(side: int | None) -> None:
    """With its gradient, in all that is looked at."""
    split: Split = make_split()
    scenes = cluttered(split, torch.arange(6), numbers(3), canvas=24, distractor_size=3)
    eye = Several(3, 4, 2, side)
    weights = torch.rand(6, 2, 12, generator=numbers(4)) * (torch.arange(12) % 3 > 0)
    views = eye.open(scenes.image), Sprites.of(scenes.image)
    found = []
    for view in views:
        place = weights.flatten(1).clone().requires_grad_()
        seen = eye.look(view, place)
        (gradient,) = torch.autograd.grad(seen.square().sum(), place)
        found.append((seen, gradient * (weights.flatten(1) != 0)))
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("canvas", [8000, 100])
def test_of_many_patches_only_what_is_asked_for_is_read(
    canvas: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large scene, and of a small one whose patches lie over each other."""
    read: list[int] = []
    patches = Sprites.patches

    def counted(self: Sprites, corner: torch.Tensor, side: int) -> torch.Tensor:
        read.append(len(corner))
        return patches(self, corner, side)

    monkeypatch.setattr(Sprites, "patches", counted)
    scenes = cluttered(make_split(), torch.arange(4), numbers(3), canvas=canvas, distractor_size=3)
    eye = Several(80, 80, 5, 20)
    place = eye.over(torch.rand(4, 6400, generator=numbers(5)))
    assert eye.look(eye.open(scenes.picture), place).shape == (4, 5, 1, 20, 20)
    assert read == [20]


def test_a_mask_fills_slots_and_a_point_one_of_them() -> None:
    eye = Several(2, 2, 3)
    filled = eye.over(torch.tensor([[0.0, 1.0, 0.0, 1.0]])).view(3, 4)
    assert filled.argmax(1)[:2].tolist() == [1, 3] and not filled[2].any()
    assert torch.equal(eye.density(filled.flatten()), torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    alone = eye.at(torch.tensor([[0.5, -0.5]])).view(3, 4)
    assert alone[0].tolist() == [0, 1, 0, 0] and not alone[1:].any()


@pytest.mark.parametrize("wrong", [dict(count=5), dict(count=0), dict(side=0), dict(rows=0)])
def test_what_is_no_grid_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="not"):
        Several(**{"rows": 2, "columns": 2, **wrong})
