"""Scenes among sentences, and a sentence among pictures: one goes with the other, by its words."""

from functools import partial

import pytest
import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.problem import SCENES
from hardattn.scenes import matching
from tests.support.scenes import make_split, numbers, pixels_of

WORDS = SCENES["captions"].answers(tuple("0123456789"))
MAKE = partial(matching, canvas=(24, 28))


def every_class() -> Split:
    split = make_split(40)
    return Split(split.images, torch.arange(40) % 10)


def told(cue: Tensor) -> list[list[str]]:
    """The sentences of a cue."""
    numbered = cue * len(WORDS)
    assert torch.allclose(numbered, numbered.round(), atol=1e-4)
    return [[WORDS[word] for word in row] for row in numbered.round().long().view(-1, 7).tolist()]


def seen(picture: Tensor, split: Split) -> list[str]:
    """What a picture of 24 x 28 shows, found pixel by pixel."""
    found = []
    for cell in range(4):
        y, x = cell // 2 * 12, cell % 2 * 14
        part = picture[0, y : y + 12, x : x + 14]
        if not part.any():
            continue
        for number, image in enumerate(split.images[:, 0]):
            for size, zoom in (("small", 1), ("large", 2)):
                wanted = image.repeat_interleave(zoom, 0).repeat_interleave(zoom, 1)
                windows = part.unfold(0, 6 * zoom, 1).unfold(1, 7 * zoom, 1)
                if (windows == wanted).all(-1).all(-1).any():
                    found.append((cell, size, WORDS[split.labels[number]]))
    (first, *one), (second, *other) = found
    relation = "left of" if first // 2 == second // 2 else "above"
    return ["see", *one, relation, *other, "end"]


def test_one_sentence_says_what_is_there_and_the_others_differ_by_a_word() -> None:
    split = every_class()
    scenes = MAKE(split, torch.arange(40), numbers(0), candidates=22)
    for row in range(40):
        sentences = told(scenes.cue[row])
        true = sentences[scenes.target[row]]
        assert true == seen(scenes.image[row], split)
        apart = [sum(a != b for a, b in zip(one, true, strict=True)) for one in sentences]
        assert sorted(apart) == [0] + [1] * 21 and len({*map(tuple, sentences)}) == 22
        assert len(pixels_of(scenes.box[row, 0], 24, 28)) == 4
    assert len(scenes.target.unique()) > 12


def test_one_picture_is_what_the_sentence_says_and_the_others_differ_by_a_word() -> None:
    split = every_class()
    scenes = MAKE(split, torch.arange(8), numbers(1), candidates=10, back=True)
    assert scenes.image.shape == (8, 1, 3 * 24, 4 * 28) and scenes.cue.shape == (8, 7)
    for row in range(8):
        (true,) = told(scenes.cue[row])
        for number in range(10):
            y, x = number // 4 * 24, number % 4 * 28
            shown = seen(scenes.image[row, :, y : y + 24, x : x + 28], split)
            apart = sum(a != b for a, b in zip(shown, true, strict=True))
            assert apart == (number != scenes.target[row])
            for box in scenes.box[row]:
                x0, y0, x1, y1 = pixels_of(box, 72, 112)
                within = x <= x0 < x1 <= x + 28 and y <= y0 < y1 <= y + 24
                assert within == (number == scenes.target[row])


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(ValueError, match="2 to 22 candidates of 10 classes, not 23"):
        MAKE(make_split(), torch.arange(3), numbers(0), candidates=23)
    with pytest.raises(ValueError, match="small must be less than large"):
        MAKE(make_split(), torch.arange(3), numbers(0), large=1)
