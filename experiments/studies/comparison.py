"""Finished runs compared: a page beside them, its tables in other forms, and in the terminal."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hardattn.report.faults import Fault, spared
from hardattn.report.page.page import page
from hardattn.report.render.csv import by_agent, by_seed
from hardattn.report.render.latex import latex
from hardattn.report.render.markdown import markdown
from hardattn.report.render.terminal import terminal
from hardattn.report.rows import Table, check_named, tables
from hardattn.report.runs import Group, ReportError, read, unfinished
from hardattn.storage import replace_text

from .figures import figures


class Report(NamedTuple):
    """All that is to be written and said of some groups of runs."""

    tables: list[Table]
    files: dict[str, str]  # by their names
    faults: list[Fault]  # who is left out of a part of the page


def compare(
    paths: Sequence[str | Path],
    out: str | Path | None = None,
    against: str | None = None,
) -> Path:
    """Write the page, its tables and its figures; print the tables; return the path of the page.

    out: the folder to write into, by default the first path that is a folder of runs, else runs.
    against: the name of the row that others are compared with, by default the control of each.
    Raises hardattn.report.runs.ReportError, and hardattn.storage.CheckpointError on a full disk.
    """
    groups = read(paths)
    check_named(groups, against)
    left_out = [str(folder) for folder in unfinished(paths)]
    folder = _folder(paths) if out is None else Path(out)
    words = ["hardattn", "report", *map(_short, paths)]
    words += [] if out is None else ["--out", _short(out)]
    words += [] if against is None else ["--against", against]
    command = shlex.join(words)

    def drawn(some: Sequence[Group], missing: Sequence[Fault] = ()) -> Report:
        named = against if any(group.name == against for group in some) else None
        return _report(some, named, command, left_out, missing)

    report, missing = spared(groups, drawn, _title, "the report")
    if report is None:
        raise ReportError(f"there is nothing to show: {missing[0]}")
    if missing:
        faulty = {fault.who for fault in missing}
        report = drawn([group for group in groups if _title(group) not in faulty], missing)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in report.files.items():
        replace_text(folder / name, text)
    for fault in (*missing, *report.faults):
        print(f"left out: {fault}", file=sys.stderr)
    _say(report, left_out, folder)
    return folder / "report.html"


def _report(
    groups: Sequence[Group],
    against: str | None,
    command: str,
    left_out: Sequence[str],
    missing: Sequence[Fault],
) -> Report:
    """missing: of whom nothing could be drawn."""
    done = tables(groups, against)
    printable, others = spared(
        groups, lambda some: figures(some, command), _title, "the figures for print"
    )
    faults: list[Fault] = [*others]
    tabled = {
        "report.csv": by_agent(done),
        "report-seeds.csv": by_seed(done),
        "report.tex": latex(done, command),
    }
    html = page(groups, against, command, left_out, printable or [], missing, faults, tabled)
    said = [f"Not finished, and left out: {name}" for name in left_out]
    said += [f"{fault}." for fault in missing]
    lines = "".join(f"\n{line}\n" for line in said)
    files = {
        "report.md": f"Made by `{command}`.\n\n{markdown(done)}{lines}",
        **{name: tabled[name] for name in ("report.tex", "report.csv", "report-seeds.csv")},
        "report.html": html,
    }
    return Report(done, files, faults)


def _say(report: Report, left_out: Sequence[str], folder: Path) -> None:
    """Print the tables and what was written."""
    terminal(report.tables)
    for name in left_out:
        print(f"not finished, and left out: {name}")
    print("\n".join(str(folder / name) for name in reversed(report.files)))


def _title(group: Group) -> str:
    return f"{group.name} ({group.scenes})"


def _folder(paths: Sequence[str | Path]) -> Path:
    folders = [Path(path) for path in paths if Path(path).is_dir()]
    return folders[0] if folders and any(folders[0].rglob("result.json")) else Path("runs")


def _short(path: str | Path) -> str:
    """Relative to here where it can be: the page tells how to repeat it, not where it was made."""
    whole, here = Path(path).resolve(), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(path)
