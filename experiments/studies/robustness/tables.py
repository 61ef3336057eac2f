"""What `measure` found, over the training seeds: tables, curves, the README's.

An entry is what characterisation.json says of one run, with the run's name beside it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from hardattn.report.controls import script
from hardattn.report.page.theme import GREYS, PALETTE
from hardattn.report.render.print import Curves, Figure
from hardattn.report.runs import Group
from hardattn.report.titles import title
from hardattn.statistics.intervals import Estimate, bootstrap_interval, within

from ...kinds import Json
from ...records.committed import pretty
from ..series import MARKERS, Member, caption, series
from .measure import NAME, stored

Entry = Json
KEPT = ("name", "title", "seed", "scenes", "sees", "command", "made_with")
FIGURES = {"error": "error", "hit": "looks on target", "pointing": "pointing"}
SHIFT = {
    "answers": "answers changed, %",
    "error": "error, %",
    "looks": "looks moved, pixels",
    "maps": "correlation of maps",
}
# Between what each figure can lie.
LIMITS = {
    **dict.fromkeys(("error", "hit", "pointing", "answers"), (0.0, 1.0)),
    **dict.fromkeys(("maps", "correlation"), (-1.0, 1.0)),
    "looks": (0.0, math.inf),
}
QUARTERS = ("none", "a quarter", "half", "three quarters", "all")
MOST = 8  # curves that can be told apart in one panel
CURVES = (
    *("clutter", "size", "position", "canvas", "contrast", "noise", "occlusion"),
    *("sparsity", "labels"),
)


class Cell(NamedTuple):
    """A column of the README's table: the error, or a figure of `shift`, at one point."""

    head: str
    what: str
    at: float | None = None
    key: str = "error"


SUMMARY = (
    Cell("16 pieces", "clutter", 16),
    Cell("contrast 25 %", "contrast", 25),
    Cell("noise 20 %", "noise", 20),
    Cell("half blanked", "occlusion", 50),
    Cell("10 % of cells", "sparsity", 10),
    Cell("1/4 of the images", "labels", 25),
    Cell("1 px: answers changed", "shift", key="answers"),
    Cell("1 px: looks moved, px", "shift", key="looks"),
    Cell("1 px: maps alike", "shift", key="maps"),
)


def entries(groups: Sequence[Group]) -> list[Entry]:
    """Of every run that was characterised. Raises ReportError for a broken file."""
    found = []
    for run in (run for group in groups for run in group.runs):
        if run.folder is not None and (run.folder / NAME).exists():
            said = stored(run.folder, run.stored)
            kept = {key: run.stored[key] for key in KEPT}
            error = run.result.greedy["error"]
            found.append({**kept, "error": error, **{k: said[k] for k in ("found", "left_out")}})
    return found


def committed(groups: Sequence[Group]) -> str:
    """All entries as JSON, to be committed."""
    return pretty(entries(groups)) + "\n"


def by_run(given: Sequence[Entry]) -> dict[str, dict[str, list[Entry]]]:
    """Entries of all seeds, by scenes and then by name, in that order."""
    found: dict[str, dict[str, list[Entry]]] = {}
    for one in sorted(given, key=lambda one: (one["scenes"], one["name"], one["seed"])):
        found.setdefault(one["scenes"], {}).setdefault(one["name"], []).append(one)
    return found


def tables(groups: Sequence[Group], what: Sequence[str]) -> str:
    """As text: a table for each thing that was asked, and why it was not asked of some."""
    lines = []
    for scenes, runs in by_run(entries(groups)).items():
        lines += [scenes, ""]
        for name in what:
            head, rows = _table(name, runs)
            if rows:
                lines += [name, *_aligned([head, *rows]), ""]
            reasons: dict[str, list[str]] = {}
            for label, seeds in runs.items():
                if name in seeds[0]["left_out"]:
                    reasons.setdefault(seeds[0]["left_out"][name], []).append(label)
            lines += [
                f"{name}: left out for {', '.join(labels)}: {reason}"
                for reason, labels in reasons.items()
            ]
            lines += [""] * bool(reasons)
    return "\n".join(lines) + "\n" * bool(lines)


def _table(name: str, runs: Mapping[str, Sequence[Entry]]) -> tuple[list[str], list[list[str]]]:
    rows: list[list[str]] = []
    head: list[str] = []
    for label, seeds in runs.items():
        found = [one["found"][name] for one in seeds if name in one["found"]]
        if not found:
            continue
        if name == "shift":
            head = ["", "", *SHIFT.values()]
            cells = [_said(_over(found, key), key in ("answers", "error")) for key in SHIFT]
            rows.append([label, "", *cells])
        elif name == "randomisation":
            head = ["layers drawn anew", "rank correlation of", *QUARTERS]
            rows.append([label, found[0]["of"], *_quarters(found)])
        else:
            # Canvases and targets differ in size from run to run.
            points = [f"{x:g}" for x in found[0]["at"]]
            if name == "position":
                points = [f"{x:.0f}" for x in found[0]["at"]]
            if [found[0]["x"], "", *points] != head:
                head = [found[0]["x"], "", *points]
                rows += [head] if rows else []
            for key, said in FIGURES.items():
                values = [_over(found, key, at) for at in range(len(points))]
                if any(value is not None for value in values):
                    rows.append([label, f"{said}, %", *(_said(value, True) for value in values)])
    return ((rows and head) or [], rows)


def _quarters(found: Sequence[Json]) -> list[str]:
    """Correlations when a quarter, half, ... of the layers are drawn anew."""
    last = len(found[0]["at"]) - 1
    steps = [round(last * quarter / 4) for quarter in range(5)]
    return [_said(_over(found, "correlation", step), False) for step in steps]


def _over(found: Sequence[Json], key: str, at: int | None = None) -> Estimate | None:
    """Mean and interval over seeds, shares as they are; None where one has no value."""
    values = [one[key] if at is None else one[key][at] for one in found]
    return None if None in values else within(*LIMITS[key], bootstrap_interval(values))


def _said(value: Estimate | None, percent: bool) -> str:
    if value is None:
        return "–"
    scale, form = (100, ".1f") if percent else (1, ".2f")
    point = format(scale * value.point, form)
    if value.low is None or value.high is None:
        return point
    low, high = (scale * end for end in (value.low, value.high))
    return f"{point} [{low:{form}}, {high:{form}}]"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    width = [
        max(len(row[at]) for row in rows if at < len(row)) for at in range(max(map(len, rows)))
    ]
    for row in rows:
        cells = (
            cell.ljust(wide) if at < 2 else cell.rjust(wide)
            for at, (cell, wide) in enumerate(zip(row, width, strict=False))
        )
        yield "  " + "  ".join(cells).rstrip()


def markdown(given: Sequence[Entry]) -> str:
    """The README's table: the error at one point of each curve, and what a pixel changes."""
    parts = []
    for scenes, runs in by_run(given).items():
        shown = [cell for cell in SUMMARY if any(_cell(cell, one) != "–" for one in runs.values())]
        lines = [
            f"**{scenes}**",
            "",
            f"| run | seeds | error % | {' | '.join(cell.head for cell in shown)} |",
            "|---|---:|---:|" + "---:|" * len(shown),
        ]
        for name, seeds in runs.items():
            error = _said(_over(seeds, "error"), True)
            cells = " | ".join(_cell(cell, seeds) for cell in shown)
            lines.append(f"| {name} | {len(seeds)} | {error} | {cells} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _cell(cell: Cell, seeds: Sequence[Entry]) -> str:
    found = [one["found"][cell.what] for one in seeds if cell.what in one["found"]]
    if not found or (cell.at is not None and cell.at not in found[0]["at"]):
        return "–"
    at = None if cell.at is None else found[0]["at"].index(cell.at)
    return _said(_over(found, cell.key, at), cell.key in ("error", "answers"))


def figures(groups: Sequence[Group], command: str) -> list[Figure]:
    """One on each set of scenes where runs were characterised. command: what makes it."""
    drawn = []
    by_name = {(group.scenes, group.name): group for group in groups}
    for scenes, runs in by_run(entries(groups)).items():
        best = sorted(runs, key=lambda name: min(one["error"] for one in runs[name]))[:MOST]
        titles = [title(by_name[scenes, name].first) for name in best]
        members = {}
        for number, (name, called) in enumerate(zip(best, titles, strict=True)):
            group = by_name[scenes, name]
            colours = GREYS if script(group.first) else PALETTE
            label = called if titles.count(called) == 1 else name
            colour, marker = colours[number % len(colours)], MARKERS[number % len(MARKERS)]
            members[name] = Member(group, label, colour, marker)
        panels = tuple(_panels(members, runs))
        if panels:
            rest = f" The {MOST} of {len(runs)} runs with the least error." * (len(runs) > MOST)
            reading = (
                "Trained agents on changed test scenes, their weights as they were: one change at "
                f"a time, the rest as they learned it.{rest} What they may see differs, so none is "
                "ranked above another."
            )
            heading = "What becomes of it when the scenes change"
            said = caption(reading, panels, list(members.values()), scenes)
            drawn.append(Figure("characterisation", scenes, heading, panels, said, command))
    return drawn


def _panels(members: Mapping[str, Member], runs: Mapping[str, Sequence[Entry]]) -> Iterator[Curves]:
    for what in (*CURVES, "randomisation"):
        drawn, axes, learned = [], set(), set()
        key = "correlation" if what == "randomisation" else "error"
        for name, member in members.items():
            found = [one["found"][what] for one in runs[name] if what in one["found"]]
            at = found[0]["at"] if found else []
            # Curves of seeds that were measured at other points are not of one kind.
            same = [one for one in found if one["at"] == at]
            if at:
                seeds = [one[key] for one in same]
                drawn.append(series(member, tuple(at), seeds, key == "error", LIMITS[key]))
                axes.add(found[0]["x"])
                learned.add(found[0].get("trained"))
        if drawn:
            x = axes.pop()
            one = next(iter(learned)) if len(learned) == 1 else None
            x += "" if one is None else f" (learned with {one:g})"
            if key == "error":
                yield Curves(x, "test error, % (log scale)", tuple(drawn))
            else:
                yield Curves(x, "rank correlation with what it was", tuple(drawn), log=False)
