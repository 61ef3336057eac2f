"""Answers that are no single word, drawn over their picture: masks, key points, places, frames.

What is true and what was answered are drawn alike, each on a picture of its own, or told apart by
their outline: a ring, or a dashed frame, is the truth.
"""

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from hardattn.viz.pictures import CASING, INK, PAPER, RIGHT, SUPER, WRONG, Colour, Picture, font

STRENGTH = 0.65  # of a class's colour over its picture
TURN = 0.61803  # of the circle of hues, from one class to the next: neighbours differ
# Of the first ten classes, which are all that most data have.
TEN: tuple[Colour, ...] = (
    (228, 66, 66),
    (255, 150, 40),
    (250, 222, 70),
    (125, 205, 65),
    (0, 165, 125),
    (80, 195, 245),
    (60, 105, 240),
    (160, 100, 225),
    (245, 120, 205),
    (176, 124, 82),
)
BAR = 22  # pixels below a frame, where its number stands


def class_colour(number: int) -> Colour:
    """The colour of a class in masks, from 1 on: of many, bright ones and dark ones by turns."""
    if 1 <= number <= len(TEN):
        return TEN[number - 1]
    light = 0.66 if number % 2 else 0.5
    red, green, blue = colorsys.hls_to_rgb(number * TURN % 1, light, 0.85)
    return round(255 * red), round(255 * green), round(255 * blue)


def masked(image: Any, answer: Any, spacing: int) -> NDArray[np.uint8]:
    """(C, H, W) uint8 with a mask over it, (3, H, W): each square of `spacing` pixels in the colour
    of its class, and as it is where its class is 0 or less: nothing, or not asked.

    answer: (rows, columns) of classes.
    """
    pixels = np.asarray(image)
    pixels = pixels[:3] if len(pixels) >= 3 else pixels[:1].repeat(3, 0)
    drawn = pixels.astype(float)
    label = np.asarray(answer).repeat(spacing, 0).repeat(spacing, 1)
    height, width = (min(pair) for pair in zip(label.shape, pixels.shape[1:], strict=True))
    for number in np.unique(label[label > 0]):
        here = label[:height, :width] == number
        colour = np.array(class_colour(int(number)), float)[:, None]
        part = drawn[:, :height, :width]
        part[:, here] = (1 - STRENGTH) * part[:, here] + STRENGTH * colour
    return drawn.round().astype(np.uint8)


def pointed(picture: Picture, points: Any, truth: Any, size: tuple[int, int]) -> Picture:
    """Key points over a picture: a ring where each is, and a disc, joined to it, where it was said.

    points, truth: (P, 2), x and y in pixels of a scene of (H, W); rows of NaN are none.
    """
    canvas, unit = _enlarged(picture, size)
    pen = ImageDraw.Draw(canvas)
    radius, thick = canvas.width / 60, max(1, round(canvas.width / 160))
    for number, (said, true) in enumerate(zip(np.asarray(points), np.asarray(truth), strict=True)):
        ends = [tuple(each * unit) for each in (said, true)]
        there = [not np.isnan(each).any() for each in ends]
        colour = class_colour(number + 1)
        if all(there):
            pen.line((*ends[0], *ends[1]), fill=colour, width=thick)
        for (x, y), known, r, fill in zip(ends, there, (0.9, 1.7), (colour, None), strict=True):
            box = (x - r * radius, y - r * radius, x + r * radius, y + r * radius)
            if known:
                pen.ellipse(box, fill=fill, outline=colour if fill is None else CASING, width=thick)
    return _small(canvas)


def framed(
    picture: Picture, box: Sequence[float], size: tuple[int, int], right: bool | None
) -> Picture:
    """A solid frame around what was answered, (left, top, right, bottom) in pixels of (H, W).

    right: whether that is true, by which it is coloured.
    """
    canvas, unit = _enlarged(picture, size)
    thick = max(2, round(canvas.width / 90))
    edge = tuple(float(each) * unit for each in box)
    colour = RIGHT if right else WRONG
    ImageDraw.Draw(canvas).rectangle(edge, outline=colour, width=thick)
    return _small(canvas)


def numbered(picture: Picture, frames: int, looked: Any = None) -> Picture:
    """A clip, whose frames stand side by side, with the number of each below it and a line between
    two. looked: (F,) bool, which of them were looked at: their numbers are set on dark.
    """
    height, width = picture.shape[:2]
    canvas = Image.new("RGB", (width * SUPER, (height + BAR) * SUPER), PAPER)
    canvas.paste(Image.fromarray(picture).resize((width * SUPER, height * SUPER), 0), (0, 0))
    pen = ImageDraw.Draw(canvas)
    wide = canvas.width / frames
    for frame in range(frames):
        left, top, bottom = frame * wide, height * SUPER, canvas.height
        seen = looked is not None and bool(looked[frame])
        if seen:
            pen.rectangle((left, top, left + wide, bottom), fill=INK)
        if frame:
            pen.line((left, 0, left, bottom), fill=PAPER, width=2 * SUPER)
        at = (left + wide / 2, (top + bottom) / 2)
        said = PAPER if seen else INK
        pen.text(at, str(frame + 1), fill=said, font=font(13 * SUPER), anchor="mm")
    return _small(canvas)


def _enlarged(picture: Picture, size: tuple[int, int]) -> tuple[Image.Image, float]:
    """Room to draw on, and how many of its pixels are one of the scene's."""
    big = Image.fromarray(picture)
    big = big.resize((big.width * SUPER, big.height * SUPER), Image.Resampling.NEAREST)
    return big, big.width / size[1]


def _small(canvas: Image.Image) -> Picture:
    small = (canvas.width // SUPER, canvas.height // SUPER)
    return np.asarray(canvas.resize(small, Image.Resampling.BOX))
