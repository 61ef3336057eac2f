"""What was asked and what was answered, where that is no single word: drawn over the scenes, or
said beside them, as HTML.

A row of KINDS says how: for a kind of scene, what a reader must know, and what stands in a cell, of
the truth and of an agent's answer alike.
"""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hardattn.evaluation.evaluate import Columns
from hardattn.report.asked import scene as kind_of
from hardattn.report.page.context import Context, shown
from hardattn.report.page.sections.gallery import SIDE, examples, image, with_examples
from hardattn.report.page.sections.provenance import origin
from hardattn.report.rows import Row
from hardattn.scenes import SIDES, WORDS
from hardattn.viz.answers import class_colour, framed, masked, numbered, pointed
from hardattn.viz.pictures import Picture, path_picture

MOST = 6  # scenes
STRIPS = 2  # of them, of clips, which are wide
STRIP = 560  # pixels of a clip's width
EXAMPLE = 96  # of an example that is looked for


class Shown(NamedTuple):
    """A scene, as it is or as an agent answered it."""

    row: Row  # who answers
    columns: Columns  # of its first run
    scene: int  # which row of them
    image: Tensor  # (C, H, W) uint8
    box: Tensor  # (M, 4)
    cue: Tensor | None  # (D,) what was told beforehand; None of runs that did not keep it
    true: bool  # the truth is shown, and nothing of the agent

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.image.shape[1], self.image.shape[2]

    @property
    def target(self) -> Tensor:
        """What is right."""
        return self.columns.target[self.scene]

    @property
    def answer(self) -> Tensor:
        """What is shown: the truth, or what was answered."""
        return self.target if self.true else self.columns.answer[self.scene]

    @property
    def right(self) -> bool:
        """Whether all of it is right."""
        return self.true or bool(self.columns.correct[self.scene, -1])

    @property
    def boxes(self) -> Tensor:
        """(M, 4) of what is there, without those that are no more than a point."""
        return self.box[(self.box[:, 2:] > self.box[:, :2]).all(1)]

    @property
    def classes(self) -> list[str]:
        """The names of all that can be answered."""
        return [str(name) for name in self.row.group.first.world["classes"]]

    def drawn(
        self, scene: Any = None, looks: int | None = None, boxes: Any = None, side: int = SIDE
    ) -> Picture:
        """The scene with the agent's looks, of the truth without them."""
        world = self.row.group.first.world
        places = self.columns.location[self.scene, : int(self.columns.looks[self.scene])]
        retina = world["sensor"] == "retina"
        return path_picture(
            self.image if scene is None else scene,
            places[:0] if self.true else places[:looks],
            world["size"] if retina else 0,
            world["scales"] if retina else 1,
            boxes,
            side=side,
        )


class Cell(NamedTuple):
    """What stands for a scene, as HTML: pictures, and what is said of them."""

    pictures: str
    said: str = ""


class Kind(NamedTuple):
    """How scenes of a kind are shown.

    Args:
        words: What a reader must know of them.
        cell: A scene, as it is or as it was answered.
        wide: Whether a scene is much wider than high, so that there is room for fewer.
        both: Whether an answer cannot be read without the picture of the truth beside it.
    """

    words: str
    cell: Callable[[Shown], Cell]
    wide: bool = False
    both: bool = False


def kind_of_row(row: Row) -> Kind | None:
    """How the scenes of a row are shown; None where an answer is a word."""
    return KINDS.get(kind_of(row.group.first.recipe))


def section(context: Context) -> str:
    """The truth of the first scenes, and below it what each agent answered."""
    rows = [row for row in with_examples(context.table) if row.group.runs[0].columns is not None]
    kind = kind_of_row(rows[0]) if rows else None
    if kind is None:
        return ""
    words = f"The first test scenes, not chosen. {kind.words}"
    return shown(words, _grid(rows, kind), origin(rows, first=True))


def _grid(rows: Sequence[Row], kind: Kind) -> str:
    count = min(STRIPS if kind.wide else MOST, *(len(examples(row)["target"]) for row in rows))
    parts = [f'<div class="scroll"><div class="looks" style="--n:{count}"><div class="who"></div>']
    parts += [f'<div class="head">scene {number + 1}</div>' for number in range(count)]
    parts.append('<div class="who">the truth</div>')
    parts += _line(rows[0], kind, count, true=True)
    for row in rows:
        title = escape(row.title)
        parts.append(
            f'<div class="who" data-title="{title}">{title}<small>{escape(row.sees)}</small>'
            f"<small>seed {row.group.runs[0].seed}</small></div>"
        )
        parts += _line(row, kind, count, true=False)
    return "".join(parts) + f"</div></div>{_legend(rows[0])}"


def _line(row: Row, kind: Kind, count: int, true: bool) -> list[str]:
    columns, kept = row.group.runs[0].columns, examples(row)
    assert columns is not None
    named = "" if true else f' data-title="{escape(row.title)}"'
    cues = kept.get("cue", [None] * count)
    lines = []
    for at in range(count):
        one = Shown(row, columns["greedy"], at, kept["image"][at], kept["box"][at], cues[at], true)
        cell = kind.cell(one)
        lines.append(f'<div class="look"{named}>{cell.pictures}<div>{cell.said}</div></div>')
    return lines


def _legend(row: Row) -> str:
    """The colours of masks, or of key points."""
    scene, names = kind_of(row.group.first.recipe), list(row.group.first.world["classes"])
    given = {"masks": names[1:], "pasted": names[1:], "keypoints": POINTS}.get(scene, [])
    keys = "".join(
        f'<span class="class"><i style="background:rgb{class_colour(number)}"></i>'
        f"{escape(str(name))}</span>"
        for number, name in enumerate(given, 1)
    )
    return f'<p class="legend-of-classes">{keys}</p>' if keys else ""


def _masks(one: Shown) -> Cell:
    rows, columns = one.columns.layout[one.scene, :2].tolist()
    if not rows:
        return Cell("")
    spacing = int(one.row.group.first.recipe.get("spacing") or one.size[0] // rows)
    answer, target = (each.view(rows, columns) for each in (one.answer, one.target))
    picture = one.drawn(masked(one.image, answer.masked_fill(target < 0, 0), spacing))
    names = [one.classes[k] for k in answer[answer > 0].unique().tolist()]
    what = f"there: {', '.join(names) or 'nothing'}"
    if one.true:
        return Cell(image(picture, f"scene {one.scene + 1}, {what}"), escape(what))
    asked = target >= 0
    wrong = int((answer != target)[asked].sum())
    words = f"{wrong} of {int(asked.sum())} places wrong"
    return Cell(image(picture, f"{one.row.title}, scene {one.scene + 1}: {words}"), escape(words))


POINTS = ("top left", "top right", "bottom left", "bottom right", "middle")


def _points(one: Shown) -> Cell:
    rows, columns = one.columns.layout[one.scene, 2:].tolist()
    if not rows:
        return Cell("")
    spacing = int(one.row.group.first.recipe.get("spacing") or one.size[0] // rows)

    def middles(square: Tensor) -> Tensor:
        place = torch.stack([square % columns, square // columns], 1) * spacing + spacing / 2
        return place.masked_fill((square < 0)[:, None], torch.nan)

    said, true = middles(one.answer), middles(one.target)
    picture = pointed(one.drawn(boxes=one.boxes), said, true, one.size)
    if one.true:
        return Cell(image(picture, f"scene {one.scene + 1}, its key points"))
    off = (said - true).norm(dim=1)
    off = off[~off.isnan()]
    words = f"{float(off.mean()):.1f} pixels off in the mean" if len(off) else "no number"
    return Cell(image(picture, f"{one.row.title}, scene {one.scene + 1}: {words}"), escape(words))


def _caption(one: Shown) -> Cell:
    """The scene with the look of each word, and below it the sentence, a mark at each word."""
    end = len(one.classes) - 1
    words = one.answer.tolist()
    until = next((at for at, word in enumerate(words) if word in (end, -1)), len(words))
    each = one.columns.each
    picture = one.drawn(looks=max(until, 1) * each, boxes=one.boxes)
    where = not one.true and not bool(one.columns.location[one.scene].isnan().any())
    told = []
    for at, word in enumerate(words[:until]):
        name = escape(one.classes[word])
        good = word == int(one.target[at])
        number = f"<sub>{(at + 1) * each}</sub>" if where else ""
        told.append(name if one.true else f'<b class="{_class(good)}">{name}</b>{number}')
    plain = " ".join(one.classes[word] for word in words[:until])
    said = f"says “{plain}”" if not one.true else f"“{plain}”"
    text = " ".join(told) or "<i>nothing</i>"
    mark = "" if one.true else f"{_mark(one.right)} "
    return Cell(image(picture, f"scene {one.scene + 1}: {said}"), f"{mark}{text}")


def _query(one: Shown) -> Cell:
    """The example that is looked for, beside the scene with a frame where it is said to be."""
    height, width = one.size
    picture = one.drawn(boxes=one.boxes)
    answer, box = int(one.answer), torch.cat([one.box[None], examples(one.row)["box"]])
    real = box[:, 0][(box[:, 0, 2:] > box[:, 0, :2]).all(1)]
    if not one.true and 0 <= answer < SIDES**2 and len(real):
        wide, high = ((real[0, 2:] - real[0, :2]) / 2 * real.new_tensor([width, height])).tolist()
        row, column = divmod(answer, SIDES)
        top = row // 2 * (height // 2) + row % 2 * (height // 2 - high)
        left = column // 2 * (width // 2) + column % 2 * (width // 2 - wide)
        picture = framed(picture, (left, top, left + wide, top + high), one.size, one.right)
    name = _name(one, answer)
    words = f"scene {one.scene + 1}: {'is' if one.true else 'says'} {name}"
    return Cell(_example(one) + image(picture, words), _marked(one, name))


def _example(one: Shown) -> str:
    """The picture that is looked for, as the agent was given it."""
    cue, source = one.cue, one.row.group.first.world.get("source")
    if cue is None or source is None or cue.numel() != math.prod(source):
        return ""
    shape = (source[0], source[-2], source[-1])
    pixels = (cue.float().view(shape) * 255).round().clamp(0, 255).to(torch.uint8)
    drawn = path_picture(pixels, torch.empty(0, 2), side=EXAMPLE)
    words = f"scene {one.scene + 1}: the example that is looked for"
    return f'<div class="example">{image(drawn, words)}<span>looked for</span></div>'


def _episode(one: Shown) -> Cell:
    """The table of examples, with a frame around the column that was answered."""
    height, width = one.size
    picture, ways, answer = one.drawn(boxes=one.boxes), len(one.classes), int(one.answer)
    if not one.true and 0 <= answer < ways:
        top = height / (1 + len(one.box))
        edge = (answer * width / ways, top, (answer + 1) * width / ways - 1, height - 1)
        picture = framed(picture, edge, one.size, one.right)
    name = _name(one, answer)
    return Cell(image(picture, f"scene {one.scene + 1}: {name}"), _marked(one, name))


def _matching(one: Shown) -> Cell:
    """The scene and the sentence that is, or is said to be, its own; or the picture of a sentence.

    Of several pictures the one that was answered is framed.
    """
    told, many, answer = _sentences(one), len(one.classes), int(one.answer)
    one_of_many = told is not None and len(told) == 1
    across = math.isqrt(many - 1) + 1
    picture = one.drawn(boxes=one.boxes)
    if one_of_many and not one.true and answer >= 0:
        height, width = one.size[0] / -(-many // across), one.size[1] / across
        top, left = answer // across * height, answer % across * width
        edge = (left, top, left + width - 1, top + height - 1)
        picture = framed(picture, edge, one.size, one.right)
    name = _name(one, answer)
    if told is not None and (one.true or not one_of_many) and answer >= 0:
        said, true = told[0 if one_of_many else answer], told[0 if one_of_many else int(one.target)]
        name = " ".join(said)
        pairs = zip(said, true, strict=False)
        text = " ".join(escape(a) if a == b else f"<u>{escape(a)}</u>" for a, b in pairs)
        return Cell(image(picture, f"scene {one.scene + 1}: {name}"), _marked(one, text, html=True))
    return Cell(image(picture, f"scene {one.scene + 1}: {name}"), _marked(one, name))


def _sentences(one: Shown) -> list[list[str]] | None:
    """The sentences that were told, in words; None of runs that did not keep them.

    Words were told as shares of how many there are, of which the end, in every sentence, is the
    last.
    """
    if one.cue is None or not one.cue.numel():
        return None
    count = round(1 / (1 - float(one.cue.max())))
    names = [*map(str, range(count - len(WORDS))), *WORDS]
    words = (one.cue * count).round().long().view(-1, 7)
    return [[names[w] for w in line if 0 <= w < count - 1] for line in words.tolist()]


# What is asked of a clip, as it stands before the answer.
OF_CLIPS = {"class": "is", "direction": "moves", "order": "came first:", "bounce": "bounced:"}


def _clip(one: Shown) -> Cell:
    """The frames side by side, numbered; those that were looked at on dark."""
    frames = int(one.row.group.first.recipe.get("frames") or 1)
    seen = one.columns.frame[one.scene] if one.columns.frame.numel() else None
    looked = None if one.true or seen is None else seen.any(0)
    picture = numbered(one.drawn(boxes=one.boxes, side=STRIP), frames, looked)
    name, extra = _name(one, int(one.answer)), ""
    asked = OF_CLIPS.get(str(one.row.group.first.recipe.get("asked") or "class"), "")
    if looked is not None:
        extra = f' <span class="soft">looked at {int(looked.sum())} of {frames} frames</span>'
    words = f"scene {one.scene + 1}: {'is' if one.true else 'says'} {name}"
    text = f"{asked} <b>{escape(name)}</b>{extra}".strip()
    return Cell(image(picture, words), _marked(one, text, html=True))


def _name(one: Shown, answer: int) -> str:
    return "no number" if answer < 0 else one.classes[answer]


def _marked(one: Shown, words: str, html: bool = False) -> str:
    """Of an answer, with a mark whether it is right."""
    text = words if html else escape(words)
    return text if one.true else f"{_mark(one.right)} {text}"


def _mark(right: bool) -> str:
    return f'<b class="{_class(right)}">{"✓" if right else "✗"}</b>'


def _class(right: bool) -> str:
    return "right" if right else "wrong"


MASKS = Kind(
    "It is asked of many places what lies there; each is drawn in the colour of its class, and "
    "plain where there is nothing. Below, the answers.",
    _masks,
    both=True,
)
KINDS = {
    "masks": MASKS,
    "pasted": MASKS,
    "keypoints": Kind(
        "Five points of the object are asked for: the corners of its ink and its middle. A ring is "
        "where one is, the disc joined to it where the agent says it is; the dashed frame is the "
        "object's picture.",
        _points,
    ),
    "captions": Kind(
        "A sentence is asked for that says what lies where, word by word. Frames are what it "
        "names. A right word in its place is green, another is red; the number below a word is "
        "that of the look after which it was said, where an agent looks a place at a time, and of "
        "soft attention of the middle of its map.",
        _caption,
    ),
    "query": Kind(
        "An example is given, and it is asked where in the scene another picture of its class is, "
        "or that there is none. Dashed is where it is; the solid frame where it was said to be, "
        "and none where it was said to be absent. Rows and columns count from 0.",
        _query,
    ),
    "few_shot": Kind(
        "Which column shows the class of the picture at the top? Dashed are those of its class; "
        "the solid frame is the column that was answered. These classes were never seen in "
        "training.",
        _episode,
    ),
    "matching": Kind(
        "Of many sentences that differ from the true one by a word, which says what is there; or, "
        "where there are many pictures, which of them is meant? What differs from the true "
        "sentence is underlined; dashed is what is meant, and the solid frame what was answered.",
        _matching,
    ),
    "clips": Kind(
        "A clip, frame by frame from left to right. Dashed is the object that is asked about. "
        "Below an answer the frames that were looked at have dark numbers.",
        _clip,
        wide=True,
    ),
}
