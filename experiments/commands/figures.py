"""Draw the figures of the report for print, from the committed JSON and from nothing else.

Each is written as PDF, as SVG and as PNG of 300 dots an inch, seven inches wide, with its caption.
The exit code is 1 where a figure lacks its runs.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from ..command_line.command import Command


@dataclass(frozen=True)
class Options:
    """Of which results, and where to."""

    out: Path
    """The folder to write into."""
    results: Path | None = None
    """A folder of results; by default experiments/results."""


def run(given: Options) -> int:
    """Draw all whose runs are there."""
    from hardattn.report.render.print import printed
    from hardattn.report.runs import read

    from ..records.committed import results
    from ..studies.figures import COMPARISONS, figures
    from ..studies.hard_or_soft import results as hard_or_soft
    from ..studies.hard_or_soft.figures import figures as of_both

    groups = read([given.results or results()])
    command = "hardattn results figures --out FOLDER"
    found = hard_or_soft.read((given.results or results()) / "studies" / hard_or_soft.SAVED.name)
    drawn = [*figures(groups, command), *of_both(found, command)]
    given.out.mkdir(parents=True, exist_ok=True)
    for figure in drawn:
        for ending, content in printed(figure).items():
            path = given.out / f"{figure.key}.{ending}"
            path.write_bytes(content)
            print(path)
    there = {group.name for group in groups}
    missing = {one.key: sorted(one.needs - there) for one in COMPARISONS}
    for key, names in missing.items():
        if names:
            print(f"{key}: left out, for there are no {', '.join(names)}", file=sys.stderr)
    return int(any(missing.values()))


COMMAND = Command("results figures", "figures of the committed results, for print", Options, run)
