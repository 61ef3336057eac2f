"""Where each agent attended on the same scenes: each scene and below it the map, as HTML."""

from collections.abc import Sequence
from html import escape

from PIL import Image
from torch import Tensor

from hardattn.evaluation.metrics import references
from hardattn.report.page.context import Context, shown
from hardattn.report.page.plain import greedy, line, mean, number as number_of, plain
from hardattn.report.page.sections.gallery import (
    answered,
    attended,
    data_uri,
    examples,
    with_examples,
)
from hardattn.report.page.sections.provenance import origin
from hardattn.report.rows import Row, Table
from hardattn.viz.pictures import BOX, CASING, TICKS, heat as coloured, peak, scale

GAP = 0.06  # between a scene and its map, of the scene's height
STOPS = 9  # colours that a bar of the scale is drawn from

# What is said of maps: by the figure's name, with its head.
MAPS = {
    "pointing": "pointing",
    "box_accuracy_30": "MaxBoxAcc .3",
    "box_accuracy": ".5",
    "box_accuracy_70": ".7",
    "pxap": "PxAP",
    "energy": "energy in box",
    "mass_iou": "IoU at half the mass",
}


def section(context: Context) -> str:
    """The first scenes with every agent's map, and how well maps find the target."""
    table = context.table
    rows = attending(table)
    if not rows:
        return ""
    words = (
        "The first test scenes, not chosen, and below each the agent's map: of the last block; of "
        "looks over cells, where they fell. Where an agent has no map of places it is the class "
        f"activation: what the answer is read from.{context.framed(' The frame is the target.')} "
        "Below each map the ratio of its maximum to its mean. Colours are the same for all maps, "
        "and say how many times the map's mean a cell is: a flat map, of ratio 1, is one dark "
        f"blue. {bar()}"
    )
    html = f"{heat(rows, table, context.number)}{_found(table)}"
    return shown(words, html, origin(rows, first=True))


def _found(table: Table) -> str:
    html = maps(table)
    said = (
        "Percent, means over seeds; a centre map and a random map never saw an image. PxAP takes "
        "the frame for the object's outline."
    )
    return f'{html}<p class="soft">{said}</p>' if html else ""


def attending(table: Table) -> list[Row]:
    """Whose maps there are to show."""
    return [row for row in with_examples(table) if attended(row) is not None]


def heat(rows: Sequence[Row], table: Table, number: int, scenes: int = 6) -> str:
    """A row of pictures for each agent, of its first seed, on the first test scenes.

    number: of the table in its page.
    """
    count = min(scenes, *(len(examples(row)["target"]) for row in rows))
    drawn = "".join(_scene(rows[0], number, scene) for scene in range(count))
    agents = "".join(_agent(row, table, number, count) for row in rows)
    return (
        f'<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>{drawn}'
        f'</defs></svg><div class="maps" style="--n:{count}">{agents}</div>'
    )


def picture(density: Tensor) -> Image.Image:
    """(h, w) -> a pixel a cell, in the colours of `bar`."""
    return Image.fromarray(coloured(density))


def bar() -> str:
    """The scale that all maps are drawn in."""
    colours = scale()[:: 255 // (STOPS - 1)]
    stops = ", ".join(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours)
    last = len(TICKS) - 1
    ticks = "".join(f"<i>{tick}{'+' * (at == last)}</i>" for at, tick in enumerate(TICKS))
    words = f"from dark, nothing, to bright, {TICKS[-1]} times the mean and more"
    return (
        f'<span class="scale" role="img" aria-label="{words}"><span style="background:'
        f'linear-gradient(90deg, {stops})"></span>{ticks}</span>'
    )


def maps(table: Table) -> str:
    """How well maps find the target, beside maps that saw nothing, as HTML; "" without maps."""
    rows = [row for row in table.rows if row.pointing is not None]
    lines, first = [], None
    for row in rows:
        cells = [mean([run.figure("greedy", name) for run in row.group.runs]) for name in MAPS]
        lines.append(line(row.title, cells))
        first = first or next(iter(greedy(row)), None)
    if first is not None:
        for name, found in references(first).items():
            cells = [number_of(found.get(figure)) for figure in MAPS]
            lines.append(line(name, cells, "reference"))
    return plain(("agent", *MAPS.values()), lines)


def _scene(row: Row, number: int, scene: int) -> str:
    """The image and its targets' boxes, which the pictures of all agents refer to."""
    image, boxes = examples(row)["image"][scene], examples(row)["box"][scene]
    channels, height, width = image.shape
    pixels = image[:3].permute(1, 2, 0).numpy() if channels >= 3 else image[0].numpy()
    frames = []
    for box in boxes[~boxes.isnan().any(1)]:
        left, top, right, bottom = ((box + 1) / 2 * box.new_tensor([width, height] * 2)).tolist()
        for colour, thick in ((CASING, 3), (BOX, 1.5)):
            frames.append(
                f'<rect x="{left:g}" y="{top:g}" width="{right - left:g}" '
                f'height="{bottom - top:g}" fill="none" stroke="rgb{colour}" '
                f'stroke-width="{thick}" vector-effect="non-scaling-stroke"/>'
            )
    return (
        f'<image id="scene-{number}-{scene}" width="{width}" height="{height}" '
        f'style="image-rendering:pixelated" href="{data_uri(Image.fromarray(pixels))}"/>'
        f'<g id="box-{number}-{scene}">{"".join(frames)}</g>'
    )


def _agent(row: Row, table: Table, number: int, count: int) -> str:
    found = attended(row)
    assert found is not None
    maps, activation = found
    pointing = row.activation_pointing if activation else row.pointing
    said = [f"error {row.error.point:.{table.decimals}f} %"]
    said += [] if pointing is None else [f"pointing {pointing:.1f} %"]
    said += ["class activation"] * activation
    cells = "".join(_cell(row, maps[scene], number, scene) for scene in range(count))
    return (
        f'<article data-title="{escape(row.title)}"><h3>{escape(row.title)} '
        f"<small>{' · '.join(said)}</small></h3><div>{cells}</div></article>"
    )


def _cell(row: Row, density: Tensor, number: int, scene: int) -> str:
    height, width = examples(row)["image"].shape[2:]
    below, ratio = height * (1 + GAP), peak(density)
    words = escape(f"{row.title}, scene {scene + 1} and below it where it attended, {ratio}")
    box = f'<use href="#box-{number}-{scene}"/>'
    return (
        f'<div class="map"><svg viewBox="0 0 {width} {height + below:g}" role="img" '
        f'aria-label="{words}"><use href="#scene-{number}-{scene}"/>{box}'
        f'<g transform="translate(0 {below:g})"><image width="{width}" height="{height}" '
        f'preserveAspectRatio="none" href="{data_uri(picture(density))}"/>{box}</g></svg>'
        f"<small>{ratio.replace(' times the mean', ' ×')}</small>{answered(row, scene)}</div>"
    )
