"""Write the tables of README.md from the committed JSON, and from nothing else.

Results and claims come from experiments/results/*.json, the others from results/studies.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..command import Command

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
RESULTS = ROOT / "experiments" / "results"
MEASUREMENTS = ROOT / "experiments" / "results" / "studies"


def results_block(results: Path = RESULTS) -> str:
    """The table of results. Raises hardattn.report.runs.ReportError on a broken file."""
    from hardattn.report.render.terminal import markdown
    from hardattn.report.rows import tables
    from hardattn.report.runs import read

    if not any(results.glob("*.json")):
        return "No results are committed yet.\n"
    return markdown(tables(read([results])))


def claims_block(results: Path = RESULTS) -> str:
    """The table of claims."""
    from ..studies.claims import markdown

    return markdown(results)


def measured_block(name: str) -> str:
    """The table of results/studies/NAME.json: of estimators, policies, agents on changed scenes."""
    from ..studies import estimators as gradients
    from ..studies.policy_gain import tables as gained
    from ..studies.robustness import tables as characterised

    write = {"gradients": gradients, "gain": gained, "characterisation": characterised}[name]
    path = MEASUREMENTS / f"{name}.json"
    if not path.exists():
        return "Not measured yet.\n"
    return write.markdown(json.loads(path.read_text()))


BLOCKS: dict[str, Callable[[Path], str]] = {
    "results": results_block,
    "claims": claims_block,
    "gain": lambda results: measured_block("gain"),
    "characterisation": lambda results: measured_block("characterisation"),
    "gradients": lambda results: measured_block("gradients"),
}


def fresh(text: str, results: Path = RESULTS) -> str:
    """The text of a README with its tables written anew. Raises ValueError without their marks."""
    for name, block in BLOCKS.items():
        text = _between(text, name, block(results))
    return text


def _between(text: str, name: str, table: str) -> str:
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"no {begin} ... {end} to write the table between")
    return f"{before}{begin}\n\n{table}\n{end}{after}"


@dataclass(frozen=True)
class Options:
    """Which file, of which results."""

    check: bool = False
    """Only say, by exit code 1, if it is stale."""
    readme: Path = README
    """The file that the tables are in."""
    results: Path = RESULTS
    """A folder of results."""


def run(given: Options) -> int:
    """Write the tables."""
    old = given.readme.read_text()
    new = fresh(old, given.results)
    if given.check:
        if new != old:
            print(f"{given.readme}: stale; run hardattn results tables", file=sys.stderr)
        return int(new != old)
    if new != old:
        from hardattn.storage import replace_text

        replace_text(given.readme, new)
    return 0


COMMAND = Command("results tables", "write the tables from the committed results", Options, run)
