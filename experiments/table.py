"""Write the results table of README.md from experiments/results/*.json, and from nothing else."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
RESULTS = ROOT / "experiments" / "results"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def block(results: Path = RESULTS) -> str:
    """What belongs between the marks. Raises hardattn.report.read.ReportError on a broken file."""
    from hardattn.report.read import read
    from hardattn.report.table import tables
    from hardattn.report.text import markdown

    if not any(results.glob("*.json")):
        return "No results are committed yet.\n"
    return markdown(tables(read([results])))


def fresh(text: str, results: Path = RESULTS) -> str:
    """The text of a README with its block written anew. Raises ValueError without the marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no {BEGIN} ... {END} to write the table between")
    return f"{before}{BEGIN}\n\n{block(results)}\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns 0, or 1 where --check finds the table stale, or 2."""
    parser = argparse.ArgumentParser(prog="python -m experiments.table", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say, by exit 1, if it is stale")
    parser.add_argument("--readme", type=Path, default=README, help="default: README.md")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="default: experiments/results"
    )
    given = parser.parse_args(arguments)
    try:
        old = given.readme.read_text()
        new = fresh(old, given.results)
    except (OSError, ValueError) as fault:
        print(f"error: {given.readme}: {fault}", file=sys.stderr)
        return 2
    if given.check:
        if new != old:
            print(f"{given.readme}: stale; run python -m experiments.table", file=sys.stderr)
        return int(new != old)
    if new != old:
        from hardattn.checkpoint import replace_text

        replace_text(given.readme, new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
