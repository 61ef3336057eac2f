"""Masks and key points against slow ones that go pixel by pixel."""

from typing import Any

import pytest
import torch

from hardattn.data import load
from hardattn.scenes import keypoints, masks
from hardattn.scenes.masks import INK, cells
from tests.support.scenes import INDEX, make_split, numbers, pixels_of


@pytest.mark.parametrize("channels, zoom, spacing", [(1, 1, 1), (3, 2, 3), (1, 2, 2)])
def test_masks_say_which_pixel_belongs_to_what(channels: int, zoom: int, spacing: int) -> None:
    split, canvas = make_split(channels=channels), (19, 23)
    made = masks(
        split, INDEX, numbers(1), canvas=canvas, zoom=zoom, digits=2, distractors=0, spacing=spacing
    )
    rows, columns = cells(canvas, spacing)
    assert made.target.shape == (len(INDEX), rows * columns)
    seen = 0
    for b, first in enumerate(INDEX.tolist()):
        places = [pixels_of(box, *canvas) for box in made.box[b]]
        # Which the second image is only the picture tells: the one that makes it what it is.
        for second in range(len(split)):
            image = torch.zeros(channels, *canvas, dtype=torch.int64)
            wanted = torch.zeros(canvas, dtype=torch.int64)
            for which, (x0, y0, x1, y1) in zip((first, second), places, strict=True):
                for y in range(y0, y1):
                    for x in range(x0, x1):
                        pixel = split.images[which, :, (y - y0) // zoom, (x - x0) // zoom]
                        image[:, y, x] += pixel
                        if pixel.max() >= INK:
                            wanted[y, x] = 1 + split.labels[which]
            if torch.equal(image.clamp(max=255), made.image[b].long()):
                seen += 1
                half = spacing // 2
                asked = wanted[half::spacing, half::spacing][:rows, :columns]
                assert torch.equal(made.target[b].view(rows, columns), asked)
                break
    assert seen == len(INDEX)


@pytest.mark.parametrize("zoom, spacing", [(1, 1), (2, 3)])
def test_key_points_are_the_corners_of_the_ink_and_its_centre(zoom: int, spacing: int) -> None:
    split, canvas = load("digits").test, (21, 26)
    index = torch.arange(9)
    made = keypoints(
        split, index, numbers(2), canvas=canvas, zoom=zoom, distractors=0, spacing=spacing
    )
    rows, columns = cells(canvas, spacing)
    for b in range(9):
        ink = (made.image[b, 0] >= INK).nonzero()
        low, high = ink.min(0).values, ink.max(0).values
        middle = (low + high) // 2
        wanted = []
        for y, x in (low, (low[0], high[1]), (high[0], low[1]), high, middle):
            wanted.append(
                int(
                    (y // spacing).clamp(max=rows - 1) * columns
                    + (x // spacing).clamp(max=columns - 1)
                )
            )
        assert made.target[b].tolist() == wanted


@pytest.mark.parametrize("make", [masks, keypoints])
def test_nothing_waits_for_numbers_of_the_host(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tensor made of Python's numbers would be copied to the device with each batch."""
    split = make_split()

    def copied(*_: Any, **__: Any) -> None:
        raise AssertionError("a copy from the host")

    make(
        split, INDEX, numbers(1), canvas=20, distractor_size=3
    )  # what is worked out once for a split may be
    monkeypatch.setattr(torch, "tensor", copied)
    make(split, INDEX, numbers(1), canvas=20, distractor_size=3)


def test_an_image_without_ink_counts_as_all_ink() -> None:
    split = make_split()
    split.images[0] = 0
    made = keypoints(
        split, torch.zeros(1, dtype=torch.int64), numbers(0), canvas=20, spacing=1, distractors=0
    )
    x0, y0, x1, y1 = pixels_of(made.box[0, 0], 20, 20)
    assert made.target[0, [0, 3]].tolist() == [y0 * 20 + x0, (y1 - 1) * 20 + x1 - 1]


def test_squares_that_are_larger_than_the_canvas_are_refused() -> None:
    for spacing in (0, 21):
        with pytest.raises(ValueError, match="do not lie on a canvas of 20x24"):
            cells((20, 24), spacing)
