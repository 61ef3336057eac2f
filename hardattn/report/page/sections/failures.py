"""Where agents were wrong, and surest of it: path or map, answer, truth and confidence, as HTML."""

from html import escape
from typing import NamedTuple

from torch import Tensor

from hardattn.evaluation.evaluate import Columns
from hardattn.report.page.context import Context, shown
from hardattn.report.page.sections.answers import Kind, Shown, kind_of_row
from hardattn.report.page.sections.gallery import SIDE, attended, image, with_examples
from hardattn.report.page.sections.provenance import origin
from hardattn.report.rows import Row, Table
from hardattn.report.runs import Run
from hardattn.viz.pictures import map_picture, path_picture, peak, spoken, verdict

MOST = 6  # failures of an agent
FEWER = 3  # of them, where there are many agents
CROWD = 12  # agents that are many
OPEN = 4  # agents whose failures are seen without being asked for


def section(context: Context) -> str:
    """The surest wrong answers of every agent."""
    words = (
        "Chosen for being wrong: the test scenes that each agent was surest of and wrong about. "
        f"{context.framed('Paths, maps and frames', 'Paths and maps')} as above."
    )
    kind = kind_of_row(context.table.rows[0])
    if kind is not None and kind.both:
        words += " Of each scene first the truth, then the answer."
    origins = origin(with_examples(context.table), first=True)
    return shown(words, gallery(context.table), origins)


class Failures(NamedTuple):
    """Test scenes that were answered wrong, the most confident first."""

    scene: Tensor  # (n,) which rows of the columns they are
    image: Tensor  # (n, C, H, W)
    target: Tensor  # (n,) or (n, S)
    box: Tensor  # (n, M, 4)
    all: bool  # of all test scenes, rather than of those few that every run keeps
    cue: Tensor | None = None  # (n, D), of scenes that have one, where it was kept


def failures(run: Run) -> Failures:
    """Of a run's greedy pass. Of older runs, among the examples that were kept."""
    assert run.columns is not None and run.examples is not None
    columns, kept = run.columns["greedy"], run.examples
    if "failures" in kept:
        found = kept["failures"]
        image, target, box = found["image"], found["target"], found["box"]
        return Failures(found["index"], image, target, box, True, found.get("cue"))
    count = len(kept["target"])
    wrong = (~columns.correct[:count, -1]).nonzero()[:, 0]
    sure = columns.confidence[wrong, -1].nan_to_num(0.0)
    wrong = wrong[sure.argsort(descending=True, stable=True)]
    image, target, box = (kept[name][wrong] for name in ("image", "target", "box"))
    return Failures(wrong, image, target, box, False, kept["cue"][wrong] if "cue" in kept else None)


def gallery(table: Table) -> str:
    """Agent by agent, best first within a class; "" where nobody has scenes to show."""
    rows = with_examples(table)
    found = {row.group.name: failures(row.group.runs[0]) for row in rows}
    rows = [row for row in rows if len(found[row.group.name].scene)]
    most = FEWER if len(rows) > CROWD else MOST
    return "".join(
        _agent(row, table, found[row.group.name], most, at < OPEN) for at, row in enumerate(rows)
    )


def _agent(row: Row, table: Table, found: Failures, most: int, seen: bool) -> str:
    count = min(most, len(found.scene))
    cells = "".join(_cell(row, found, at) for at in range(count))
    kind = kind_of_row(row)
    wide = " strips" * (kind is not None and kind.wide)
    error = f"{row.error.point:.{table.decimals}f}"
    of = "all test scenes" if found.all else "the test scenes that were kept"
    return (
        f'<details class="failures" data-title="{escape(row.title)}"{" open" * seen}><summary>'
        f'<b>{escape(row.title)}</b> <span class="soft">error {error} %; the surest '
        f'wrong answers of {of}</span></summary><div class="wrongs{wide}">{cells}</div>'
        "</details>"
    )


def _cell(row: Row, found: Failures, at: int) -> str:
    run = row.group.runs[0]
    assert run.columns is not None
    columns, scene = run.columns["greedy"], int(found.scene[at])
    sure = 100 * float(columns.confidence[scene, -1].nan_to_num(0.0))
    kind = kind_of_row(row)
    if kind is not None:
        shown, said, told = _of_kind(row, kind, columns, found, at)
    else:
        shown, said, told = _path(row, columns, found, at)
    words = f"scene {scene + 1}: {said}"
    maps, ratio = attended(row), ""
    if maps is not None:
        density, size = maps.density[scene], found.image.shape[2:]
        ratio = f", map {peak(density).replace(' times the mean', ' ×')}"
        heat = map_picture(density, (size[0], size[1]), found.box[at], SIDE)
        shown += image(heat, f"{row.title}, {words}: where it attended{ratio}")
    below = f"<small>scene {scene + 1}{ratio}</small>"
    return f"<figure>{shown}<figcaption>{told}, {sure:.0f} % sure{below}</figcaption></figure>"


def _path(row: Row, columns: Columns, found: Failures, at: int) -> tuple[str, str, str]:
    """The picture with the path of looks, and what was said, in plain words and as HTML."""
    world, scene = row.group.first.world, int(found.scene[at])
    retina = world["sensor"] == "retina"
    drawn = path_picture(
        found.image[at],
        columns.location[scene, : int(columns.looks[scene])],
        world["size"] if retina else 0,
        world["scales"] if retina else 1,
        found.box[at],
        side=SIDE,
    )
    given, target = columns.answer[scene], found.target[at]
    if columns.together:
        said = told = verdict(given, target, together=True)
    else:
        answer, truth = (spoken(one, target, world["classes"]) for one in (given, target))
        said = f"says {answer}, is {truth}"
        told = f'says <b class="wrong">{escape(answer)}</b>, is <b>{escape(truth)}</b>'
    return image(drawn, f"{row.title}, scene {scene + 1}: {said}"), said, told


def _of_kind(
    row: Row, kind: Kind, columns: Columns, found: Failures, at: int
) -> tuple[str, str, str]:
    """The same of scenes whose answers are drawn; with the truth beside it where that is needed."""
    cue = None if found.cue is None else found.cue[at]
    one = Shown(row, columns, int(found.scene[at]), found.image[at], found.box[at], cue, False)
    answer, truth = kind.cell(one), kind.cell(one._replace(true=True))
    pictures = truth.pictures * kind.both + answer.pictures
    said = answer.said if kind.both or not truth.said else f"{answer.said}; the truth: {truth.said}"
    return pictures, "what it answered", said
