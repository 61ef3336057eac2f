"""Changed scenes: what is drawn is in range, boxes go along, and nothing else changes."""

import pytest
import torch

from hardattn.data import Split
from hardattn.scenes import Scenes, plain
from hardattn.scenes.augment import CHANGES, augmented, parsed
from hardattn.scenes.transforms import affine_transform, rotation


def split(channels: int = 3, count: int = 16) -> Split:
    """A bright rectangle on black, and its box."""
    images = torch.zeros(count, channels, 24, 32, dtype=torch.uint8)
    images[:, :, 4:12, 6:14] = 200
    box = torch.tensor([6 / 16 - 1, 4 / 12 - 1, 14 / 16 - 1, 12 / 12 - 1])
    boxes = box.expand(count, 2, 4).clone()
    boxes[:, 1] = torch.nan
    return Split(images, torch.arange(count) % 3, boxes=boxes)


def made(words: list[str], seed: int = 0, channels: int = 3) -> Scenes:
    of = split(channels)
    make = augmented(plain, words)
    return make(of, torch.arange(len(of)), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("word", CHANGES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_change_is_drawn_and_keeps_what_scenes_are(word: str, channels: int) -> None:
    before, after = made([], channels=channels), made([word], channels=channels)
    assert after.image.dtype == torch.uint8 and after.image.shape == before.image.shape
    assert not torch.equal(after.image, before.image)
    assert torch.equal(after.target, before.target) and torch.equal(after.index, before.index)
    again, other = made([word], channels=channels), made([word], seed=1, channels=channels)
    assert torch.equal(after.image, again.image) and not torch.equal(after.image, other.image)
    assert after.box[:, 1].isnan().all() and not after.box[:, 0].isnan().any()


@pytest.mark.parametrize("words", [["flip"], ["shift"], ["scale"], ["flip", "shift", "scale"]])
def test_boxes_stay_around_what_they_are_around(words: list[str]) -> None:
    scenes = made(words)
    for image, box in zip(scenes.image[:, 0], scenes.box[:, 0], strict=True):
        x0, y0, x1, y1 = ((box + 1) / 2 * torch.tensor([32, 24, 32, 24])).tolist()
        rows, columns = (image > 100).nonzero(as_tuple=True)
        found = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert (found - torch.tensor([x0, y0, x1, y1])).abs().max() <= 1.2


@pytest.mark.parametrize("word", ["flip=0", "shift=0", "scale=0", "rotate=0", "colour=0"])
def test_of_strength_nought_nothing_changes(word: str) -> None:
    before, after = made([]), made([word])
    assert (before.image.int() - after.image.int()).abs().max() <= 1
    assert torch.allclose(before.box[:, 0], after.box[:, 0])


def test_flipped_twice_is_as_it_was() -> None:
    before, after = made([]), made(["flip=1", "flip=1"])
    assert torch.equal(before.image, after.image)
    assert torch.allclose(before.box[:, 0], after.box[:, 0])


def test_however_many_changes_there_are_pixels_are_interpolated_once() -> None:
    """So a change and its inverse leave what was there, also what was out of sight in between."""
    noise = torch.randint(256, (4, 3, 24, 24), generator=torch.Generator().manual_seed(0))
    before = plain(Split(noise.to(torch.uint8), torch.arange(4) % 3), torch.arange(4))
    turned = rotation(torch.tensor([0.3, -1.0, 2.0, 3.0]), 1.0)
    away = torch.tensor([0.1, -0.3]).expand(4, 1, 2).mT
    there = affine_transform(before, torch.cat([turned, away], -1), reach=1.5)
    back = affine_transform(there, torch.cat([turned.mT, -turned.mT @ away], -1), reach=1.5)
    assert not torch.equal(there.image, before.image)
    assert torch.equal(back.image, before.image)


def test_what_is_turned_keeps_its_shape_and_its_box() -> None:
    """Of a rectangle of 8x8 pixels in an image that is not square."""
    scenes = made(["rotate=180"])
    half = torch.tensor([16.0, 12.0])
    away = float((torch.tensor([10.0, 8.0]) - half).norm())
    within = scenes.box[:, 0].abs().amax(1) < 1  # of others a part has left the image
    assert within.sum() >= 4
    for image, box in zip(scenes.image[within, 0].float(), scenes.box[within, 0], strict=True):
        assert image.sum() == pytest.approx(200 * 64, rel=0.05)
        rows, columns = (image > 20).nonzero(as_tuple=True)
        centre = torch.stack([columns.float().mean(), rows.float().mean()]) + 0.5 - half
        assert centre.norm() == pytest.approx(away, abs=0.3)
        corners = box.unflatten(0, (2, 2)) * half
        assert torch.allclose(corners.mean(0), centre, atol=0.4)
        assert 8 <= float((corners[1] - corners[0]).max()) <= 8 * 2**0.5 + 0.01


def test_colour_keeps_the_mean_of_many() -> None:
    before, after = made([]).image.float().mean(), made(["colour"]).image.float().mean()
    assert abs(after / before - 1) < 0.2


def test_no_change_is_the_same_function() -> None:
    assert augmented(plain, []) is plain


@pytest.mark.parametrize("word", ["turn", "flip=2", "shift=x", "scale=-1", "colour=nan"])
def test_a_word_that_cannot_be_meant_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=word.partition("=")[0]):
        parsed(word)
