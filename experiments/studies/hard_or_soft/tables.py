"""The page of the comparison: a table for each task, equal budgets, and what was not run."""

from collections.abc import Iterator, Sequence

from hardattn.report.column import estimate_text, quarter_text
from hardattn.report.render.grid import heading, row_of
from hardattn.statistics.intervals import Estimate

from ...kinds import Json
from ...records.machine import by_machine
from .cells import Cell, learned
from .compare import (
    LEVEL,
    LEVELS,
    REFERENCE,
    Standing,
    at_equal,
    budgets,
    by_key,
    improvement,
    profiles,
    standings,
)
from .figures import PIXELS, TRAINING

AGENTS = (
    *("", "weights", "pixels read", "MFLOP", "MFLOP in training", "seeds", "failed trials"),
    *("error %", "last quarter", f"minus {REFERENCE}", "P(better)", ""),
    *("minus best control", "looking"),
)
CONTROLS = ("", "seeds", "error %")
BUDGETS = ("", "images", "training FLOPs", "seconds of a core")
SCALES = (("images", "", 1.0), ("flops", " GFLOP", 1e9), ("seconds", " s", 1.0))


def markdown(found: Json, only: Sequence[str] | None = None) -> str:
    """All of it; or of some cells by name, where these alone were asked for."""
    if only is not None:
        found = found | {"cells": [one for one in found["cells"] if one["name"] in only]}
    stand, parts = standings(found), [budget(found)]
    for task in found["tasks"]:
        parts += _of_task(found, [one for one in stand if one.cell["task"] == task], task)
    parts += _over_tasks(found)
    if stand and found["protocol"] == "full":
        parts.append(_settled(stand))
    parts += _not_run(found)
    return "\n\n".join(parts) + "\n"


def budget(found: Json) -> str:
    """How much was searched and trained."""
    share = f"{found['trials']} trials of a quarter of the images for each agent, by validation"
    said = f"{share}; then up to {found['seeds']} fresh seeds of each cell, one of all before the "
    said += f"next. {found['core_hours']:g} core-hours in all"
    made = f" ({by_machine(found['made_with'])})" if found["made_with"] else ""
    smoke = " A smoke test: it has no verdicts." if found["protocol"] != "full" else ""
    return f"{said}{made}.{smoke}"


def _of_task(found: Json, stand: Sequence[Standing], task: str) -> Iterator[str]:
    """Agents, controls, and equal budgets of one task, as far as there are any."""
    if not stand:
        return
    told = found["tasks"][task]
    yield f"## {task}\n\n{told['scenes']}; agents of {told['weights']:,} weights."
    agents = [one for one in stand if not one.cell["script"]]
    controls = [one for one in stand if one.cell["script"]]
    if agents:
        yield _table(AGENTS, [_agent(one) for one in agents])
        yield _equal(found, task, agents)
    if controls:
        rows = [
            [one.cell["title"], str(len(one.cell["runs"])), estimate_text(one.error, 1)]
            for one in controls
        ]
        yield f"Controls, which have the settings of their agents:\n\n{_table(CONTROLS, rows)}"


def _agent(one: Standing) -> list[str]:
    cell = one.cell
    trials = cell.get("trials", [])
    failures = sum(bool(trial["failed"]) for trial in trials)
    seeds = f"{len(cell['runs'])}{' + ' + str(len(cell['diverged'])) if cell['diverged'] else ''}"
    control = "" if one.minus_control is None else f" ({one.best_control})"
    return [
        cell["title"],
        f"{cell['weights']:,}",
        f"{cell['pixels']:,}",
        f"{cell['flops'] / 1e6:,.1f}",
        f"{cell['training_flops'] / 1e6:,.1f}",
        seeds,
        f"{failures} of {len(trials)}",
        estimate_text(one.error, 1),
        quarter_text(run["curve"] for run in cell["runs"]),
        _gap(one.minus_reference),
        "–" if one.improves is None else estimate_text(one.improves, 2),
        one.verdict,
        f"{_gap(one.minus_control)}{control}",
        one.looking,
    ]


def _gap(found: Estimate | None) -> str:
    return "–" if found is None else estimate_text(found, 1, sign=True)


def _equal(found: Json, task: str, agents: Sequence[Standing]) -> str:
    """Validation errors of what agents had when each had spent as much."""
    equal, chance = budgets(found, task), found["tasks"][task]["chance"]
    named = [f"{equal[axis] / by:,.4g}{unit}" for axis, unit, by in SCALES]
    rows = []
    for one in agents:
        errors = [at_equal(one.cell, axis, equal[axis], chance) for axis, _, _ in SCALES]
        rows.append([one.cell["title"], *(estimate_text(each, 1) for each in errors)])
    said = (
        f"Validation error %, at equal images ({named[0]}), at equal training ({named[1]}) and at "
        f"equal seconds of one core ({named[2]}): the most that every one of them has spent. Who "
        "was not validated by then counts as a guess."
    )
    return f"{said}\n\n{_table(BUDGETS, rows)}"


def _over_tasks(found: Json) -> Iterator[str]:
    """Performance profiles, and the probability of improvement, of who was run on every task."""
    shares, better = profiles(found), improvement(found)
    if len({task for task, _, script in by_key(found) if not script}) < 2 or not shares:
        return
    titles = {cell["agent"]: cell["title"] for cell in found["cells"] if not cell["script"]}
    head = ("", *(f"at most {100 * level:g} %" for level in LEVELS), f"P(better than {REFERENCE})")
    rows = []
    for agent, values in shares.items():
        cells = [f"{value:.2f}" for value in values]
        last = estimate_text(better[agent], 2) if agent in better else "–"
        rows.append([titles[agent], *cells, last])
    yield (
        "## Over all tasks\n\nThe share of runs with at most so much error, each task counting "
        f"alike, of agents that were run on every task that anyone was.\n\n{_table(head, rows)}"
    )


def _settled(stand: Sequence[Standing]) -> str:
    """What can be said, and of how many it cannot."""
    agents = [one for one in stand if not one.cell["script"]]
    judged = [one for one in agents if one.verdict]
    seen = [one for one in agents if one.looking]
    counts = [
        f"{sum(one.verdict == word for one in judged)} {word}"
        for word in ("less error", "more error", "cannot be told")
    ]
    where = [
        f"{sum(one.looking == word for one in seen)} {word}"
        for word in ("less error", "more error", "cannot be told")
    ]
    falling = [one for one in agents if one.falling]
    return (
        f"## What is settled\n\nOf {len(judged)} comparisons with a {REFERENCE} of as many "
        f"weights: {', '.join(counts)}. Of {len(seen)} agents that choose their looks, against "
        f"their best control: {', '.join(where)}. A verdict is given where the chance of so large "
        f"a difference, over seeds and test images, is below {LEVEL:.0%} over all comparisons "
        f"together (Holm). {len(falling)} of {len(agents)} agents still lost more than a fifth of "
        "their validation error, and more than a point, in the last quarter of their training "
        "(*last quarter*): more of it might change their place."
    )


def _not_run(found: Json) -> Iterator[str]:
    """Every cell without a run, those of one agent beside each other, by task and why."""
    waiting = [cell for cell in found["cells"] if not cell["runs"]]
    if not waiting:
        return
    agents_of = {(one["task"], one["agent"]): one for one in found["cells"] if not one["script"]}
    grouped: dict[tuple[str, str], dict[str, list[str]]] = {}
    for cell in waiting:
        agent = agents_of.get((cell["task"], cell["agent"]), cell)
        agents = grouped.setdefault((cell["task"], _why(cell, agent)), {})
        agents.setdefault(cell["agent"], []).append(cell["script"])
    yield (
        f"## Not run\n\n{len(waiting)} of {len(found['cells'])} cells; behind the name of an "
        "agent, in brackets, those of its controls (of the agent itself: *chosen*).\n\n"
    ) + "\n".join(
        f"* `{task}`, {why}: {', '.join(map(_with_controls, agents, agents.values()))}"
        for (task, why), agents in grouped.items()
    )


def _with_controls(agent: str, scripts: list[str]) -> str:
    if scripts == [""]:
        return f"`{agent}`"
    return f"`{agent}` ({', '.join(script or 'chosen' for script in scripts)})"


def _why(cell: Json, agent: Json) -> str:
    if cell["missing"]:
        return f"not run, since {cell['missing']}"
    trials = cell.get("trials", [])
    if cell["diverged"]:
        return f"diverged (seeds {', '.join(map(str, cell['diverged']))})"
    if trials and all(trial["failed"] for trial in trials):
        return f"all {len(trials)} trials failed"
    if cell["script"] and agent["runs"] and not learned(cell["task"], agent["runs"][0]["curve"]):
        return "not run, as the agent answers no better than a guess"
    return "not run"


def pictures(found: Json) -> str:
    """What the page shows of both figures, where anything was run."""
    if not by_key(found):
        return ""
    names = {PIXELS: "Error against pixels read", TRAINING: "Error against training FLOPs"}
    return "\n\n".join(f"![{said}](../images/{name}.svg)" for name, said in names.items()) + "\n\n"


def listing(cells: Sequence[Cell]) -> str:
    """Cells in their order, and what each costs."""
    lines = [f"{'cell':40}{'weights':>9}{'images':>9}{'MFLOP each':>12}  title"]
    for cell in cells:
        told = f"{cell.weights:9,}{cell.changes.get('images', 0):9,}"
        cost = f"{cell.training_flops / 1e6:12,.2f}"
        said = f"{told}{cost}  {cell.title}"
        lines.append(
            f"{cell.name:40}{said if not cell.missing else f'not run, since {cell.missing}'}"
        )
    return "\n".join(lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join([*heading(heads, heads), *map(row_of, rows)])
