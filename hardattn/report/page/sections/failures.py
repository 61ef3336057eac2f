"""Where agents were wrong, and surest of it: path or map, answer, truth and confidence, as HTML."""

from html import escape
from typing import NamedTuple

from torch import Tensor

from hardattn.report.page.context import Context, shown
from hardattn.report.page.sections.gallery import SIDE, attended, image, with_examples
from hardattn.report.page.sections.provenance import origin
from hardattn.report.rows import Row, Table
from hardattn.report.runs import Run
from hardattn.viz.pictures import map_picture, path_picture, peak, verdict

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
    origins = origin(with_examples(context.table), first=True)
    return shown(words, gallery(context.table), origins)


class Failures(NamedTuple):
    """Test scenes that were answered wrong, the most confident first."""

    scene: Tensor  # (n,) which rows of the columns they are
    image: Tensor  # (n, C, H, W)
    target: Tensor  # (n,) or (n, S)
    box: Tensor  # (n, M, 4)
    all: bool  # of all test scenes, rather than of those few that every run keeps


def failures(run: Run) -> Failures:
    """Of a run's greedy pass. Of older runs, among the examples that were kept."""
    assert run.columns is not None and run.examples is not None
    columns, kept = run.columns["greedy"], run.examples
    if "failures" in kept:
        found = kept["failures"]
        return Failures(found["index"], found["image"], found["target"], found["box"], True)
    count = len(kept["target"])
    wrong = (~columns.correct[:count, -1]).nonzero()[:, 0]
    sure = columns.confidence[wrong, -1].nan_to_num(0.0)
    wrong = wrong[sure.argsort(descending=True, stable=True)]
    return Failures(wrong, kept["image"][wrong], kept["target"][wrong], kept["box"][wrong], False)


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
    error = f"{row.error.point:.{table.decimals}f}"
    of = "all test scenes" if found.all else "the test scenes that were kept"
    return (
        f'<details class="failures" data-title="{escape(row.title)}"{" open" * seen}><summary>'
        f'<b>{escape(row.title)}</b> <span class="soft">error {error} %; the surest '
        f'wrong answers of {of}</span></summary><div class="wrongs">{cells}</div>'
        "</details>"
    )


def _cell(row: Row, found: Failures, at: int) -> str:
    run = row.group.runs[0]
    assert run.columns is not None
    columns, world, scene = run.columns["greedy"], run.result.world, int(found.scene[at])
    places = columns.location[scene, : int(columns.looks[scene])]
    retina = world["sensor"] == "retina"
    drawn = path_picture(
        found.image[at],
        places,
        world["size"] if retina else 0,
        world["scales"] if retina else 1,
        found.box[at],
        side=SIDE,
    )
    given, target = columns.answer[scene], found.target[at]
    sure = 100 * float(columns.confidence[scene, -1].nan_to_num(0.0))
    if columns.together:
        said = told = verdict(given, target, together=True)
    else:
        answer, truth = (verdict(one, one, world["classes"]) for one in (given, target))
        said = f"says {answer}, is {truth}"
        told = f'says <b class="wrong">{escape(answer)}</b>, is <b>{escape(truth)}</b>'
    words = f"scene {scene + 1}: {said}"
    shown, maps, ratio = image(drawn, f"{row.title}, {words}"), attended(row), ""
    if maps is not None:
        density, size = maps.density[scene], found.image.shape[2:]
        ratio = f", map {peak(density).replace(' times the mean', ' ×')}"
        heat = map_picture(density, (size[0], size[1]), found.box[at], SIDE)
        shown += image(heat, f"{row.title}, {words}: where it attended{ratio}")
    below = f"<small>scene {scene + 1}{ratio}</small>"
    return f"<figure>{shown}<figcaption>{told}, {sure:.0f} % sure{below}</figcaption></figure>"
