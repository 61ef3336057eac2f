"""What is added up by bytes, where it lies, is what sums over the whole canvas would come to."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.problem import SCENES
from hardattn.rng import CounterRNG
from hardattn.scenes import Scenes, add_clutter, canvas, cluttered, makers, transforms

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "plain": [{}, dict(zoom=2)],
    "translated": [dict(canvas=(13, 17)), dict(canvas=30, zoom=2), dict(canvas=30, zooms=(1, 3))],
    "cluttered": [
        dict(canvas=(15, 16), distractors=30, distractor_size=4),
        dict(canvas=24, zoom=2, distractors=9, distractor_size=5),
        dict(canvas=24, zooms=(1, 2), distractors=9, distractor_size=5),
    ],
    "pair": [dict(canvas=9), dict(canvas=(12, 13), distractors=5, distractor_size=4)],
    "sequence": [dict(canvas=(12, 31)), dict(canvas=50, zoom=2, gap=1)],
    "captions": [dict(canvas=(36, 42)), dict(canvas=63, small=2, large=3, digits=4)],
    "matching": [dict(canvas=(24, 28)), dict(canvas=28, candidates=5, back=True)],
    "search": [dict(canvas=(21, 24)), dict(canvas=48, zoom=2, distractors=8)],
    "localise": [dict(canvas=(14, 15), distractors=20, distractor_size=3)],
    "majority": [dict(canvas=(21, 24), distractors=2, distractor_size=3)],
    "circle_square": [{}],
    "catch": [{}],
}


def numbers(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def split(channels: int = 1) -> Split:
    images = torch.randint(90, 256, (12, channels, 6, 7), generator=numbers(99)).byte()
    return Split(images, torch.arange(12) % 10)


class Summed(canvas.Canvas):
    """The canvas by its formula: int32 sums of all that lies there, in no order, then clamped."""

    def sprites(self) -> Any:
        return self

    def painted(self, ground: Tensor | None = None) -> Tensor:
        images, count = self.split.images, self.count
        channels, rows, columns = images.shape[1:]
        sums = torch.zeros(count, channels, self.height * self.width, dtype=torch.int32)
        if ground is not None:
            sums += ground.flatten(2)
        for kind, (source, cut, place) in zip(self.kinds, self.pieces, strict=True):
            y, x = torch.arange(kind.height), torch.arange(kind.width)
            cut_y, cut_x = (
                (cut[..., 1, None] + y) // kind.zoom,
                (cut[..., 0, None] + x) // kind.zoom,
            )
            inside = (cut_y[..., :, None] * columns + cut_x[..., None, :])[:, :, None]
            channel = torch.arange(channels)[:, None, None] * (rows * columns)
            first = source.long()[..., None, None, None] * (channels * rows * columns)
            there = (place[..., 0] >= 0)[..., None, None, None]
            patches = images.reshape(-1)[first + channel + inside] * there
            top, left = (place.clamp(min=0)[..., axis, None] for axis in (1, 0))
            where = ((top + y)[..., :, None] * self.width + (left + x)[..., None, :])[:, None]
            where = where.expand(-1, channels, -1, -1, -1).reshape(count, channels, -1)
            values = patches.transpose(1, 2).reshape(count, channels, -1).to(torch.int32)
            sums.scatter_add_(2, where.long(), values)
        size = (count, channels, self.height, self.width)
        return sums.clamp(max=255).to(torch.uint8).view(size)


def same(one: Scenes, other: Scenes) -> bool:
    return all(
        torch.equal(a.nan_to_num(9.0), b.nan_to_num(9.0))
        for a, b in zip((one.image, *one[1:]), (other.image, *other[1:]), strict=True)
    )


def in_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on canvases are `Summed`."""
    for module in (makers, transforms):
        monkeypatch.setattr(module, "Canvas", Summed)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("name", SCENES)
def test_scenes_equal_the_clamped_sums(monkeypatch, name, streams, channels):
    def made() -> list[Scenes]:
        data, index = split(channels), torch.arange(40) % 12
        return [
            SCENES[name].make(
                data, index, CounterRNG(torch.arange(40)) if streams else numbers(5), **options
            )
            for options in OPTIONS[name]
        ]

    quick = made()
    in_sums(monkeypatch)
    for one, other in zip(quick, made(), strict=True):
        assert one.image.dtype == torch.uint8
        assert same(one, other)


def test_more_on_finished_scenes_equals_the_clamped_sums(monkeypatch):
    def made() -> Scenes:
        scenes = cluttered(split(), torch.arange(12), numbers(1), canvas=12, distractor_size=4)
        return add_clutter(scenes, split(), numbers(2), distractors=12, distractor_size=6)

    quick = made()
    in_sums(monkeypatch)
    assert same(quick, made())


def test_scenes_that_are_strewn_stay_as_they_were():
    scenes = cluttered(split(), torch.arange(12), numbers(1), canvas=12, distractor_size=4)
    before = scenes.image.clone()
    more = add_clutter(scenes, split(), numbers(2), distractors=9, distractor_size=6)
    assert torch.equal(scenes.image, before)
    assert not torch.equal(more.image, before)
    assert (more.image >= before).all()


@pytest.mark.parametrize("name", SCENES)
def test_a_pixel_of_painted_scenes_is_a_byte(name):
    for options in OPTIONS[name]:
        image = SCENES[name].make(split(3), torch.arange(5), numbers(0), **options).image
        assert image.untyped_storage().nbytes() <= image.numel()


def test_a_field_that_is_computed_in_parts_is_the_same(monkeypatch):
    def made() -> Scenes:
        return makers.circle_square(split(3), torch.arange(12), numbers(3), canvas=(9, 11))

    whole = made()
    monkeypatch.setattr(makers, "MANY", 5 * 99)
    assert same(made(), whole)
