"""One picture that an agent looked at, drawn whole: `look`, and what it is made of.

A panel has the picture with the path of looks on it; beside it, look by look, what was seen there
and what was believed then; and below every map by name, on one scale.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from hardattn.evaluation.evaluate import Columns
from hardattn.looking.look import Drawn, Looked, look_at, subject_of
from hardattn.sensors import Retina
from hardattn.viz.pictures import (
    INK,
    PAPER,
    SUPER,
    Colour,
    Picture,
    colours,
    font,
    glimpse_tile,
    heat,
    path_picture,
    peak,
    scale_bar,
)

SIDE = 300  # pixels of a picture
TILE = 84  # of a glimpse
WIDE = 240  # of the bars of one that takes a single look
NAMES = 110  # of the names of answers
MAP = 140  # of a map
GAP, MARGIN = 10, 14
LEAST = 6 * MAP + 5 * GAP  # of a panel
ROW = 24  # of an answer
MOST = 6  # answers that are drawn
QUIET: Colour = (101, 109, 118)
TRACK: Colour = (234, 238, 242)
PACE, HOLD = 900, 2600  # milliseconds of a frame of an animation, and of the last


def look(agent: Any, image: Any, *, against: Any = None, **options: Any) -> tuple[Picture, Columns]:
    """Let an agent look at a picture: what it did drawn as one, (H, W, 3) uint8, and its columns.

    agent: a `Subject`; or an agent, or a classifier, of which world, shape and answers say the
    rest: see `subject_of`. image: as in `look_at`, whose options are taken, too. against: a second
    Subject, which is drawn below; the columns are the first's.
    """
    told = {name: options.pop(name) for name in ("world", "shape", "answers") if name in options}
    one = subject_of(agent, told.get("world"), told.get("shape"), told.get("answers", ()))
    looked = [look_at(one, image, **options)]
    if against is not None:
        looked.append(look_at(subject_of(against), image, **options))
    return sheet_of(looked), looked[0].columns


def sheet_of(looked: Sequence[Looked], upto: int | None = None) -> Picture:
    """Panels, one below the other, all as they were after so many looks; by default after all."""
    return stacked([panel(one, upto) for one in looked])


def frames(looked: Sequence[Looked]) -> list[Picture]:
    """A picture after each look, all of one size."""
    most = max(one.looks for one in looked)
    return [sheet_of(looked, number) for number in range(1, most + 1)]


def gif(pictures: Sequence[Picture]) -> bytes:
    """An animation of them, which begins again after a while."""
    images = [Image.fromarray(each).quantize(255, dither=Image.Dither.NONE) for each in pictures]
    lasts = [*[PACE] * (len(images) - 1), HOLD]
    out = BytesIO()
    images[0].save(
        out, "GIF", save_all=True, append_images=images[1:], duration=lasts, loop=0, disposal=1
    )
    return out.getvalue()


def png(picture: Picture) -> bytes:
    """The bytes of a PNG file of it."""
    out = BytesIO()
    Image.fromarray(picture).save(out, "PNG", optimize=True)
    return out.getvalue()


def panel(looked: Looked, upto: int | None = None) -> Picture:
    """All that is to be seen of one agent and one picture, after so many looks."""
    taken = looked.looks if upto is None else min(upto, looked.looks)
    body = _beside([_scene(looked, taken), _look_by_look(looked, taken)])
    width = max(body.shape[1], LEAST)
    parts = [_heading(looked, width), body]
    if looked.maps:
        parts.append(_maps(looked.maps, looked.scenes.shape[1:], width))
    if looked.maps or looked.masks.numel():
        parts.append(scale_bar(min(width, 460)))
    return _framed(stacked(parts))


def text(
    said: str,
    width: int,
    size: int = 13,
    colour: Colour = INK,
    paper: Colour = PAPER,
    *,
    end: bool = False,
) -> Picture:
    """A line of text, cut where it is too long, (h, width, 3). end: cut is its beginning."""
    canvas = Image.new("RGB", (width * SUPER, round(size * 1.5) * SUPER), paper)
    pen = ImageDraw.Draw(canvas)
    face = font(size * SUPER)
    while said and pen.textlength(said, face) > canvas.width:
        shorter = "…" + said[2:] if end else said[:-2] + "…"
        said = shorter if len(said) > 2 else ""
    pen.text((0, canvas.height / 2), said, fill=colour, font=face, anchor="lm")
    return _shrunk(canvas)


def stacked(parts: Sequence[Picture], gap: int = GAP) -> Picture:
    """One below the other, from the left."""
    width = max(part.shape[1] for part in parts)
    height = sum(part.shape[0] for part in parts) + gap * (len(parts) - 1)
    made, top = np.full((height, width, 3), 255, np.uint8), 0
    for part in parts:
        made[top : top + part.shape[0], : part.shape[1]] = part
        top += part.shape[0] + gap
    return made


def _beside(parts: Sequence[Picture], gap: int = 2 * GAP) -> Picture:
    return stacked([part.transpose(1, 0, 2) for part in parts], gap).transpose(1, 0, 2)


def _framed(picture: Picture) -> Picture:
    high, wide = picture.shape[:2]
    made = np.full((high + 2 * MARGIN, wide + 2 * MARGIN, 3), 255, np.uint8)
    made[MARGIN : MARGIN + high, MARGIN : MARGIN + wide] = picture
    return made


def _heading(looked: Looked, width: int) -> Picture:
    subject = looked.subject
    name = f"{subject.name}: {subject.title}" if subject.title else subject.name
    said = ", ".join(f"{answer} ({100 * share:.0f} %)" for answer, share in looked.best())
    taken = (
        "one look at everything"
        if looked.subject.world.sensor.everything
        else (f"{looked.looks} look{'s' * (looked.looks != 1)}")
    )
    return stacked(
        [
            text(name, width, 16),
            text(f"{looked.picture}; {taken}", width, 12, QUIET),
            text(f"answer: {said}", width, 14),
        ],
        2,
    )


def _scene(looked: Looked, taken: int) -> Picture:
    sensor = looked.subject.world.sensor
    size, scales = (sensor.size, sensor.scales) if isinstance(sensor, Retina) else (0, 1)
    path = looked.columns.location[0, :taken]
    if looked.masks.numel() and not _hard(looked.masks):
        path = path[:0]  # a mean of cells is no place that was looked at
    return path_picture(
        looked.scenes.image[0], path, size, scales, side=SIDE, of=max(1, looked.looks)
    )


def _look_by_look(looked: Looked, taken: int) -> Picture:
    """Glimpses, or masks, in their order, with the belief after each below it."""
    if looked.subject.world.sensor.everything:
        return _belief(looked, taken, WIDE)
    tiles = _tiles(looked, taken)
    blank = np.full((TILE, NAMES, 3), 255, np.uint8)
    head = _beside([blank, *tiles], GAP)
    return stacked([head, _belief(looked, taken, TILE)], GAP)


def _tiles(looked: Looked, taken: int) -> list[Picture]:
    sensor, ink = looked.subject.world.sensor, colours(looked.looks)
    sides = (looked.scenes.shape[1], looked.scenes.shape[2])
    tiles = []
    for number in range(looked.looks):
        if number >= taken:
            tiles.append(np.full((TILE, TILE, 3), TRACK, np.uint8))
        elif looked.masks.numel() and not _hard(looked.masks):
            tiles.append(_edged(_map(looked.masks[number], sides, TILE), ink[number]))
        else:
            corners = None
            if isinstance(sensor, Retina):
                corners = sensor.corners(looked.places[number], sides)
            tiles.append(glimpse_tile(looked.glimpses[number], sensor, TILE, ink[number], corners))
    return tiles


def _belief(looked: Looked, taken: int, wide: int) -> Picture:
    """The probability of the answers that were ever probable: a row each, a bar after each look."""
    belief = looked.belief.nan_to_num(0.0)
    count = min(MOST, belief.shape[1])
    ever = belief.max(0).values.topk(count).indices
    rows = ever[belief[-1, ever].argsort(descending=True, stable=True)].tolist()
    ink = colours(looked.looks)
    width = NAMES + looked.looks * (wide + GAP)
    canvas = Image.new("RGB", (width * SUPER, (ROW * (count + 1)) * SUPER), PAPER)
    pen = ImageDraw.Draw(canvas)
    small, plain = font(11 * SUPER), font(12 * SUPER)
    head = "belief after look" if looked.looks > 1 else "belief"
    pen.text((0, ROW * SUPER / 2), head, QUIET, small, anchor="lm")
    for number in range(looked.looks):
        left = (NAMES + GAP + number * (wide + GAP)) * SUPER
        middle = left + wide * SUPER / 2
        if looked.looks > 1:
            pen.text((middle, ROW * SUPER / 2), str(number + 1), QUIET, small, anchor="mm")
        for at, answer in enumerate(rows):
            top = (ROW * (at + 1) + 3) * SUPER
            low = top + (ROW - 6) * SUPER
            pen.rectangle((left, top, left + wide * SUPER, low), fill=TRACK)
            if number >= taken:
                continue
            share = float(belief[number, answer])
            pen.rectangle((left, top, left + share * wide * SUPER, low), fill=ink[number])
            said, place = f"{100 * share:.0f} %", (left + (wide - 4) * SUPER, (top + low) / 2)
            pen.text(place, said, INK, small, anchor="rm")
    for at, answer in enumerate(rows):
        called = looked.subject.says(answer)
        while pen.textlength(called, plain) > (NAMES - 4) * SUPER and len(called) > 2:
            called = called[:-2] + "…"
        pen.text((0, ROW * (at + 1.5) * SUPER), called, INK, plain, anchor="lm")
    return _shrunk(canvas)


def _maps(maps: Sequence[Drawn], sides: Sequence[int], width: int) -> Picture:
    """Every map with its name, what it is, and how far it is from flat."""
    cells = []
    for one in maps:
        picture = (
            _map(one.density, (sides[0], sides[1]), MAP) if one.places else _gates(one.density)
        )
        # The end of a name tells maps of one network apart.
        named = text(one.name, MAP, 11, end=True)
        about = [text(line, MAP, 11, QUIET) for line in (one.about, peak(one.density))]
        cells.append(stacked([picture, named, *about], 1))
    across = max(1, (width + GAP) // (MAP + GAP))
    rows = [cells[start : start + across] for start in range(0, len(cells), across)]
    return stacked([_beside(row, GAP) for row in rows])


def _map(density: Any, sides: tuple[int, int], side: int) -> Picture:
    """A map of the proportions of the picture, in a square."""
    unit = side / max(sides)
    extent = max(1, round(sides[1] * unit)), max(1, round(sides[0] * unit))
    made = Image.fromarray(heat(density)).resize(extent, Image.Resampling.NEAREST)
    canvas = Image.new("RGB", (side, side), PAPER)
    canvas.paste(made, ((side - extent[0]) // 2, (side - extent[1]) // 2))
    return np.asarray(canvas)


def _gates(gate: Any) -> Picture:
    """(n, C) gates as squares, as near to a square as C can be laid."""
    numbers = np.asarray(gate, float).reshape(-1)
    across = next(n for n in range(int(len(numbers) ** 0.5), 0, -1) if len(numbers) % n == 0)
    return _map(numbers.reshape(across, -1), (1, 1), MAP)


def _edged(picture: Picture, colour: Colour, thick: int = 4) -> Picture:
    made = np.array(picture)
    made[:thick] = made[-thick:] = colour
    made[:, :thick] = made[:, -thick:] = colour
    return made


def _hard(masks: Any) -> bool:
    """Whether each look is at one cell."""
    return bool((masks.flatten(1).amax(1) > 0.99).all() and (masks.flatten(1).sum(1) < 1.01).all())


def _shrunk(canvas: Image.Image) -> Picture:
    small = (canvas.width // SUPER, canvas.height // SUPER)
    return np.asarray(canvas.resize(small, Image.Resampling.BOX))
