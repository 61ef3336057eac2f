"""Pictures of looking: where an agent looked, and what it saw there. uint8 RGB arrays, (H, W, 3).

Everything is drawn at SUPER times its size and averaged down. Colours run from blue (first look)
over teal to yellow (last): lightness rises all the way, so the order survives every colour
blindness and a grey print; right and wrong differ in mark and words as well as in colour.

A map of attention is drawn beside its picture, never over it, in the colours of one scale: how many
times its mean each cell is. The scale is the same for all maps, so a flat map is one dark colour.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from hardattn.evaluation.evaluate import Columns
from hardattn.scenes import Scenes
from hardattn.sensors import Retina, Sensor

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

SUPER = 3
STOPS: tuple[Colour, ...] = ((74, 144, 255), (32, 200, 178), (255, 224, 70))
RIGHT: Colour = (0, 158, 115)
WRONG: Colour = (213, 94, 0)
CASING: Colour = (12, 14, 18)
PAPER: Colour = (255, 255, 255)
INK: Colour = (36, 41, 47)
BOX: Colour = (235, 110, 190)
RULE: Colour = (140, 149, 159)
FULL = 15  # times the mean, and more: the bright end of the scale of maps
TICKS = (0, 1, 3, 7, 15)  # of that scale, which lie as far apart as each other


def colours(looks: int) -> list[Colour]:
    """One colour a look, first to last."""
    at = np.linspace(0, len(STOPS) - 1, looks) if looks != 1 else np.array([len(STOPS) - 1.0])
    stops = np.array(STOPS, float)
    low = np.minimum(at.astype(int), len(STOPS) - 2)
    mixed = stops[low] + (stops[low + 1] - stops[low]) * (at - low)[:, None]
    return [(int(r), int(g), int(b)) for r, g, b in mixed.round()]


def path_picture(
    image: Any,
    locations: Any,
    size: int = 0,
    scales: int = 1,
    box: Any = None,
    caption: str = "",
    *,
    right: bool | None = None,
    side: int = 240,
    of: int = 0,
) -> Picture:
    """A scene, enlarged, with the numbered path of looks over it and what each look covers.

    image: (C, H, W) uint8. locations: (T, 2) places (x, y) in [-1, 1]; rows of NaN are no looks.
    size, scales: the retina's; finest squares solid, coarser ones faint, just the pixels that
    `Retina` reads; size 0 draws none. box: (M, 4) of the targets, dashed; rows of NaN are none.
    caption: a line below, with a mark for right True or False. side: pixels of the longer side.
    of: how many looks there will be, by which they are coloured; by default those that are there.
    """
    pixels = _rgb(image)
    height, width = pixels.shape[:2]
    unit = side * SUPER / max(height, width)
    big = (round(width * unit), round(height * unit))
    canvas = Image.fromarray(pixels).resize(big, Image.Resampling.NEAREST).convert("RGBA")
    looks = np.asarray(locations, float).reshape(-1, np.asarray(locations).shape[-1])[:, :2]
    looks = looks[~np.isnan(looks).any(1)]
    centre = (looks + 1) / 2 * (width, height)
    corners = None
    if size:
        corners = Retina(size, scales).corners(torch.from_numpy(looks), (height, width)).numpy()
    ink = colours(max(of, len(looks)))[: len(looks)]
    bold = _bold(side, (height, width))
    thick = max(1, round(bold / 130))

    for scale in reversed(range(0 if corners is None else scales)):
        assert corners is not None
        faint = Image.new("RGBA", big)
        pen = ImageDraw.Draw(faint)
        extent = size * 2**scale
        alpha = 255 if scale == 0 else 150 // 2**scale
        for corner, colour in zip(corners[:, scale], ink, strict=True):
            left, top = corner * unit
            edge = (left, top, left + extent * unit, top + extent * unit)
            if scale == 0:
                pen.rectangle(edge, outline=(*CASING, 150), width=2 * thick)
            pen.rectangle(edge, outline=(*colour, alpha), width=thick)
        canvas.alpha_composite(faint)

    pen = ImageDraw.Draw(canvas)
    _boxes(pen, box, big, thick)
    points = [tuple(point) for point in centre * unit]
    for start, end, colour in zip(points, points[1:], ink[1:], strict=False):
        pen.line((*start, *end), fill=(*CASING, 255), width=3 * thick)
        pen.line((*start, *end), fill=(*colour, 255), width=round(1.6 * thick))
    radius = bold * 0.033
    for number, (point, colour) in enumerate(zip(points, ink, strict=True), 1):
        _disc(pen, point, radius, colour, str(number))
    picture = _shrink(canvas)
    return picture if not caption else _stack([picture, label(caption, picture.shape[1], right)])


def times_mean(density: Any) -> NDArray[np.float64]:
    """(h, w), at least 0 -> each cell in multiples of the mean: all 1 if flat, all 0 if empty."""
    share = np.nan_to_num(np.asarray(density, float), nan=0, posinf=0, neginf=0).clip(0)
    least = np.finfo(float).tiny
    share = share / max(share.max(initial=0), least)
    return share / max(share.mean(), least)


def peak(density: Any) -> str:
    """The ratio of a map's maximum to its mean, in words: "max 9.3 times the mean"."""
    most = float(times_mean(density).max(initial=0))
    return f"max {most:.{int(most < 99.95)}f} times the mean" if most else "empty"


@cache
def scale() -> Picture:
    """(256, 3), the colours of maps from nothing to `FULL` times the mean: viridis, whose lightness
    rises evenly (van der Walt and Smith 2015).
    """
    from matplotlib import colormaps

    return np.asarray((colormaps["viridis"](np.arange(256))[:, :3] * 255).round(), np.uint8)


def on_scale(density: Any) -> NDArray[np.float64]:
    """(h, w) in [0, 1]: log2(1 + times the mean), from 0 to `FULL` times the mean."""
    share = np.log2(1 + times_mean(density)) / np.log2(1 + FULL)
    return np.asarray(share.clip(0, 1))


def heat(density: Any) -> Picture:
    """(h, w) -> (h, w, 3), a pixel a cell."""
    return scale()[(255 * on_scale(density)).round().astype(int)]


def map_picture(density: Any, size: tuple[int, int], box: Any = None, side: int = 240) -> Picture:
    """A map as large as `path_picture` draws its scene, with the targets dashed.

    density: (h, w), over the whole image. size: height and width of the image.
    """
    unit = side * SUPER / max(size)
    big = (round(size[1] * unit), round(size[0] * unit))
    canvas = Image.fromarray(heat(density)).resize(big, Image.Resampling.NEAREST).convert("RGBA")
    _boxes(ImageDraw.Draw(canvas), box, big, max(1, round(_bold(side, size) / 130)))
    return _shrink(canvas)


def _bold(side: int, size: tuple[int, int]) -> float:
    """What lines and discs are measured by: the longer side, at most twice the shorter one."""
    return side * SUPER * min(1.0, 2 * min(size) / max(size))


def scale_bar(width: int) -> Picture:
    """The scale of maps with its ticks, (h, width, 3)."""
    left, right, high = 20 * SUPER, (width - 110) * SUPER, 16 * SUPER
    canvas = Image.new("RGB", (width * SUPER, 40 * SUPER), PAPER)
    bar = Image.fromarray(scale()[None]).resize((right - left, high), Image.Resampling.NEAREST)
    canvas.paste(bar, (left, 2 * SUPER))
    pen = ImageDraw.Draw(canvas)
    edge = (left, 2 * SUPER, right, 2 * SUPER + high)
    pen.rectangle(edge, outline=RULE, width=SUPER)
    face = font(12 * SUPER)
    for number, tick in enumerate(TICKS):
        at = left + (right - left) * number / (len(TICKS) - 1)
        pen.line((at, high, at, high + 5 * SUPER), fill=INK, width=SUPER)
        pen.text((at, high + 6 * SUPER), f"{tick}", fill=INK, font=face, anchor="mt")
    pen.text((right + 8 * SUPER, high / 2 + 2 * SUPER), "times the mean", INK, face, anchor="lm")
    return _shrink(canvas)


def glimpses(image: Any, locations: Any, sensor: Sensor, width: int = 240, gap: int = 4) -> Picture:
    """What was seen at each look, re-created through the sensor: a square each, four in a row.

    A retina's scales are laid over each other, the finest on top: sharp in the middle, coarse
    around it, as the agent had it. The frame has the colour of the look in `path_picture`.

    image: (C, H, W) uint8. locations: (T, P) without NaN.
    """
    place = torch.as_tensor(locations, dtype=torch.float32)
    looks = len(place)
    images = torch.as_tensor(np.asarray(image))[None].expand(looks, -1, -1, -1)
    sides = (images.shape[2], images.shape[3])
    corners = sensor.corners(place, sides) if isinstance(sensor, Retina) else None
    return seen_glimpses(sensor.look(sensor.open(images), place), sensor, width, gap, corners)


def seen_glimpses(
    seen: Any, sensor: Sensor, width: int = 240, gap: int = 4, corners: Tensor | None = None
) -> Picture:
    """`glimpses` that are at hand, (T, ...) as the sensor gave them.

    corners: (T, S, 2), where a retina's patches start; by default they are concentric.
    """
    looks = len(seen)
    across = -(-looks // -(-looks // 4))
    square = (width - gap * (across - 1)) // across
    tiles = [
        glimpse_tile(look, sensor, square, colour, None if corners is None else corners[at])
        for at, (look, colour) in enumerate(zip(seen, colours(looks), strict=True))
    ]
    return grid(tiles, across, gap, CASING)


def glimpse_tile(
    seen: Any, sensor: Sensor, square: int, colour: Colour, corners: Tensor | None = None
) -> Picture:
    """One glimpse of `seen_glimpses`, (...) as the sensor gave it, as a square in a frame.

    corners: (S, 2), where a retina's patches start; by default they are concentric.
    """
    scales = sensor.scales if isinstance(sensor, Retina) else 1
    look = seen.double().view(scales, -1, *seen.shape[-2:])
    look = look / look.max().clamp_min(1)  # a filterbank's gamma may leave [0, 1]
    extent = seen.shape[-1] * 2 ** (scales - 1)
    frame = max(2, square // 16)
    canvas = Image.new("RGB", (square, square), colour)
    inner = square - 2 * frame
    for scale in reversed(range(scales)):
        patch = Image.fromarray(_rgb((look[scale].clamp(0, 1) * 255).round().byte()))
        part = max(1, round(inner * patch.width * 2**scale / extent))
        patch = patch.resize((part, part), Image.Resampling.NEAREST)
        left = top = (square - part) // 2
        if corners is not None:
            inset = (corners[scale] - corners[-1]).tolist()
            left, top = (frame + round(inner * pixels / extent) for pixels in inset)
        canvas.paste(patch, (left, top))
    return np.asarray(canvas)


def sheet(
    scenes: Scenes,
    columns: Columns,
    size: int = 0,
    scales: int = 1,
    classes: Sequence[str] = (),
    *,
    across: int = 4,
    side: int = 200,
) -> Picture:
    """Several scenes in a grid, each with its path, its final answer and, if wrong, the truth.

    scenes: B of them, on the CPU; row i of `columns` is about scene i, and there may be more rows.
    """
    tiles, images = [], scenes.image
    for row in range(len(scenes)):
        looks = int(columns.looks[row])
        tiles.append(
            path_picture(
                images[row],
                columns.location[row, :looks],
                size,
                scales,
                scenes.box[row],
                verdict(columns.answer[row], scenes.target[row], classes, columns.together),
                right=bool(columns.correct[row, -1]),
                side=side,
            )
        )
    return grid(tiles, min(across, max(1, len(tiles))), 8)


def verdict(answer: Any, target: Any, classes: Sequence[str] = (), together: bool = False) -> str:
    """The caption of an answer: the class, and where it is wrong the true one; "no number" of -1.

    answer, target: numbers, or (S,) sequences, which end at the last of the classes. together: or
    (P,) answers to several questions at once, of which it says how many are right.
    """
    if together:
        asked = np.asarray(target) >= 0
        right = np.asarray(answer)[asked] == np.asarray(target)[asked]
        return f"{int(right.sum())} of {int(asked.sum())} right"
    names = [spoken(symbols, target, classes) for symbols in (answer, target)]
    return names[0] if names[0] == names[1] else f"{names[0]}, is {names[1]}"


def spoken(symbols: Any, target: Any, classes: Sequence[str] = ()) -> str:
    """A class, or the symbols of a sequence up to the end, which is the largest of the true one."""
    end = np.max(np.asarray(target)) if np.ndim(target) else None
    said = [int(symbol) for symbol in np.atleast_1d(np.asarray(symbols))]
    if end in said:
        said = said[: said.index(end)]
    return " ".join(_name(symbol, classes) for symbol in said)


def _name(answer: int, classes: Sequence[str]) -> str:
    if answer < 0:
        return "no number"
    return classes[answer] if answer < len(classes) else str(answer)


def label(text: str, width: int, right: bool | None = None) -> Picture:
    """A line of text on white, (h, width, 3): cut where it is too long, with a tick or a cross."""
    height, margin = 24 * SUPER, 5 * SUPER
    canvas = Image.new("RGB", (width * SUPER, height), PAPER)
    pen = ImageDraw.Draw(canvas)
    colour = INK if right is None else RIGHT if right else WRONG
    left = float(margin)
    if right is not None:
        left = _mark(pen, margin, height / 2, 5 * SUPER, right, colour) + 6 * SUPER
    face = font(14 * SUPER)
    room = width * SUPER - margin - left
    while text and pen.textlength(text, face) > room:
        text = text[:-2] + "…" if len(text) > 2 else ""
    pen.text((left, height / 2), text, fill=colour, font=face, anchor="lm")
    return _shrink(canvas)


def _rgb(image: Any) -> Picture:
    """(C, H, W) uint8 -> (H, W, 3): one channel is grey, a fourth is dropped."""
    pixels = np.asarray(image)
    if pixels.ndim != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"an image is (C, H, W) uint8, not {pixels.shape} {pixels.dtype}")
    if pixels.shape[0] < 3:
        pixels = pixels[:1].repeat(3, 0)
    return np.ascontiguousarray(pixels[:3].transpose(1, 2, 0))


@cache
def font(size: int) -> Any:
    """The face that all text is set in."""
    return ImageFont.load_default(size)


def _disc(
    pen: ImageDraw.ImageDraw, at: tuple[float, ...], radius: float, colour: Colour, text: str
) -> None:
    x, y = at
    for extra, fill in ((radius * 0.22, CASING), (0.0, colour)):
        r = radius + extra
        pen.ellipse((x - r, y - r, x + r, y + r), fill=(*fill, 255))
    pen.text((x, y), text, fill=(*CASING, 255), font=font(round(radius * 1.55)), anchor="mm")


def _boxes(pen: Any, box: Any, big: tuple[int, int], thick: int) -> None:
    """Targets, dashed. box: (M, 4) or None; rows of NaN are none. big: width and height."""
    boxes = np.empty((0, 4)) if box is None else np.asarray(box, float).reshape(-1, 4)
    for edges in boxes[~np.isnan(boxes).any(1)]:
        x0, y0, x1, y1 = (edges + 1) / 2 * np.array(big * 2)
        _dashed(pen, (x0, y0, x1, y1), thick)


def _dashed(pen: ImageDraw.ImageDraw, box: tuple[float, ...], thick: int) -> None:
    x0, y0, x1, y1 = box
    dash = 5.0 * thick
    for ax, ay, bx, by in ((x0, y0, x1, y0), (x1, y0, x1, y1), (x1, y1, x0, y1), (x0, y1, x0, y0)):
        length = max(abs(bx - ax), abs(by - ay), 1e-9)
        ux, uy = (bx - ax) / length, (by - ay) / length
        for start in np.arange(0, length, 2 * dash):
            end = min(start + dash, length)
            line = (ax + ux * start, ay + uy * start, ax + ux * end, ay + uy * end)
            pen.line(line, fill=(*CASING, 255), width=2 * thick)
            pen.line(line, fill=(*BOX, 255), width=thick)


def _mark(
    pen: ImageDraw.ImageDraw, left: float, middle: float, r: float, right: bool, colour: Colour
) -> float:
    """A tick or a cross of half-height r; returns where it ends."""
    thick = round(r * 0.42)
    if right:
        tick = [(left, middle), (left + 0.75 * r, middle + 0.8 * r), (left + 2 * r, middle - r)]
        pen.line(tick, fill=colour, width=thick, joint="curve")
    else:
        pen.line((left, middle - r, left + 2 * r, middle + r), fill=colour, width=thick)
        pen.line((left, middle + r, left + 2 * r, middle - r), fill=colour, width=thick)
    return left + 2 * r


def _shrink(canvas: Image.Image) -> Picture:
    small = (canvas.width // SUPER, canvas.height // SUPER)
    return np.asarray(canvas.convert("RGB").resize(small, Image.Resampling.BOX))


def _stack(parts: Sequence[Picture]) -> Picture:
    return np.concatenate(parts, 0)


def grid(tiles: Sequence[Picture], across: int, gap: int, paper: Colour = PAPER) -> Picture:
    """Equal tiles, row by row."""
    if not tiles:
        return np.full((1, 1, 3), 255, np.uint8)
    height, width = tiles[0].shape[:2]
    down = -(-len(tiles) // across)
    shape = (down * (height + gap) - gap, across * (width + gap) - gap, 3)
    canvas = np.full(shape, paper, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // across * (height + gap), number % across * (width + gap)
        canvas[top : top + height, left : left + width] = tile
    return canvas
