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


def found_in(picture: Tensor, split: Split) -> list[tuple[int, str, int]]:
    """Cells, sizes and numbers of the images in a picture of 24 x 28, found pixel by pixel."""
    found = []
    for cell in range(4):
        y, x = cell // 2 * 12, cell % 2 * 14
        part = picture[y : y + 12, x : x + 14]
        if not part.any():
            continue
        for number, image in enumerate(split.images[:, 0]):
            for size, zoom in (("small", 1), ("large", 2)):
                wanted = image.repeat_interleave(zoom, 0).repeat_interleave(zoom, 1)
                windows = part.unfold(0, 6 * zoom, 1).unfold(1, 7 * zoom, 1)
                if (windows == wanted).all(-1).all(-1).any():
                    found.append((cell, size, number))
    return found


def seen(picture: Tensor, split: Split) -> list[str]:
    """What such a picture shows."""
    (first, *one), (second, *other) = [
        (cell, size, WORDS[split.labels[number]])
        for cell, size, number in found_in(picture[0], split)
    ]
    relation = "left of" if first // 2 == second // 2 else "above"
    return ["see", *one, relation, *other, "end"]


def apart(one: list[str], other: list[str]) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def middle(sentences: list[list[str]]) -> int:
    """That from which all others differ by one word."""
    (found,) = [
        number
        for number, one in enumerate(sentences)
        if sum(apart(one, other) for other in sentences) == len(sentences) - 1
    ]
    return found


def test_one_sentence_says_what_is_there_and_the_others_differ_by_a_word_or_two() -> None:
    split = every_class()
    scenes = MAKE(split, torch.arange(40), numbers(0), candidates=22)
    for row in range(40):
        sentences = told(scenes.cue[row])
        true = sentences[scenes.target[row]]
        assert true == seen(scenes.image[row], split)
        assert {apart(one, true) for one in sentences} <= {0, 1, 2}
        assert middle(sentences) in range(22) and len({*map(tuple, sentences)}) == 22
        assert len(pixels_of(scenes.box[row, 0], 24, 28)) == 4
    assert len(scenes.target.unique()) > 12


def test_no_comparison_of_sentences_with_each_other_tells_the_true_one() -> None:
    scenes = MAKE(every_class(), torch.arange(40).repeat(30), numbers(2), candidates=12)
    centre = torch.tensor([middle(told(cue)) for cue in scenes.cue])
    # Of 1200 a twelfth, 100 +- 10: not that which all others are near, nor one so far behind it.
    behind = torch.bincount((scenes.target - centre) % 12, minlength=12)
    assert behind.min() > 60 and behind.max() < 140


def test_no_comparison_of_pictures_with_each_other_tells_the_true_one() -> None:
    split = every_class()
    scenes = MAKE(split, torch.arange(8), numbers(3), candidates=6, back=True)
    for row in range(8):
        shown = set()
        for number in range(6):
            y, x = number // 3 * 24, number % 3 * 28
            found = found_in(scenes.image[row, 0, y : y + 24, x : x + 28], split)
            shown |= {(place, image) for place, (_, _, image) in enumerate(found)}
        classes = {(place, int(split.labels[image])) for place, image in shown}
        assert len(shown) == len(classes), "of a class one image, whichever picture it is in"


def test_one_picture_is_what_the_sentence_says_and_the_others_differ_by_a_word_or_two() -> None:
    split = every_class()
    scenes = MAKE(split, torch.arange(8), numbers(1), candidates=10, back=True)
    assert scenes.image.shape == (8, 1, 3 * 24, 4 * 28) and scenes.cue.shape == (8, 7)
    for row in range(8):
        (true,) = told(scenes.cue[row])
        for number in range(10):
            y, x = number // 4 * 24, number % 4 * 28
            shown = seen(scenes.image[row, :, y : y + 24, x : x + 28], split)
            assert (apart(shown, true) == 0) == (number == scenes.target[row])
            assert apart(shown, true) <= 2
            for box in scenes.box[row]:
                x0, y0, x1, y1 = pixels_of(box, 72, 112)
                within = x <= x0 < x1 <= x + 28 and y <= y0 < y1 <= y + 24
                assert within == (number == scenes.target[row])


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(ValueError, match="2 to 22 candidates of 10 classes, not 23"):
        MAKE(make_split(), torch.arange(3), numbers(0), candidates=23)
    with pytest.raises(ValueError, match="small must be less than large"):
        MAKE(make_split(), torch.arange(3), numbers(0), large=1)
