from functools import partial

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from hardattn.data import Split
from hardattn.problem import SCENES
from hardattn.scenes import (
    Scenes,
    affine_transform,
    cluttered,
    fixed_scenes,
    inside,
    localise,
    pair,
    plain,
    random_affine,
    search,
    sequence,
    translated,
)
from hardattn.scenes.pairs import of_pair

CANVASES = {
    "plain": {},
    "translated": dict(canvas=(13, 17)),
    "cluttered": dict(canvas=20, distractor_size=3),
    "pair": dict(canvas=(13, 17)),
    "sequence": dict(canvas=(12, 27)),
    "search": dict(canvas=(20, 24)),
    "localise": dict(canvas=(14, 15), distractor_size=3),
    "circle_square": {},
    "catch": {},
}


def numbers(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_split(count: int = 12, channels: int = 1, height: int = 6, width: int = 7) -> Split:
    images = torch.randint(256, (count, channels, height, width), generator=numbers(99)).byte()
    return Split(images, torch.randint(10, (count,), generator=numbers(98)))


def pixels_of(box: Tensor, height: int, width: int) -> list[int]:
    """(4,) x0, y0, x1, y1 in pixel edges; fails where they are none."""
    edges = (box.double() + 1) / 2 * torch.tensor([width, height, width, height])
    assert torch.allclose(edges, edges.round(), atol=1e-4)
    return edges.round().int().tolist()


def slow(
    split: Split,
    index: Tensor,
    seed: int,
    canvas: tuple[int, int],
    zoom: int,
    pieces: int,
    piece: int,
) -> tuple[np.ndarray, list[list[int]]]:
    """The same integers in the same order, pasted pixel by pixel, clamped after every addition."""
    generator = numbers(seed)
    height, width = canvas
    images = split.images.numpy().repeat(zoom, 2).repeat(zoom, 3)
    channels, h, w = images.shape[1:]
    count = len(index)

    def below(bound: int, columns: int) -> list[list[int]]:
        return torch.randint(bound, (count, columns), generator=generator).tolist()

    if pieces:
        source = below(len(images), pieces)
        cut_y, cut_x = below(h - piece + 1, pieces), below(w - piece + 1, pieces)
        put_y, put_x = below(height - piece + 1, pieces), below(width - piece + 1, pieces)
    top, left = below(height - h + 1, 1), below(width - w + 1, 1)
    out, boxes = np.zeros((count, channels, height, width), dtype=int), []

    def paste(b: int, what: np.ndarray, y: int, x: int) -> None:
        for c in range(channels):
            for i in range(what.shape[1]):
                for j in range(what.shape[2]):
                    out[b, c, y + i, x + j] = min(255, out[b, c, y + i, x + j] + what[c, i, j])

    for b in range(count):
        for p in range(pieces):
            y, x = cut_y[b][p], cut_x[b][p]
            crop = images[source[b][p], :, y : y + piece, x : x + piece]
            paste(b, crop.astype(int), put_y[b][p], put_x[b][p])
        y, x = top[b][0], left[b][0]
        paste(b, images[index[b]].astype(int), y, x)
        boxes.append([x, y, x + w, y + h])
    return out, boxes


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("canvas", [(16, 16), (15, 15), (14, 19)])
@pytest.mark.parametrize(
    "zoom, pieces, piece", [(1, 0, 8), (1, 4, 3), (2, 3, 5), (2, 0, 8), (1, 2, 6)]
)
def test_scenes_equal_the_slow_ones(canvas, channels, zoom, pieces, piece):
    split = make_split(channels=channels)
    index = torch.tensor([3, 0, 11, 3, 7])
    wanted, boxes = slow(split, index, 5, canvas, zoom, pieces, piece)
    options = dict(canvas=canvas, zoom=zoom, distractors=pieces, distractor_size=piece)
    scenes = cluttered(split, index, numbers(5), **options)
    assert np.array_equal(scenes.image.numpy(), wanted)
    assert [pixels_of(box, *canvas) for box in scenes.box[:, 0]] == boxes
    if not pieces:
        again = translated(split, index, numbers(5), canvas=canvas, zoom=zoom)
        assert torch.equal(again.image, scenes.image)
        assert torch.equal(again.box, scenes.box)


def test_an_image_as_large_as_its_canvas_is_plain():
    split, index = make_split(), torch.arange(12)
    for zoom in (1, 2):
        scenes = translated(split, index, numbers(0), canvas=(6 * zoom, 7 * zoom), zoom=zoom)
        plainly = plain(split, index, zoom=zoom)
        for name in ("image", "target", "index", "cue"):
            assert torch.equal(getattr(scenes, name), getattr(plainly, name))
        # Where the image was put is known, where the target is in one that was taken is not.
        assert scenes.box.tolist() == [[[-1, -1, 1, 1]]] * 12 and plainly.box.isnan().all()


def test_plain_zoom_repeats_pixels():
    scenes = plain(make_split(channels=3), torch.tensor([4, 2]), zoom=3)
    wanted = make_split(channels=3).images[[4, 2]].numpy().repeat(3, 2).repeat(3, 3)
    assert np.array_equal(scenes.image.numpy(), wanted)


@pytest.mark.parametrize("zoom", [1, 2])
def test_the_box_bounds_the_target(zoom):
    """Exactly, for a white image; a dim border lies inside it."""
    height, width, count = 23, 18, 60
    whites = Split(torch.full((1, 1, 5, 4), 255, dtype=torch.uint8), torch.zeros(1).long())
    some = make_split(count=count, height=5, width=4)
    some.images[:, :, 0] = 0
    for split, exact in ((whites, True), (some, False)):
        index = torch.arange(count) % len(split)
        scenes = translated(split, index, numbers(1), canvas=(height, width), zoom=zoom)
        for image, box in zip(scenes.image, scenes.box[:, 0], strict=True):
            rows, columns = image[0].nonzero().unbind(1)
            seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            x0, y0, x1, y1 = pixels_of(box, height, width)
            assert (x1 - x0, y1 - y0) == (4 * zoom, 5 * zoom)
            if exact:
                assert seen == [x0, y0, x1, y1]
            assert seen[0] >= x0 and seen[1] >= y0 and seen[2] <= x1 and seen[3] <= y1


def test_places_are_uniform():
    split = make_split(height=3, width=4)
    height, width, count = 6, 8, 6000
    scenes = translated(split, torch.zeros(count).long(), numbers(0), canvas=(height, width))
    corner = (scenes.box[:, 0, :2] + 1) / 2 * torch.tensor([width, height])
    cell = (corner[:, 1].round() * 5 + corner[:, 0].round()).long()
    observed = torch.bincount(cell, minlength=20)
    assert len(observed) == 4 * 5
    assert stats.chisquare(observed.numpy()).pvalue > 0.001


def test_pieces_are_uniform_over_images_crops_and_places():
    """Pixel values that name their image and place; the target is black."""
    count = 6000
    images = torch.arange(1, 37, dtype=torch.uint8).view(4, 1, 3, 3)
    split = Split(torch.cat([images, torch.zeros_like(images[:1])]), torch.zeros(5).long())
    index = torch.full((count,), 4)
    scenes = cluttered(split, index, numbers(0), canvas=(4, 3), distractors=1, distractor_size=1)
    value = scenes.image.flatten(1).max(1).values.long()
    observed = torch.bincount(value, minlength=37).numpy()
    expected = np.r_[count / 5, np.full(36, count / 5 / 9)]
    assert stats.chisquare(observed, expected).pvalue > 0.001
    where = scenes.image.flatten(1).argmax(1)[value > 0]
    assert stats.chisquare(torch.bincount(where, minlength=12).numpy()).pvalue > 0.001


def test_distractors_come_from_the_given_split_alone():
    """The split is a view into the middle of other images; each image is of one value."""
    values = torch.arange(1, 31, dtype=torch.uint8)
    everything = values.view(30, 1, 1, 1).expand(30, 2, 6, 6).contiguous()
    everything[12] = 0
    given = Split(everything[10:20], torch.arange(10))
    index = torch.full((400,), 2)
    scenes = cluttered(given, index, numbers(3), canvas=12, distractors=1, distractor_size=4)
    assert set(scenes.image.unique().tolist()) == {0, *range(11, 21)} - {13}
    strided = Split(everything[::3], torch.arange(10))
    scenes = cluttered(
        strided, torch.full((400,), 4), numbers(3), canvas=12, distractors=1, distractor_size=4
    )
    assert set(scenes.image.unique().tolist()) == {0, *range(1, 31, 3)} - {13}


def test_sums_are_clamped():
    white = Split(torch.full((3, 1, 8, 8), 255, dtype=torch.uint8), torch.arange(3))
    scenes = cluttered(
        white, torch.arange(3), numbers(0), canvas=9, distractors=50, distractor_size=8
    )
    assert scenes.image.unique().tolist() in ([255], [0, 255])


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_scene(name, channels):
    split = make_split(channels=channels)
    index = torch.tensor([5, 1, 1, 9])
    before = split.images.clone()
    make = partial(SCENES[name].make, **CANVASES[name])
    scenes = make(split, index, numbers(0))
    assert torch.equal(split.images, before)
    assert scenes.image.dtype == torch.uint8
    # A game has a screen of its own.
    assert scenes.image.shape[:2] == (4, 1 if SCENES[name].world.changes else channels)
    assert scenes.box.shape[0] == 4 and scenes.box.shape[2] == 4
    assert scenes.box.dtype == torch.float32
    box = scenes.box[~scenes.box.isnan().any(-1)]
    if not SCENES[name].boxed:
        assert not len(box) and scenes.centre.isnan().all()
    else:
        assert len(box) >= 4
        assert box.abs().max() <= 1
        assert (box[:, :2] < box[:, 2:]).all()
        assert torch.equal(scenes.centre, (scenes.box[:, 0, :2] + scenes.box[:, 0, 2:]) / 2)
    assert torch.equal(scenes.index, index)
    if name in ("plain", "translated", "cluttered"):
        assert torch.equal(scenes.target, split.labels[index])
    assert len(scenes) == 4
    for field, same in zip(scenes, make(split, index, numbers(0)), strict=True):
        assert torch.equal(field.nan_to_num(9), same.nan_to_num(9))


@pytest.mark.parametrize("name", [name for name in SCENES if name != "plain"])
def test_scenes_are_fresh_at_every_draw(name):
    make = partial(SCENES[name].make, **CANVASES[name])
    split, index, generator = make_split(), torch.arange(12), numbers(0)
    first, second = make(split, index, generator), make(split, index, generator)
    other = make(split, index, numbers(1))
    for one in (second, other):
        assert not torch.equal(first.image, one.image)
        assert not torch.equal(first.box, one.box)


@pytest.mark.parametrize("name", SCENES)
def test_frozen_scenes_depend_on_the_seed_alone(name):
    split = make_split(count=1100, height=4, width=4)
    make = partial(SCENES[name].make, **CANVASES[name])
    torch.manual_seed(1)
    once = fixed_scenes(make, split, seed=7)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    twice = fixed_scenes(make, split, seed=7, draws=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(once) == 1100
    assert len(twice) == 2200
    assert torch.equal(twice.index, torch.arange(1100).repeat(2))
    for field, wanted in zip(twice.slice(0, 1100), once, strict=True):
        assert torch.equal(field.nan_to_num(9), wanted.nan_to_num(9))
    if name != "plain":
        assert not torch.equal(twice.slice(1100, 2200).image, once.image)
        assert not torch.equal(fixed_scenes(make, split, seed=8).image, once.image)


def test_repeat_and_slice_keep_rows_together():
    scenes = translated(make_split(), torch.tensor([2, 8, 5]), numbers(0), canvas=10)
    twice = scenes.repeat(2)
    assert twice.index.tolist() == [2, 2, 8, 8, 5, 5]
    for field, wanted in zip(twice.slice(2, 4), scenes.rows(torch.tensor([1, 1])), strict=True):
        assert torch.equal(field, wanted)
    assert isinstance(twice.to("cpu"), Scenes)


@pytest.mark.parametrize(
    "options, line",
    [
        (dict(canvas=5, distractors=0), "an image of 6x7 pixels does not fit a canvas of 5x5"),
        (
            dict(canvas=(20, 6), distractors=0),
            "an image of 6x7 pixels does not fit a canvas of 20x6",
        ),
        (
            dict(canvas=13, zoom=2, distractors=0),
            "an image of 12x14 pixels does not fit a canvas of 13x13",
        ),
        (
            dict(canvas=20, distractor_size=7),
            "a piece of 7 pixels cannot be cut from an image of 6x7",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(options, line):
    with pytest.raises(ValueError) as caught:
        cluttered(make_split(), torch.arange(2), numbers(0), **options)
    assert str(caught.value) == line


class Slow:
    """A canvas that pastes pixel by pixel, clamping every time; draws in the library's order."""

    def __init__(self, split: Split, count: int, seed: int, canvas: tuple[int, int]):
        self.images, self.generator, self.count = split.images.numpy(), numbers(seed), count
        self.height, self.width = canvas
        self.out = np.zeros((count, self.images.shape[1], *canvas), dtype=int)

    def below(self, bound: int, *shape: int) -> list:
        return torch.randint(bound, shape, generator=self.generator).tolist()

    def zoomed(self, which: int, zoom: int) -> np.ndarray:
        return self.images[which].repeat(zoom, 1).repeat(zoom, 2).astype(int)

    def paste(self, b: int, what: np.ndarray, y: int, x: int) -> list[int]:
        channels, h, w = what.shape
        for c in range(channels):
            for i in range(h):
                for j in range(w):
                    self.out[b, c, y + i, x + j] = min(
                        255, self.out[b, c, y + i, x + j] + what[c, i, j]
                    )
        return [x, y, x + w, y + h]

    def clutter(self, pieces: int, piece: int, zoom: int) -> None:
        if not pieces:
            return
        h, w = self.zoomed(0, zoom).shape[1:]
        bounds = (len(self.images), h - piece + 1, w - piece + 1)
        bounds += (self.height - piece + 1, self.width - piece + 1)
        drawn = [self.below(bound, self.count, pieces) for bound in bounds]
        for b in range(self.count):
            for which, cy, cx, y, x in zip(*(each[b] for each in drawn), strict=True):
                crop = self.zoomed(which, zoom)[:, cy : cy + piece, cx : cx + piece]
                self.paste(b, crop, y, x)

    def sprites(self, which: list[int], zooms: tuple[int, ...]) -> list[list[int]]:
        chosen = [[0]] * self.count
        if len(zooms) > 1:
            chosen = self.below(len(zooms), self.count, 1)
        places = []
        for zoom in zooms:
            h, w = self.zoomed(0, zoom).shape[1:]
            top = self.below(self.height - h + 1, self.count, 1)
            places.append((top, self.below(self.width - w + 1, self.count, 1)))
        boxes = []
        for b in range(self.count):
            z = chosen[b][0]
            top, left = places[z]
            boxes.append(self.paste(b, self.zoomed(which[b], zooms[z]), top[b][0], left[b][0]))
        return boxes


INDEX = torch.tensor([3, 0, 11, 3, 7, 1])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("zooms, pieces", [((1, 2), 0), ((2, 1, 3), 2), ((2,), 1)])
def test_scenes_of_many_scales_equal_the_slow_ones(channels, zooms, pieces):
    split, canvas = make_split(channels=channels), (19, 24)
    slow = Slow(split, 6, 4, canvas)
    slow.clutter(pieces, 3, 1)
    boxes = slow.sprites(INDEX.tolist(), zooms)
    options = dict(canvas=canvas, zooms=zooms)
    scenes = cluttered(split, INDEX, numbers(4), **options, distractors=pieces, distractor_size=3)
    assert np.array_equal(scenes.image.numpy(), slow.out)
    assert [pixels_of(box, *canvas) for box in scenes.box[:, 0]] == boxes
    if not pieces:
        assert torch.equal(translated(split, INDEX, numbers(4), **options).image, scenes.image)


def test_zooms_are_uniform_and_so_are_the_places_of_each():
    split = make_split(height=2, width=3)
    count = 9000
    index = torch.zeros(count).long()
    scenes = translated(split, index, numbers(0), canvas=(7, 8), zooms=(1, 2))
    x0, y0, x1, _ = ((scenes.box[:, 0] + 1) / 2 * torch.tensor([8, 7, 8, 7])).round().T
    big = (x1 - x0) == 6
    assert stats.binomtest(int(big.sum()), count).pvalue > 0.001
    for mask, rows, columns in ((~big, 6, 6), (big, 4, 3)):
        cell = (y0 * columns + x0)[mask].long()
        assert x0[mask].max() == columns - 1 and y0[mask].max() == rows - 1
        observed = torch.bincount(cell, minlength=rows * columns)
        assert stats.chisquare(observed.numpy()).pvalue > 0.001


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("zooms, pieces", [((1,), 0), ((2,), 3), ((1, 2), 2)])
@pytest.mark.parametrize("answer", ["pair", "sum"])
def test_pairs_equal_the_slow_ones(channels, zooms, pieces, answer):
    split, canvas = make_split(channels=channels), (14, 17)
    slow = Slow(split, 6, 8, canvas)
    other = slow.below(12, 6)
    zoom = zooms[0] if len(zooms) == 1 else 1
    slow.clutter(pieces, 4, zoom)
    boxes = [slow.sprites(which, zooms) for which in (INDEX.tolist(), other)]
    options = dict(
        zoom=zoom, zooms=zooms if len(zooms) > 1 else (), distractors=pieces, distractor_size=4
    )
    scenes = pair(split, INDEX, numbers(8), canvas=canvas, answer=answer, **options)
    assert np.array_equal(scenes.image.numpy(), slow.out)
    for m in range(2):
        assert [pixels_of(box, *canvas) for box in scenes.box[:, m]] == boxes[m]
    unordered = [(a, b) for a in range(10) for b in range(a, 10)]
    for b in range(6):
        labels = sorted([split.labels[INDEX[b]].item(), split.labels[other[b]].item()])
        wanted = sum(labels) if answer == "sum" else unordered.index(tuple(labels))
        assert scenes.target[b] == wanted


def test_every_pair_has_a_number_of_its_own_and_a_name():
    split = Split(torch.zeros(7, 1, 2, 2, dtype=torch.uint8), torch.arange(7))
    index = torch.arange(7).repeat(400)
    scenes = pair(split, index, numbers(0), canvas=4, classes=7)
    assert scenes.target.unique().tolist() == list(range(28))
    names = of_pair("abcdefg")
    assert len(names) == 28 and names[:8] == (*(f"a {b}" for b in "abcdefg"), "b b")
    first = split.labels[scenes.index]
    assert all("abcdefg"[a] in names[t] for a, t in zip(first, scenes.target, strict=True))
    assert len(of_pair("0123456789")) == 55
    assert of_pair("012", "sum") == ("0", "1", "2", "3", "4")
    assert SCENES["sequence"].answers("01") == ("0", "1", "end")
    assert SCENES["cluttered"].answers("01") == ("0", "1")
    with pytest.raises(ValueError, match="choose one of pair, sum"):
        pair(split, index, numbers(0), canvas=4, answer="product")
    with pytest.raises(ValueError, match="choose one of pair, sum"):
        of_pair("012", "product")


def test_the_second_of_a_pair_is_anyone_anywhere():
    split = Split(torch.zeros(5, 1, 2, 3, dtype=torch.uint8), torch.arange(5))
    count = 6000
    scenes = pair(split, torch.zeros(count).long(), numbers(0), canvas=(4, 6), answer="sum")
    assert stats.chisquare(torch.bincount(scenes.target).numpy()).pvalue > 0.001
    corner = ((scenes.box[:, :, :2] + 1) / 2 * torch.tensor([6, 4])).round().long()
    cell = corner[..., 1] * 4 + corner[..., 0]  # 3 rows, 4 columns
    both = torch.bincount(cell[:, 0] * 12 + cell[:, 1], minlength=144)
    assert stats.chisquare(both.numpy()).pvalue > 0.001


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("zoom, digits, gap", [(1, 3, 2), (2, 2, 0), (1, 1, 0), (1, 5, 3)])
def test_sequences_equal_the_slow_ones(channels, zoom, digits, gap):
    split, canvas = make_split(channels=channels), (15, 50)
    slow = Slow(split, 6, 2, canvas)
    length = slow.below(digits, 6, 1)
    others = slow.below(12, 6, digits - 1)
    gaps = slow.below(gap + 1, 6, digits)
    top = slow.below(15 - 6 * zoom + 1, 6, 1)
    share = slow.below(2**31, 6, 1)
    options = dict(canvas=canvas, zoom=zoom, digits=digits, gap=gap)
    scenes = sequence(split, INDEX, numbers(2), **options)
    assert scenes.box.shape == (6, digits, 4) and scenes.target.shape == (6, digits + 1)
    for b in range(6):
        n = length[b][0] + 1
        members = [INDEX[b].item(), *others[b]][:n]
        extent = n * 7 * zoom + sum(gaps[b][1:n])
        x = share[b][0] * (50 - extent + 1) // 2**31
        boxes = []
        for number, which in enumerate(members):
            x += gaps[b][number] if number else 0
            boxes.append(slow.paste(b, slow.zoomed(which, zoom), top[b][0], x))
            x += 7 * zoom
        assert [pixels_of(box, *canvas) for box in scenes.box[b, :n]] == boxes
        assert scenes.box[b, n:].isnan().all()
        labels = split.labels[members].tolist()
        assert scenes.target[b].tolist() == [*labels, 10, *[-1] * (digits - n)]
    assert np.array_equal(scenes.image.numpy(), slow.out)


def test_sequences_are_uniform_in_length_place_and_followers():
    split = Split(torch.full((4, 1, 2, 2), 255, dtype=torch.uint8), torch.arange(4))
    count = 9000
    scenes = sequence(
        split, torch.zeros(count).long(), numbers(0), canvas=(3, 9), digits=2, gap=1, classes=4
    )
    length = (~scenes.box[..., 0].isnan()).sum(1)
    assert stats.chisquare(torch.bincount(length)[1:].numpy()).pvalue > 0.001
    second = scenes.target[length == 2, 1]
    assert stats.chisquare(torch.bincount(second).numpy()).pvalue > 0.001
    left, right = ((scenes.box[..., [0, 2]] + 1) / 2 * 9).unbind(-1)
    alone = left[length == 1, 0].round().long()
    assert stats.chisquare(torch.bincount(alone, minlength=8).numpy()).pvalue > 0.001
    two = length == 2
    gap = (left[:, 1] - right[:, 0])[two].round().long()
    assert stats.chisquare(torch.bincount(gap, minlength=2).numpy()).pvalue > 0.001
    for each in (0, 1):
        start = left[two, 0].round().long()[gap == each]
        assert stats.chisquare(torch.bincount(start, minlength=6 - each).numpy()).pvalue > 0.001
    ink = scenes.image.bool().flatten(1).sum(1)
    assert torch.equal(ink, 4 * length)


def test_a_row_that_does_not_fit_is_one_line():
    with pytest.raises(ValueError) as caught:
        sequence(make_split(), INDEX, numbers(0), canvas=20)
    wanted = "a row of 3 images of 6x25 pixels does not fit a canvas of 20x20"
    assert str(caught.value) == wanted


def test_inside_is_in_any_box_that_there_is():
    nothing = torch.full((4,), torch.nan)
    left, right = torch.tensor([-1.0, -1, -0.5, 1]), torch.tensor([0.5, -1.0, 1, 1])
    box = torch.stack([torch.stack([left, right]), torch.stack([left, nothing])])
    points = torch.tensor([[-0.7, 0.0], [0.5, 1.0], [0.0, 0.0]])
    found = inside(points[:, None].expand(3, 2, 2), box)
    assert found.tolist() == [[True, True], [True, False], [False, False]]


# Scenes moved as a whole.


def matrices(*rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def boxed(height: int, width: int, count: int = 2) -> Scenes:
    """Noise of two channels, with one box of whole pixels and one that is not there."""
    image = torch.randint(256, (count, 2, height, width), generator=numbers(3)).byte()
    edges = torch.tensor([2.0, 1.0, 5.0, 3.0]) / torch.tensor([width, height, width, height])
    box = torch.stack([edges * 2 - 1, torch.full((4,), torch.nan)]).expand(count, 2, 4)
    return Scenes(image, torch.arange(count), box, torch.arange(count) + 7)


def test_what_is_moved_by_whole_pixels_is_the_same_pixels():
    """Each image by its own matrix; what leaves the image is gone, and what comes in is 0."""
    height, width, some = 6, 8, boxed(6, 8)
    right, down = 2 / width, 2 / height  # of one pixel, in locations
    one, other = [[1, 0, 2 * right], [0, 1, down]], [[1, 0, 0], [0, 1, -3 * down]]
    found = affine_transform(some, matrices(one, other))
    wanted = torch.zeros_like(some.image)
    wanted[0, :, 1:, 2:] = some.image[0, :, :-1, :-2]
    wanted[1, :, :-3] = some.image[1, :, 3:]
    assert found.image.dtype == torch.uint8 and torch.equal(found.image, wanted)
    assert torch.equal(found.target, some.target) and torch.equal(found.index, some.index)
    assert pixels_of(found.box[0, 0], height, width) == [4, 2, 7, 4]
    assert pixels_of(found.box[1, 0], height, width) == [2, 0, 5, 0]  # it has left
    assert found.box[:, 1].isnan().all() and found.box.shape == some.box.shape


def test_a_quarter_turn_and_a_doubling_are_exact():
    some = boxed(6, 6)
    found = affine_transform(some, matrices([[0, -1, 0], [1, 0, 0]], [[2, 0, 0], [0, 2, 0]]))
    # y points down, so that x -> y is clockwise on the screen.
    assert torch.equal(found.image[0], some.image[0].rot90(-1, (1, 2)))
    assert pixels_of(found.box[0, 0], 6, 6) == [3, 2, 5, 5]
    assert pixels_of(found.box[1, 0], 6, 6) == [1, 0, 6, 3]
    # The centre of pixel 3 comes from a quarter of a pixel short of that of pixel 3.
    near = some.image[1, :, 2:4, 2:4].double()
    share = torch.tensor([0.25, 0.75], dtype=torch.float64)
    read = torch.einsum("cij,i,j->c", near, share, share)
    assert torch.equal(found.image[1, :, 3, 3], read.round().byte())
    assert torch.equal(some.image, boxed(6, 6).image)


@pytest.mark.parametrize("height, width", [(20, 20), (16, 28)])
def test_jitter_keeps_the_target_in_its_box(height, width):
    image = torch.zeros(200, 1, height, width, dtype=torch.uint8)
    image[:, :, 6:9, 8:14] = 255
    edges = torch.tensor([8.0, 6.0, 14.0, 9.0]) / torch.tensor([width, height, width, height])
    box = (edges * 2 - 1).expand(200, 1, 4)
    some = Scenes(image, torch.zeros(200).long(), box, torch.arange(200))
    found = random_affine(some, numbers(1), turn=30, stretch=1.2, shift=0.2)
    size = torch.tensor([width, height, width, height])
    edges = (found.box[:, 0] + 1) / 2 * size
    for one, (x0, y0, x1, y1) in zip(found.image[:, 0], edges.tolist(), strict=True):
        rows, columns = (one > 140).nonzero().unbind(1)
        # The centres of what is brighter than half lie in the box, and reach its sides.
        assert y0 - 0.1 <= rows.min() + 0.5 and rows.max() + 0.5 <= y1 + 0.1
        assert x0 - 0.1 <= columns.min() + 0.5 and columns.max() + 0.5 <= x1 + 0.1
        assert rows.min() - y0 < 1.5 and x1 - columns.max() - 1 < 1.5
    # Its area is that of the box of old, times the square of the magnification.
    area = found.image.double().sum((1, 2, 3)) / 255 / 18
    assert 1 / 1.2**2 - 0.1 < area.min() < 0.8 and 1.25 < area.max() < 1.2**2 + 0.1
    assert len({tuple(each) for each in found.box[:, 0].tolist()}) == 200


def test_jitter_draws_from_its_generator_and_as_far_as_it_may():
    some = boxed(6, 8)
    still = random_affine(some, numbers(0), turn=0, stretch=1, shift=0)
    assert torch.equal(still.image, some.image)
    assert torch.allclose(still.box, some.box, equal_nan=True)
    far = dict(turn=15, stretch=1.1, shift=0.1)
    one, again, other = (random_affine(some, numbers(seed), **far) for seed in (1, 1, 2))
    assert torch.equal(one.image, again.image) and not torch.equal(one.image, other.image)
    middle = torch.tensor([-0.5, -0.5, 0.25, 0.25]).expand(4000, 1, 4)  # which stays inside
    many = Scenes(*boxed(4, 4, 4000)[:2], middle, torch.arange(4000))
    moved = random_affine(many, numbers(3), turn=0, stretch=1, shift=0.3).centre - many.centre
    assert moved.abs().max() <= 0.3 + 1e-5
    for axis in moved.double().T:
        assert stats.kstest(axis.numpy(), stats.uniform(-0.3, 0.6).cdf).pvalue > 1e-4


# Scenes that ask where something is.


def test_a_search_is_for_the_one_image_of_its_class():
    """Each digit in a cell of its own; the named one is the image, none of the others its class."""
    split = Split(
        torch.arange(1, 13).byte()[:, None, None, None].expand(12, 1, 4, 5).clone(),
        torch.arange(12) % 4,
    )
    index = torch.arange(12).repeat(250)
    scenes = search(split, index, numbers(0), canvas=(15, 18), distractors=3, classes=4)
    assert torch.equal(scenes.cue, torch.nn.functional.one_hot(split.labels[index], 4).float())
    assert scenes.box.shape == (3000, 1, 4)
    cells = scenes.image.view(-1, 3, 5, 3, 6).transpose(2, 3).flatten(1, 2).flatten(2)
    shown = cells.max(-1).values.long()  # the image in each cell, counted from 1; 0: none
    assert ((shown > 0).sum(1) == 4).all() and ((cells > 0).sum(-1) == 20 * (shown > 0)).all()
    assert torch.equal(shown.gather(1, scenes.target[:, None])[:, 0], index + 1)
    others = shown.scatter(1, scenes.target[:, None], 0)
    same = split.labels[others - 1] == split.labels[index][:, None]
    assert not (same & (others > 0)).any()
    # Uniform over cells, over the images of other classes, and over places within a cell.
    assert stats.chisquare(scenes.target.bincount(minlength=9)).pvalue > 1e-3
    assert (
        stats.chisquare(
            others[index == 0].flatten().bincount(minlength=13)[1:][split.labels != 0]
        ).pvalue
        > 1e-3
    )
    left, top, *_ = ((scenes.box[:, 0] + 1) / 2 * torch.tensor([18, 15, 18, 15])).round().long().T
    assert torch.equal(top // 5 * 3 + left // 6, scenes.target)
    assert (top % 5).unique().tolist() == [0, 1] and (left % 6).unique().tolist() == [0, 1]


def test_a_search_refuses_what_it_cannot_make():
    split = make_split()
    for options, message in (
        (dict(canvas=17), "does not fit a cell"),
        (dict(canvas=24, distractors=9), "at most"),
    ):
        with pytest.raises(ValueError, match=message):
            search(split, torch.arange(3), numbers(0), **options)
    alike = Split(split.images, torch.zeros(12, dtype=torch.int64))
    with pytest.raises(ValueError, match="two classes"):
        search(alike, torch.arange(3), numbers(0), canvas=24)


def test_where_it_is_is_one_of_places_that_share_the_canvas():
    white = Split(torch.full((3, 1, 4, 4), 255, dtype=torch.uint8), torch.arange(3))
    scenes = localise(white, torch.zeros(2000).long(), numbers(0), canvas=12, distractors=0)
    for one, box, place in zip(scenes.image[:50], scenes.box[:, 0], scenes.target, strict=False):
        top, left = 2 * int(place // 5), 2 * int(place % 5)
        assert pixels_of(box, 12, 12) == [left, top, left + 4, top + 4]
        assert one[0, top : top + 4, left : left + 4].all() and one.long().sum() == 16 * 255
    assert stats.chisquare(scenes.target.bincount(minlength=25)).pvalue > 1e-3
    wider = localise(white, torch.zeros(500).long(), numbers(0), canvas=(15, 14), distractors=0)
    left, top = ((wider.box[:, 0, :2] + 1) / 2 * torch.tensor([14, 15])).round().long().T
    assert top.unique().tolist() == [1, 3, 5, 7, 9] and left.unique().tolist() == [1, 3, 5, 7, 9]
    with pytest.raises(ValueError, match="do not fit"):
        localise(white, torch.zeros(2).long(), numbers(0), canvas=7, distractors=0)


def test_a_cue_goes_where_its_scene_goes():
    split = make_split()
    scenes = search(split, torch.arange(6), numbers(0), canvas=(20, 24))
    assert torch.equal(scenes.repeat(2).cue[::2], scenes.cue)
    assert torch.equal(scenes.slice(2, 4).cue, scenes.cue[2:4])
    order = torch.tensor([3, 0, 0])
    for field, whole in zip(scenes.rows(order), scenes, strict=True):
        assert torch.equal(field, whole[order])
    plainly = plain(split, torch.arange(6))
    assert plainly.rows(order).cue.numel() == 0 and plainly.slice(1, 2).cue.numel() == 0
    assert random_affine(scenes, numbers(0), turn=9, stretch=1.1, shift=0.1).cue is scenes.cue
    make = partial(search, canvas=(20, 24))
    assert fixed_scenes(make, split, 1).cue.shape == (12, 10)
