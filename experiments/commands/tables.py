"""Write the tables of README.md and of docs/results from the committed JSON, and from nothing else.

Each page is text by hand around one table, which stands between two marks. Results and claims come
from experiments/results/*.json, the others from experiments/results/studies.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..command_line.command import Command

if TYPE_CHECKING:
    from hardattn.report.rows import Row, Table

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "experiments" / "results"
STUDIES = RESULTS / "studies"
BEGIN, END = "<!-- table:begin -->", "<!-- table:end -->"
NONE_YET = "No results are committed yet.\n"

# Scenes that ask another thing than the class of a digit, and plain ones, of what learns before it
# is asked.
ASKED = (
    *("masks", "pasted", "keypoints", "query", "few_shot", "captions", "matching", "clips"),
    "plain",
)
# By page, how the names of the scenes begin whose results stand on it; the longest counts.
PROBLEMS: dict[str, tuple[str, ...]] = {
    "digits": ("digits translated",),
    "cluttered": ("digits cluttered",),
    "mnist": ("mnist", "fashion_mnist"),
    "megapixel": ("mnist majority",),
    "circle-square": ("digits circle_square",),
    "catch": ("digits catch",),
    "tasks": tuple(f"digits {scene}" for scene in ASKED),
}

SOFT = "soft-long,block=*"  # of the study of all of them

# Of each kind the best stands in README.md: a title, and which recipes are of that kind. Where they
# are measured on several scenes, those of most of them count.
KINDS = (
    ("RAM (Mnih et al. 2014), MNIST among clutter", "ram-cluttered-60"),
    ("AdaptiveNN (Wang et al. 2025), the same", "adaptive-nn-cluttered-60"),
    ("RAM, digits among clutter", "ram-cluttered-digits"),
    ("RAM", "ram-*digits"),
    ("DRAM (Ba et al. 2015)", "dram-digits"),
    ("Glance and focus (Wang et al. 2020)", "glance-focus-digits"),
    ("Show, attend and tell, soft (Xu et al. 2015)", "sat-soft-digits"),
    ("Show, attend and tell, hard", "sat-hard-digits"),
    ("CNN with a soft block", SOFT),
    ("Random looks, RAM's observer", "random-digits"),
    ("CNN, sees everything", "cnn-digits"),
)


def tables_of(results: Path) -> "list[Table]":
    """All that is committed. Raises hardattn.report.runs.ReportError on a broken file."""
    files = sorted((results / "studies").glob("*.json")) + sorted(results.glob("*.json"))
    return [*_tables_of(results, tuple((path, path.stat().st_mtime_ns) for path in files))]


@cache
def _tables_of(results: Path, files: tuple[tuple[Path, int], ...]) -> "tuple[Table, ...]":
    """Several pages are made of the same; `files`: when each was written."""
    from hardattn.report.rows import tables
    from hardattn.report.runs import read

    from ..studies.ablation import ablated
    from ..studies.policy_gain.tables import measured

    groups = read([results]) if any(results.glob("*.json")) else []
    return tuple(tables([one for one in groups if not ablated(one)], gains=measured(results)))


def problem(page: str) -> Callable[[Path], str]:
    """The table of a page of PROBLEMS."""

    def write(results: Path) -> str:
        from hardattn.report.render.markdown import markdown

        here = [table for table in tables_of(results) if page_of(table.scenes) == page]
        return markdown(here, level=2) if here else NONE_YET

    return write


def page_of(scenes: str) -> str:
    """The page of PROBLEMS that results on these scenes stand on. Raises ValueError for none."""
    found = {begin: page for page, begins in PROBLEMS.items() for begin in begins}
    begins = [begin for begin in found if scenes.startswith(begin)]
    if not begins:
        raise ValueError(f"no page shows results on {scenes!r}")
    return found[max(begins, key=len)]


def megapixel(results: Path) -> str:
    """What every agent costs on large canvases and how it errs; then finished recipes."""
    from ..studies.megapixel import results as found, tables

    study = tables.markdown(found.read(results))
    trained = problem("megapixel")(results)
    return study if trained == NONE_YET else f"{study}\n{trained}"


def tasks(results: Path) -> str:
    """What is asked beyond a class: every system beside its control."""
    from ..studies.tasks.tables import markdown

    return markdown(results)


def surveys(results: Path) -> str:
    """What came of every system that the surveys name."""
    from ..studies.surveys import markdown

    return markdown(results, classes=tables_of(results))


def claims(results: Path) -> str:
    """What papers claim, and whether it held."""
    from ..studies.claims import markdown

    return markdown(results)


def ablations(results: Path) -> str:
    """What each ingredient of a recipe is worth."""
    from ..studies.ablation import markdown

    return markdown(results) or NONE_YET


def classics(results: Path) -> str:
    """The benchmarks of RAM's papers."""
    from ..studies.classics import markdown

    return markdown(results)


def study(name: str) -> Callable[[Path], str]:
    """The tables of results/studies/NAME.json: of estimators, policies, blocks, changed scenes."""

    def write(results: Path) -> str:
        from ..studies import estimators
        from ..studies.policy_gain import tables as policy_gain
        from ..studies.robustness import tables as robustness
        from ..studies.soft import tables as soft

        writers = {
            "gradients": estimators,
            "gain": policy_gain,
            "characterisation": robustness,
            "soft": soft,
        }
        path = STUDIES / f"{name}.json"
        return writers[name].markdown(json.loads(path.read_text())) if path.exists() else NONE_YET

    return write


def ledger(results: Path) -> str:
    """Every run that was made."""
    from ..records.ledger import markdown

    return markdown(results) or NONE_YET


def hard_or_soft(results: Path) -> str:
    """Of every cell what came of it, or that it was not run."""
    from ..studies.hard_or_soft import results as found, tables

    held = found.read(results / found.SAVED.relative_to(RESULTS))
    return tables.pictures(held) + tables.markdown(held)


def benchmarks(results: Path) -> str:
    """How fast, on each machine that was measured."""
    from ..benchmarks.page import markdown

    return markdown(results) or NONE_YET


def drawings(results: Path) -> dict[str, str]:
    """By path, the files of figures that pages show."""
    from hardattn.report.render.print import printed

    from ..benchmarks.page import IMAGES, drawings
    from ..studies.hard_or_soft import figures, results as found
    from ..studies.megapixel import figures as of_canvases, results as canvases

    held = found.read(results / found.SAVED.relative_to(RESULTS))
    drawn = figures.figures(held, "hardattn results tables")
    drawn += of_canvases.figures(canvases.read(results), "hardattn results tables")
    mine = {f"{IMAGES}/{one.key}.svg": printed(one)["svg"].decode() for one in drawn}
    return drawings(results) | mine


def best(results: Path) -> str:
    """README.md's table: the best of each kind, and the best control of each."""
    lines = [
        "| | scenes | error % | best control | its error % | difference | may see |",
        "| --- | --- | ---: | --- | ---: | ---: | --- |",
    ]
    tables = tables_of(results)
    for title, pattern in KINDS:
        if pattern == SOFT:
            lines += filter(None, [_best_of_study(title, results)])
            continue
        found = [
            (row, table)
            for table in tables
            for row in table.rows
            if fnmatchcase(row.group.name, pattern) and row.script in ("", "random")
        ]
        if found:
            # Scenes of one kind are compared among themselves alone: those of most of its rows.
            names = [table.scenes for _, table in found]
            scenes = max(sorted(set(names)), key=names.count)
            row, table = min(
                (one for one in found if one[1].scenes == scenes),
                key=lambda one: one[0].error.point,
            )
            lines.append(_line(title, row, table))
    return "\n".join(lines) + "\n" if len(lines) > 2 else NONE_YET


def _line(title: str, row: "Row", table: "Table") -> str:
    from hardattn.report.column import estimate_text
    from hardattn.statistics.intervals import Estimate

    # "digits translated, canvas 48, ..." -> digits translated
    scenes = table.scenes.partition(",")[0]
    cells = [title if row.script else f"{title}: `{row.group.name}`", scenes]
    cells.append(estimate_text(row.error, table.decimals))
    other = row.against
    if other is None or row.script:
        cells += ["–", "–", "–"]
    else:
        error = next((one.error for one in table.rows if one.group.name == other.name), None)
        error = error or Estimate(other.error, None, None, len(other.errors), "none")
        cells += [
            f"`{other.name}`" if other.group else other.name,
            estimate_text(error, table.decimals),
            estimate_text(other.difference, table.decimals, sign=True),
        ]
    return f"| {' | '.join([*cells, row.sees])} |"


def _best_of_study(title: str, results: Path) -> str:
    """Of the study of all, the best block that attends, else the best, and its verdict; or ""."""
    from hardattn.report.column import estimate_text

    from ..studies.soft.results import SAVED, standings

    path = results / SAVED.relative_to(RESULTS)
    if not path.exists():
        return ""
    stand = standings(json.loads(path.read_text()))
    control = next((one for one in stand if one.row["kind"] == "control"), None)
    blocks = [one for one in stand if one.row["kind"] == "block"]
    attend = [each for each in blocks if each.verdict == "attends"]
    one = next(iter(attend or blocks), None)
    if one is None or control is None or one.minus_control is None:
        return ""
    assert one.error is not None and control.error is not None
    cells = [
        f"{title}: `soft-long,{one.row['name']}`",
        "digits cluttered",
        estimate_text(one.error, 1),
    ]
    cells += ["`soft-long`", estimate_text(control.error, 1)]
    gap = estimate_text(one.minus_control, 1, sign=True)
    cells += [f"{gap}; over all {len(blocks)} blocks: {one.verdict or 'not judged'}"]
    cells += ["sees everything"]
    return f"| {' | '.join(cells)} |"


PAGES: dict[str, Callable[[Path], str]] = {
    "README.md": best,
    **{f"docs/results/{page}.md": problem(page) for page in PROBLEMS},
    "docs/results/megapixel.md": megapixel,
    "docs/results/ram.md": classics,
    "docs/results/tasks.md": tasks,
    "docs/results/ablation.md": ablations,
    "docs/results/soft.md": study("soft"),
    "docs/results/hard-or-soft.md": hard_or_soft,
    "docs/results/claims.md": claims,
    "docs/methods/surveys.md": surveys,
    "docs/results/policy-gain.md": study("gain"),
    "docs/results/robustness.md": study("characterisation"),
    "docs/results/estimators.md": study("gradients"),
    "docs/results/benchmarks.md": benchmarks,
    "experiments/results/LEDGER.md": ledger,
}


def fresh(root: Path = ROOT, results: Path = RESULTS) -> dict[Path, tuple[str, str]]:
    """The text of every page as it is, and with its table written anew; of its figures too.

    Raises ValueError for a page without marks.
    """
    texts = {}
    for name, write in PAGES.items():
        old = (root / name).read_text(encoding="utf-8")
        texts[root / name] = old, _between(old, write(results), name)
    for name, drawn in drawings(results).items():
        path = root / name
        texts[path] = path.read_text(encoding="utf-8") if path.exists() else "", drawn
    return texts


def _between(text: str, table: str, name: str) -> str:
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{name}: no {BEGIN} ... {END} to write the table between")
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"


@dataclass(frozen=True)
class Options:
    """Which pages, of which results."""

    check: bool = False
    """Only say, by exit code 1, what is stale."""
    pages: Path = ROOT
    """The folder that README.md and docs are in."""
    results: Path = RESULTS
    """A folder of results."""


def run(given: Options) -> int:
    """Write what is stale, or say it."""
    texts = fresh(given.pages, given.results)
    stale = {path: new for path, (old, new) in texts.items() if new != old}
    for path, new in stale.items():
        if given.check:
            print(f"{path}: stale; run hardattn results tables", file=sys.stderr)
        else:
            from hardattn.storage import replace_text

            replace_text(path, new)
    return int(given.check and bool(stale))


COMMAND = Command("results tables", "write the tables from the committed results", Options, run)
