"""Compare finished runs: a table here, and a report beside the runs.

report.html is the page; report.md and report.tex hold its tables, report.csv every figure of every
agent, report-seeds.csv those of every training seed.

PATHs are run folders, folders of runs (runs/demo), results files or folders of them
(experiments/results). Only runs on the same scenes are put into one table.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.command import obey


def compare(
    paths: Sequence[str | Path],
    out: str | Path | None = None,
    against: str | None = None,
) -> Path:
    """Print the tables; write the page, its tables and its figures; return the path of the page.

    out: the folder to write into, by default the first path that is a folder of runs, else runs.
    against: the name of the row that others are compared with, by default the control of each.
    Raises hardattn.report.read.ReportError, and hardattn.checkpoint.CheckpointError on a full disk.
    """
    from experiments.figures import figures
    from hardattn.checkpoint import replace_text
    from hardattn.report.export import by_agent, by_seed, latex
    from hardattn.report.page import page
    from hardattn.report.read import read, unfinished
    from hardattn.report.table import tables
    from hardattn.report.text import markdown, terminal

    groups = read(paths)
    left_out = [str(folder) for folder in unfinished(paths)]
    done = tables(groups, against)
    terminal(done)
    folder = _folder(paths) if out is None else Path(out)
    words = ["python", "-m", "experiments.compare", *map(_short, paths)]
    words += [] if out is None else ["--out", _short(out)]
    words += [] if against is None else ["--against", against]
    command = shlex.join(words)
    html = page(groups, against, command, left_out, figures(groups, command))
    missing = "".join(f"\nNot finished, and left out: {name}\n" for name in left_out)
    written = {
        "report.md": f"Made by `{command}`.\n\n{markdown(done)}{missing}",
        "report.tex": latex(done, command),
        "report.csv": by_agent(done),
        "report-seeds.csv": by_seed(done),
        "report.html": html,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in written.items():
        replace_text(folder / name, text)
    for name in left_out:
        print(f"not finished, and left out: {name}")
    print("\n".join(str(folder / name) for name in reversed(written)))
    return folder / "report.html"


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code: 2 for wrong paths or names, 5 if it cannot write."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="runs, or results")
    parser.add_argument("--out", metavar="FOLDER", help="where to (default: the first folder)")
    parser.add_argument(
        "--against", metavar="NAME", help="run name to subtract (default: the control of each)"
    )
    given = parser.parse_args(arguments)

    from hardattn.checkpoint import CheckpointError
    from hardattn.report.read import ReportError

    try:
        compare(given.paths, given.out, given.against)
    except ReportError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    except (CheckpointError, OSError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 5
    return 0


def _folder(paths: Sequence[str | Path]) -> Path:
    folders = [Path(path) for path in paths if Path(path).is_dir()]
    return folders[0] if folders and any(folders[0].rglob("result.json")) else Path("runs")


def _short(path: str | Path) -> str:
    """Relative to here where it can be: the page tells how to repeat it, not where it was made."""
    whole, here = Path(path).resolve(), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(path)


if __name__ == "__main__":
    obey(main)
