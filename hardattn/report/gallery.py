"""Where each agent looked on the same scenes, what it saw there and what it answered, as HTML."""

import base64
import inspect
import io
from collections.abc import Sequence
from html import escape
from typing import Any

import torch
from PIL import Image

from hardattn.report.pictures import Picture, glimpses, path_picture, verdict
from hardattn.report.read import ReportError, Run
from hardattn.report.table import Row, Table
from hardattn.sensors import SENSORS, Sensor

SIDE = 330  # pixels of a picture, shown at about half of that: sharp on dense screens


def gallery(table: Table, scenes: int = 6) -> str:
    """A grid, agents down and scenes across; empty where no run has its examples.

    The scenes are the first ones of the test set. Raises ReportError where runs that name the same
    scenes kept different ones.
    """
    rows = [row for row in table.rows if row.group.runs[0].folder is not None]
    if not rows:
        return ""
    first = _examples(rows[0])
    for row in rows[1:]:
        _check_same(rows[0].group.runs[0], row.group.runs[0])
    count = min(scenes, *(len(_examples(row)["target"]) for row in rows))
    classes = rows[0].group.first["world"]["classes"]
    parts = [f'<div class="scroll"><div class="looks" style="--n:{count}"><div class="who"></div>']
    for scene in range(count):
        true = verdict(int(first["target"][scene]), int(first["target"][scene]), classes)
        parts.append(f'<div class="head">scene {scene + 1}: <b>{escape(true)}</b></div>')
    for row in rows:
        seed = row.group.runs[0].seed
        parts.append(
            f'<div class="who">{escape(row.title)}<small>{escape(row.sees)}</small>'
            f"<small>seed {seed}</small></div>"
        )
        parts += [_cell(row, scene, classes) for scene in range(count)]
    return "".join(parts) + "</div></div>"


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


def _cell(row: Row, scene: int, classes: Sequence[str]) -> str:
    run = row.group.runs[0]
    world, examples = run.result["world"], _examples(row)
    assert run.columns is not None
    columns = run.columns["greedy"]
    looks = int(columns.looks[scene])
    places = columns.location[scene, :looks]
    confidence = float(columns.confidence[scene, -1])
    right = bool(columns.correct[scene, -1])
    word = verdict(columns.answer[scene], examples["target"][scene], classes)
    looked = not bool(places.isnan().any())
    retina = world["sensor"] == "retina"
    picture = path_picture(
        examples["image"][scene],
        places,
        world["size"] if retina else 0,
        world["scales"] if retina else 1,
        examples["box"][scene],
        side=SIDE,
    )
    where = f"{looks} looks" if looked else "the whole image"
    images = _image(picture, f"{row.title}, scene {scene + 1}: {where}, answer {word}")
    sensor = sensor_of(world)
    # Columns hold points: of places that are more than a point, the glimpse is not to be had.
    if looked and sensor is not None and sensor.places == 2:
        strip = glimpses(examples["image"][scene], places, sensor, SIDE)
        images += _image(strip, "what was seen, look by look")
    kind, mark = ("right", "✓") if right else ("wrong", "✗")
    return (
        f'<div class="look">{images}<div><b class="{kind}">{mark} {escape(word)}</b> '
        f'<span class="soft">at {100 * confidence:.0f} %</span></div></div>'
    )


def _examples(row: Row) -> dict[str, Any]:
    examples = row.group.runs[0].examples
    assert examples is not None
    return examples


def _check_same(one: Run, other: Run) -> None:
    assert one.examples is not None and other.examples is not None
    count = min(len(one.examples["target"]), len(other.examples["target"]))
    for name in ("image", "target"):
        if not torch.equal(one.examples[name][:count], other.examples[name][:count]):
            raise ReportError(
                f"{one.source} and {other.source} name the same scenes, yet their examples "
                "differ; run both again"
            )


def _image(picture: Picture, words: str) -> str:
    buffer = io.BytesIO()
    # 96 colours hold greys and the path; a photograph keeps its own.
    image = Image.fromarray(picture)
    if image.getcolors(4096) is not None:
        image = image.quantize(96, dither=Image.Dither.NONE)
    image.save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    size = f'width="{picture.shape[1]}" height="{picture.shape[0]}"'
    return f'<img {size} alt="{escape(words)}" src="data:image/png;base64,{data}">'
