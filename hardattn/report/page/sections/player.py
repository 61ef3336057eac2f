"""Look by look: what the page's player steps through, and the frame it plays in.

Everything comes from a run's columns and example scenes, of its first seed. Glimpses are made anew
through the sensor, as in the gallery, and lie side by side in one picture a scene.
"""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from hardattn.evaluation.scanpath import has_target
from hardattn.report.asked import asks
from hardattn.report.page.context import WAYS, Context, shown
from hardattn.report.page.sections.gallery import (
    attended,
    data_uri,
    examples,
    glimpsed,
    sensor_of,
    with_examples,
)
from hardattn.report.page.sections.maps import bar, picture
from hardattn.report.page.sections.provenance import origin
from hardattn.report.page.theme import embedded
from hardattn.report.rows import Row, Table
from hardattn.sensors import Retina, Sensor
from hardattn.viz.pictures import STOPS, peak, spoken, verdict

MOST = 24  # scenes to choose from
FEWER = 12  # of them, where there are many agents
CROWD = 24  # agents that are many
BARS = 10  # answers whose chance is shown


def section(context: Context) -> str:
    """The first scenes, look by look, of two agents at a time."""
    words = (
        "The first test scenes, not chosen. Choose a scene and two agents, and step: by the "
        "buttons, or by the arrow keys. What was not looked at yet is dark, what was seen coarsely "
        f"in between; looks are numbered from first {WAYS} to last{_also(context)}."
    )
    origins = origin(with_examples(context.table), first=True)
    return shown(words, player(context.table, context.number), origins)


def _also(context: Context) -> str:
    """What else there is to see, where an answer is a word and where it is none."""
    framed = "the dashed frame is the target"
    if asks(context.table, "captions"):
        return context.framed(", and dashed frames are what the sentence names")
    if asks(context.table, "masks", "pasted", "keypoints"):
        return context.framed(f"; {framed}") + "; answers are drawn below"
    return f",{context.framed(f' {framed},')} and the true answer is underlined"


def player(table: Table, number: int) -> str:
    """The player of a table's agents as HTML, with its data; "" where no run has its examples.

    number: of the table in its page.
    """
    rows = with_examples(table)
    if not rows:
        return ""
    film = embedded(_film(rows))
    seats = "".join(_seat(side) for side in ("left", "right")[: len(rows)])
    return (
        f'<div class="player" id="player-{number}" role="group" aria-label="Looks, step by step">'
        f'<div class="strip" role="group" aria-label="Test scenes"></div>'
        '<div class="controls"><span class="steps-only">'
        '<button data-step="first" aria-label="first look" title="first look (Home)">|◀</button>'
        '<button data-step="back" aria-label="previous look" title="previous look (←)">◀</button>'
        '<button data-step="play" aria-pressed="false" title="play (P)">Play</button>'
        '<button data-step="on" aria-label="next look" title="next look (→)">▶</button>'
        '<label>look <input type="range" min="1" max="1" value="1" step="1"> '
        '<output aria-live="polite"></output></label></span>'
        '<button data-save="gif" title="an animation of this scene, as a file">Save GIF</button>'
        "</div>"
        f'<div class="stage">{seats}</div>'
        f'<script type="application/json" class="film">{film}</script></div>'
    )


def _seat(side: str) -> str:
    return (
        f'<article class="seat"><label>Agent <select aria-label="agent on the {side}"></select>'
        '</label><div class="views"><figure><canvas class="where" role="img"></canvas>'
        "<figcaption></figcaption></figure>"
        '<div class="sides">'
        '<figure><canvas class="what" role="img"></canvas><figcaption></figcaption></figure>'
        f'<figure><canvas class="map" role="img"></canvas>{bar()}<figcaption></figcaption></figure>'
        "</div>"
        '<div class="belief"><p class="soft">belief so far</p><ol></ol></div></div>'
        '<p class="said"></p></article>'
    )


def _film(rows: Sequence[Row]) -> dict[str, Any]:
    count = min(
        FEWER if len(rows) > CROWD else MOST, *(len(examples(row)["target"]) for row in rows)
    )
    kept, classes = examples(rows[0]), list(map(str, rows[0].group.first.world["classes"]))
    height, width = kept["image"].shape[2:]
    columns = rows[0].group.runs[0].columns
    together = columns is not None and columns["greedy"].together
    scenes = []
    for scene in range(count):
        image, target, boxes = kept["image"][scene], kept["target"][scene], kept["box"][scene]
        boxes = (boxes[~boxes.isnan().any(1)] + 1) / 2 * boxes.new_tensor([width, height] * 2)
        scenes.append(
            {
                "image": data_uri(Image.fromarray(_pixels(image))),
                "truth": "" if together else verdict(target, target, classes),
                "target": int(target) if target.dim() == 0 else None,
                "boxes": _rounded(boxes, 1),
            }
        )
    left, right = _seated(rows)
    return {
        "size": [width, height],
        "stops": STOPS,
        "classes": classes,
        "scenes": scenes,
        "agents": [_agent(row, count, classes) for row in rows],
        "seated": [left, right],
    }


def _seated(rows: Sequence[Row]) -> tuple[int, int]:
    """Who is shown first: the best that learned where to look, and to its right the best of soft
    attention, or else its control. Where nobody looks, the first and its control, or the second.
    """
    hard = [
        at
        for at, row in enumerate(rows)
        if row.looks_around and not row.script and row.estimator != "soft_attention"
    ]
    left = hard[0] if hard else 0
    others = [at for at in range(len(rows)) if at != left] or [left]
    soft = [at for at in others if _soft(rows[at])]
    control = [at for at in others if rows[at].group.name == rows[left].control]
    return left, (soft * bool(hard) + control + others)[0]


def _soft(row: Row) -> bool:
    """Whether it attends to everything at once, by a map of its own or look by look."""
    found = attended(row)
    mapped = found is not None and not found.activation and not row.looks_around
    return mapped or row.estimator == "soft_attention"


def _agent(row: Row, count: int, classes: Sequence[str]) -> dict[str, Any]:
    run = row.group.runs[0]
    assert run.columns is not None
    columns, world = run.columns["greedy"], run.result.world
    sensor, found = sensor_of(world), attended(row)
    height, width = examples(row)["image"].shape[2:]
    glimpses = _strips(row, sensor, count)
    probability = columns.log_probability[:count].double().exp().nan_to_num(0)
    size = columns.location.new_tensor([width, height])
    there = has_target(columns).tolist()
    plays = []
    for scene in range(count):
        looks = int(columns.looks[scene])
        place = columns.location[scene, :looks]
        belief = probability[scene, :looks]
        # Of several questions at once there is no belief that a few bars could show.
        shown = [] if columns.together else _likely(belief, columns.target[scene])
        plays.append(
            {
                "at": None if bool(place.isnan().any()) else _rounded((place + 1) / 2 * size, 2),
                "corners": sensor.corners(place, (height, width)).tolist()
                if isinstance(sensor, Retina)
                else None,
                "hit": columns.hit[scene, :looks].int().tolist() if there[scene] else None,
                "shown": shown,
                "belief": [[]] * looks if columns.together else _rounded(belief[:, shown], 3),
                "right": columns.correct[scene, :looks].int().tolist(),
                "sure": _rounded(columns.confidence[scene, :looks].double().nan_to_num(0), 3),
                "says": _said(columns, scene, looks, classes),
                "seen": None if glimpses is None else data_uri(glimpses[scene]),
                "map": None if found is None else data_uri(picture(found.density[scene])),
                "peak": None if found is None else peak(found.density[scene]),
            }
        )
    return {
        "title": row.title,
        "sees": row.sees,
        "seed": run.seed,
        "frames": [[sensor.size * 2**s, 0.5**s] for s in range(sensor.scales)]
        if isinstance(sensor, Retina)
        else None,
        "activation": found is not None and found.activation,
        "plays": plays,
    }


def _said(columns: Any, scene: int, looks: int, classes: Sequence[str]) -> list[str]:
    """The most probable answer after each look; of a sequence, the symbol that is asked for; of
    several questions, how many are answered rightly; of a sentence, all that was said so far.
    """
    if columns.grounded.numel():
        word = columns.prediction[scene, :looks]
        last = [*range(columns.each - 1, looks, columns.each)]
        said = [[*word[[at for at in last if at < look]], word[look]] for look in range(looks)]
        return [f"“{spoken(one, columns.target[scene], classes)}”" for one in said]
    if columns.together:
        answers = columns.prediction[scene, :looks]
        return [verdict(answer, columns.target[scene], together=True) for answer in answers]
    return [
        "no number" if answer < 0 else classes[answer] if answer < len(classes) else "end"
        for answer in columns.prediction[scene, :looks].tolist()
    ]


def _likely(belief: Tensor, target: Tensor) -> list[int]:
    """Which answers' chances are shown: all of few, else the true one and the likeliest ever."""
    best = belief.amax(0).argsort(descending=True, stable=True)[:BARS].tolist()
    true = int(target) if target.dim() == 0 else best[0]
    return sorted({true, *best[: BARS if true in best else BARS - 1]})


def _strips(row: Row, sensor: Sensor | None, count: int) -> list[Image.Image] | None:
    """What was handed over at each look, side by side; None where it cannot be made anew."""
    run = row.group.runs[0]
    assert run.columns is not None
    columns = run.columns["greedy"]
    if sensor is None or not glimpsed(run.result.world, sensor, columns.location[:count]):
        return None
    places = columns.location[:count].float()
    images = examples(row)["image"][:count].repeat_interleave(places.shape[1], 0)
    seen = sensor.look(sensor.open(images), places.flatten(0, 1))
    sides = (images.shape[2], images.shape[3])
    whole = _laid(seen, sensor, places.flatten(0, 1), sides)
    whole = (whole.clamp(0, 1) * 255).round().byte()
    strips = []
    for scene, looks in zip(whole.unflatten(0, places.shape[:2]), columns.looks, strict=False):
        taken = torch.cat([*scene[: int(looks)]], -1)
        strips.append(Image.fromarray(_pixels(taken)))
    return strips


def _laid(seen: Tensor, sensor: Sensor, places: Tensor, sides: tuple[int, int]) -> Tensor:
    """(B, S * C, G, G) -> (B, C, E, E): a retina's scales over each other, the finest on top.

    Each lies where the retina read it, at (B, P) places in an image of these sides. Of a retina of
    odd size that is not the same for every place: patches of odd width have no middle between
    pixels.
    """
    if not isinstance(sensor, Retina):
        return seen
    patches = seen.unflatten(1, (sensor.scales, -1))
    extent = sensor.size * 2 ** (sensor.scales - 1)
    laid = patches.new_zeros(len(seen), patches.shape[2], extent, extent)
    corners = sensor.corners(places, sides)
    insets = (corners - corners[:, -1:]).unbind(1)
    row = torch.arange(len(seen))[:, None, None]
    for scale in reversed(range(sensor.scales)):
        patch = patches[:, scale].repeat_interleave(2**scale, 2).repeat_interleave(2**scale, 3)
        left, top = insets[scale].unbind(1)
        across = torch.arange(patch.shape[-1])
        down, right = top[:, None, None] + across[:, None], left[:, None, None] + across
        laid[row, :, down, right] = patch.permute(0, 2, 3, 1)
    return laid


def _pixels(image: Tensor) -> Any:
    """(C, H, W) uint8 -> what PIL takes: greys, or colours."""
    return image[:3].permute(1, 2, 0).contiguous().numpy() if len(image) >= 3 else image[0].numpy()


def _rounded(values: Tensor, decimals: int) -> Any:
    """Nested lists that JSON writes short."""
    return values.double().round(decimals=decimals).tolist()
