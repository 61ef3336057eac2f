"""Where each agent looked on the same scenes, what it saw there and what it answered, as HTML."""

import base64
import inspect
import io
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from hardattn.report.page.context import WAYS, Context, shown
from hardattn.report.page.sections.provenance import origin
from hardattn.report.rows import Row, Table
from hardattn.report.runs import ReportError, Run
from hardattn.sensors import SENSORS, Sensor
from hardattn.viz.pictures import Picture, glimpses, path_picture, verdict

SIDE = 330  # pixels of a picture, shown at about half of that: sharp on dense screens


def section(context: Context) -> str:
    """The paths of who looks a place at a time, with what was handed to it."""
    rows = looking(context.table)
    if not rows:
        return ""
    words = (
        f"The first test scenes, not chosen; greedy looks, numbered from first {WAYS} to last. "
        f"Squares are what a look covers{context.framed(', the dashed frame is the target')}. "
        "Below each scene: what was handed to the agent, look by look, then its answer and how "
        "sure it was."
    )
    return shown(words, gallery(rows), origin(rows, first=True))


def looking(table: Table) -> list[Row]:
    """Whose looks there are to show: not of who sees everything at once, if it has maps."""
    return [row for row in with_examples(table) if row.looks_around or attended(row) is None]


def gallery(rows: Sequence[Row], scenes: int = 6) -> str:
    """A grid, agents down and the first test scenes across."""
    count = min(scenes, *(len(examples(row)["target"]) for row in rows))
    classes = rows[0].group.first.world["classes"]
    parts = [f'<div class="scroll"><div class="looks" style="--n:{count}"><div class="who"></div>']
    for scene in range(count):
        parts.append(f'<div class="head">scene {scene + 1}{_true(rows[0], scene, classes)}</div>')
    for row in rows:
        seed = row.group.runs[0].seed
        title = escape(row.title)
        parts.append(
            f'<div class="who" data-title="{title}">{title}<small>{escape(row.sees)}</small>'
            f"<small>seed {seed}</small></div>"
        )
        parts += [_cell(row, scene, classes) for scene in range(count)]
    return "".join(parts) + "</div></div>"


def _true(row: Row, scene: int, classes: Sequence[str]) -> str:
    """What is right in a scene, if that can be said in a word; the row is any of those who look."""
    columns, target = row.group.runs[0].columns, examples(row)["target"][scene]
    if columns is None or columns["greedy"].together:
        return ""
    return f": <b>{escape(verdict(target, target, classes))}</b>"


def with_examples(table: Table) -> list[Row]:
    """The rows whose first run has its examples. Raises ReportError where runs that name the same
    scenes kept different ones.
    """
    rows = [row for row in table.rows if row.group.runs[0].folder is not None]
    for row in rows[1:]:
        _check_same(rows[0].group.runs[0], row.group.runs[0])
    return rows


def examples(row: Row) -> dict[str, Any]:
    """Of its first run, which has them."""
    found = row.group.runs[0].examples
    assert found is not None
    return found


class Attended(NamedTuple):
    """What is known of where an agent attended."""

    density: Tensor  # (N, h, w), at least 0
    activation: bool  # it has no map of its own, and this is the class activation


def attended(row: Row) -> Attended | None:
    """Of its first run; None of agents without maps."""
    columns = (row.group.runs[0].columns or {}).get("greedy")
    if columns is None or not (columns.density.numel() or columns.activation.numel()):
        return None
    own = columns.density.numel() > 0
    return Attended(columns.density if own else columns.activation, not own)


def answered(row: Row, scene: int) -> str:
    """What it answered there, marked right or wrong."""
    run = row.group.runs[0]
    assert run.columns is not None
    columns = run.columns["greedy"]
    word = verdict(
        columns.answer[scene],
        examples(row)["target"][scene],
        run.result.world["classes"],
        columns.together,
    )
    kind, mark = ("right", "✓") if bool(columns.correct[scene, -1]) else ("wrong", "✗")
    return f'<b class="{kind}">{mark} {escape(word)}</b>'


def data_uri(image: Image.Image) -> str:
    """A picture as PNG within a page."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def sensor_of(world: dict[str, Any]) -> Sensor | None:
    """The sensor that a result names, rebuilt; None where its options are not all there."""
    kind = SENSORS.get(world["sensor"])
    if kind is None:
        return None
    options = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if world.get(name) is not None:
            options[name] = world[name]
        elif parameter.default is inspect.Parameter.empty:
            return None
    sensor: Sensor = kind(**options)
    return sensor


def glimpsed(world: dict[str, Any], sensor: Sensor, places: Tensor) -> bool:
    """Whether what was seen can be made anew from the points that columns hold.

    Not where a place is more than a point, or the scene was another one at each look.
    """
    return sensor.places == 2 and not world.get("changes") and not bool(places.isnan().any())


def _cell(row: Row, scene: int, classes: Sequence[str]) -> str:
    run = row.group.runs[0]
    world, kept = run.result.world, examples(row)
    assert run.columns is not None
    columns = run.columns["greedy"]
    looks = int(columns.looks[scene])
    places = columns.location[scene, :looks]
    confidence = float(columns.confidence[scene, -1])
    word = verdict(columns.answer[scene], kept["target"][scene], classes, columns.together)
    looked = not bool(places.isnan().any())
    retina = world["sensor"] == "retina"
    picture = path_picture(
        kept["image"][scene],
        places,
        world["size"] if retina else 0,
        world["scales"] if retina else 1,
        kept["box"][scene],
        side=SIDE,
    )
    where = f"{looks} looks" if looked else "the whole image"
    images = image(picture, f"{row.title}, scene {scene + 1}: {where}, answer {word}")
    sensor = sensor_of(world)
    if sensor is not None and glimpsed(world, sensor, places):
        strip = glimpses(kept["image"][scene], places, sensor, SIDE)
        images += image(strip, "what was seen, look by look")
    return (
        f'<div class="look" data-title="{escape(row.title)}">{images}<div>{answered(row, scene)} '
        f'<span class="soft">at {100 * confidence:.0f} %</span></div></div>'
    )


def _check_same(one: Run, other: Run) -> None:
    assert one.examples is not None and other.examples is not None
    count = min(len(one.examples["target"]), len(other.examples["target"]))
    for name in ("image", "target"):
        if not torch.equal(one.examples[name][:count], other.examples[name][:count]):
            raise ReportError(
                f"{one.source} and {other.source} name the same scenes, yet their examples "
                "differ; run both again"
            )


def image(picture: Picture, words: str) -> str:
    """A picture within a page. words: what it shows."""
    # 96 colours hold greys and the path; a photograph keeps its own.
    drawn = Image.fromarray(picture)
    if drawn.getcolors(4096) is not None:
        drawn = drawn.quantize(96, dither=Image.Dither.NONE)
    size = f'width="{picture.shape[1]}" height="{picture.shape[0]}"'
    return f'<img {size} alt="{escape(words)}" src="{data_uri(drawn)}">'
