"""Large scenes that are changed where one looks show what they show changed as a whole."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.data.album import Album
from hardattn.scenes import Scenes, plain
from hardattn.scenes.altered import SAMPLE, Altered
from hardattn.scenes.augment import CHANGES, augmented
from hardattn.sensors import Retina, Several

SIDES = (140, 160)  # above what is painted at once


def smooth(count: int, height: int, width: int, channels: int = 3) -> Tensor:
    """Pictures of which neighbouring pixels are alike."""
    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, channels, 9, 9, generator=draw) * 255
    grown = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return grown.round().to(torch.uint8)


def made(words: list[str], split: Split, seed: int = 1) -> Scenes:
    index = torch.arange(len(split))
    return augmented(plain, words)(split, index, torch.Generator().manual_seed(seed))


def split_of(images: Tensor | Album) -> Split:
    box = torch.tensor([-0.5, -0.25, 0.25, 0.5]).expand(len(images), 1, 4)
    return Split(images, torch.arange(len(images)) % 3, boxes=box)


def album_of(images: list[Tensor]) -> Album:
    area = torch.tensor([one[0].numel() for one in images])
    ends = (len(images[0]) * area).cumsum(0)
    extent = torch.tensor([[one.shape[2], one.shape[1]] for one in images])
    largest = int(extent[:, 1].max()), int(extent[:, 0].max())
    flat = torch.cat([one.flatten() for one in images])
    return Album(flat, ends - 3 * area, extent, area, 3, largest)


def eagerly(words: list[str], split: Split) -> Scenes:
    """The same changes of the whole, painted scenes."""

    def painted(of: Split, index: Tensor, generator: object = None) -> Scenes:
        scenes = plain(of, index)
        return Scenes(scenes.image, *scenes[1:])

    return augmented(painted, words)(
        split, torch.arange(len(split)), torch.Generator().manual_seed(1)
    )


@pytest.mark.parametrize("words", [[word] for word in CHANGES] + [["flip", "shift=0.2"]])
def test_a_window_shows_what_it_shows_of_the_whole(words: list[str]) -> None:
    split = split_of(smooth(6, *SIDES))
    wanted, found = eagerly(words, split), made(words, split)
    assert isinstance(found.picture, Altered) and isinstance(wanted.picture, Tensor)
    assert torch.allclose(found.box, wanted.box, atol=1e-6)
    most = 1 + (len(words) > 1)  # two roundings in a row for one
    assert (found.image.int() - wanted.image.int()).abs().max() <= most
    place = torch.rand(6, 2, generator=torch.Generator().manual_seed(2)) * 2 - 1
    place[0], place[1] = 1, -1  # beyond the border there is nothing, though the picture goes on
    for eye in (Retina(8), Retina(6, 3)):
        a, b = (eye.look(eye.open(scenes.picture), place) for scenes in (wanted, found))
        assert (a - b).abs().max() <= (most + 0.01) / 255
        assert torch.equal(a[:2] == 0, b[:2] == 0) or words == ["colour"]


def test_a_mirrored_picture_is_exact() -> None:
    split = split_of(smooth(3, *SIDES))
    assert torch.equal(made(["flip=1"], split).image, split.images.flip(-1))
    assert torch.equal(made(["flip=1", "flip=1"], split).image, split.images)
    assert torch.equal(made(["shift=0", "colour=0"], split).image, split.images)


def test_pictures_of_several_sizes_are_changed_each_within_its_own() -> None:
    each = [smooth(1, *size)[0] for size in ((140, 160), (200, 131), (300, 150))]
    split = split_of(album_of(each))
    words = ["flip", "shift=0.2", "scale", "rotate", "colour"]
    place = torch.rand(3, 2, generator=torch.Generator().manual_seed(2)) * 1.6 - 0.8
    together = made(words, split)
    eye = Retina(6, 3)
    seen = eye.look(eye.open(together.picture), place)
    for row, one in enumerate(each):
        # With the changes that were drawn for it, of it alone.
        alone = plain(split_of(one[None]), torch.tensor([0]))
        back, light, mean = (field[row : row + 1] for field in together.picture[1:4])
        picture = Altered(alone.picture, back, light, mean, together.picture.reach)
        wanted = eye.look(eye.open(picture), place[row : row + 1])
        assert torch.equal(seen[row], wanted[0])
        assert abs(float(mean) - one.float().mean()) < 12
    assert together.slice(1, 2).image.shape == (1, 3, 300, 160) and SAMPLE**2 < 140 * 160
    several = Several(3, 3, 2, side=4)
    assert several.open(together.picture).shape[0] == 3
    assert torch.equal(together.to("cpu").image, together.repeat(1).image)


def test_only_a_picture_in_another_light_is_lit() -> None:
    """No mean is taken of the others, which costs a pass over all of their pixels."""
    split = split_of(smooth(2, *SIDES))
    moved, lit = (made(words, split).picture for words in (["shift"], ["shift", "colour"]))
    assert moved.light is None and moved.mean is None and lit.mean.shape == (2,)
    assert moved.to("cpu").light is None


def test_a_survey_is_of_the_changed_picture() -> None:
    split = split_of(smooth(2, *SIDES))
    found = made(["flip=1"], split).picture.averaged(10, 10)
    wanted = plain(split, torch.arange(2)).picture.averaged(10, 10).flip(-1)
    assert torch.allclose(found, wanted)


def test_nothing_is_read_of_a_picture_but_what_is_looked_at(tmp_path: Path) -> None:
    """Of an array in a file with holes a terabyte large, which nobody could hold."""
    import numpy as np

    path = tmp_path / "images.npy"
    shape = (100_000, 3, 1800, 1900)
    held = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    images = torch.from_numpy(held)
    split = Split(images, torch.arange(len(images)) % 3)
    index = torch.tensor([7, 99_999])
    scenes = augmented(plain, list(CHANGES))(split, index, torch.Generator().manual_seed(0))
    eye = Retina(8, 4)
    seen = eye.look(eye.open(scenes.picture), torch.tensor([[0.5, 0.5], [-1.0, 1.0]]))
    assert seen.shape == (2, 12, 8, 8) and not seen.any()
