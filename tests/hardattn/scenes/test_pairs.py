"""Pairs, sequences and searches: equal to slow ones, and uniform."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy import stats

from hardattn.data import Split
from hardattn.problem import SCENES
from hardattn.scenes import (
    fixed_scenes,
    inside,
    localise,
    pair,
    plain,
    random_affine,
    search,
    sequence,
)
from hardattn.scenes.pairs import of_pair
from tests.support.scenes import INDEX, Slow, make_split, numbers, pixels_of


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
        assert torch.equal(field, whole[order] if len(whole) else whole)
    plainly = plain(split, torch.arange(6))
    assert plainly.rows(order).cue.numel() == 0 and plainly.slice(1, 2).cue.numel() == 0
    assert random_affine(scenes, numbers(0), turn=9, stretch=1.1, shift=0.1).cue is scenes.cue
    make = partial(search, canvas=(20, 24))
    assert fixed_scenes(make, split, 1).cue.shape == (12, 10)
