from functools import partial

import numpy as np
import pytest
import torch
from scipy import stats

from hardattn.data import Split
from hardattn.problem import SCENES
from hardattn.scenes import Scenes, cluttered, fixed_scenes, plain, translated
from tests.support.scenes import CANVASES, INDEX, Slow, make_split, numbers, pixels_of, slow


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
