"""Scenes with sentences: what is said is what lies there, and words name their boxes."""

from functools import partial

import pytest
import torch

from hardattn.problem import SCENES
from hardattn.scenes import captions, fixed_scenes
from tests.support.scenes import make_split, numbers, pixels_of

CLASSES = tuple("0123456789")
VOCABULARY = SCENES["captions"].answers(CLASSES)
CANVAS = dict(canvas=(36, 42))


def told(words: list[int]) -> list[str]:
    return [VOCABULARY[word] for word in words if word >= 0]


def test_the_sentence_is_what_the_boxes_say() -> None:
    """Sizes by the boxes, the order and the relations by their cells; read off pixel by pixel."""
    split = make_split(30)
    scenes = fixed_scenes(partial(captions, **CANVAS, digits=4), split, seed=3, draws=4)
    lengths = set()
    for row in range(len(scenes)):
        there = ~scenes.box[row].isnan().any(-1)
        boxes = [pixels_of(box, 36, 42) for box in scenes.box[row][there]]
        cells = [(y0 // 12, x0 // 14) for x0, y0, _, _ in boxes]
        assert cells == sorted(set(cells)), "each has a cell of its own, named row by row"
        words = ["see"]
        for number, (x0, y0, x1, y1) in enumerate(boxes):
            assert (y1 - 1) // 12 == y0 // 12 and (x1 - 1) // 14 == x0 // 14
            size = {(7, 6): "small", (14, 12): "large"}[x1 - x0, y1 - y0]
            shown = scenes.image[row, 0, y0:y1, x0:x1][:: (y1 - y0) // 6, :: (x1 - x0) // 7]
            which = [int(i) for i in range(30) if torch.equal(split.images[i, 0], shown)]
            words += [size, VOCABULARY[split.labels[which[0]]]]
            if number == 0:
                assert int(scenes.index[row]) in which
            if number + 1 < len(boxes):
                words.append("left of" if cells[number + 1][0] == cells[number][0] else "above")
        assert told(scenes.target[row].tolist()) == [*words, "end"]
        lengths.add(len(boxes))
    assert lengths == {2, 3, 4}


def test_words_name_their_boxes() -> None:
    scenes = captions(make_split(), torch.arange(12).repeat(9), numbers(0), **CANVAS)
    for target, named in zip(scenes.target.tolist(), scenes.named.tolist(), strict=True):
        object_, wanted = 0, []
        for word in [word for word in target if word >= 0]:
            text = VOCABULARY[word]
            object_ += text in ("left of", "above")
            wanted.append(-1 if text in ("left of", "above", "see", "end") else object_)
        assert named == wanted + [-1] * (len(target) - len(wanted))
    assert scenes.target.shape == scenes.named.shape == (108, 10)


def test_what_cannot_be_told_is_refused() -> None:
    make = partial(captions, make_split(), torch.arange(3), numbers(0))
    with pytest.raises(ValueError, match="2 to 4 images, as there are cells: 5"):
        make(canvas=40, across=2, digits=5)
    with pytest.raises(ValueError, match="small must be less than large"):
        make(canvas=40, small=2)
    with pytest.raises(ValueError, match="does not fit a cell of 10x10"):
        make(canvas=30)
