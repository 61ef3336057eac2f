"""Gather the results of all seeds of a run into experiments/results/NAME.json, to be committed.

FOLDERs are those of a run's name (runs/ram-mnist), with a folder for each seed.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..command import obey

RESULTS = Path(__file__).parents[1] / "results"
# A slash that starts a word, a home, a drive: what means nothing elsewhere. Not images/s.
ABSOLUTE = re.compile(r"""(?:^|[\s="'`:,;(\[])(?:/[\w.]|~[\w]*/|[A-Za-z]:[\\/])""")


def collect(folders: Sequence[str | Path], out: str | Path = RESULTS) -> list[Path]:
    """Write one file for each name found; return their paths.

    Raises hardattn.report.runs.ReportError: as `read`, for results that hold an absolute path, for
    one name on several scenes, and for seeds that are not finished.
    """
    from hardattn.report.runs import ReportError, read, unfinished
    from hardattn.storage import replace_text

    waiting = unfinished(folders)
    if waiting:
        raise ReportError(f"{waiting[0]}: not finished; run its command again, or remove it")
    texts: dict[str, str] = {}
    for group in read(folders):
        if group.name in texts:
            raise ReportError(f"{group.runs[0].source}: {group.name} is also there on other scenes")
        for run in group.runs:
            for where, text in absolute(run.stored):
                raise ReportError(f"{run.source}: {where} holds an absolute path: {text}")
        texts[group.name] = pretty([run.stored for run in group.runs]) + "\n"
    written = []
    for name, text in texts.items():
        path = Path(out) / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
        written.append(path)
    return written


def upgrade(folder: Path) -> list[Path]:
    """Bring the results files of a folder to today's format; returns those that were not in it."""
    from hardattn.report.results import upgraded
    from hardattn.storage import replace_text

    changed = []
    for path in sorted(folder.glob("*.json")):
        old = path.read_text()
        new = pretty([upgraded(one) for one in json.loads(old)]) + "\n"
        if new != old:
            replace_text(path, new)
            changed.append(path)
    return changed


def absolute(result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where in a result there is a path that means something on one machine only, and the text."""
    for where, text in _strings(result, ""):
        if ABSOLUTE.search(text) or str(Path.home()) in text:
            yield where, text


def pretty(value: Any, indent: int = 0) -> str:
    """JSON with sorted keys, where lists of plain values, and of such lists, stay on one line."""
    inner = "  " * (indent + 1)
    if isinstance(value, dict) and value:
        parts = [f"{json.dumps(key)}: {pretty(value[key], indent + 1)}" for key in sorted(value)]
        return "{\n" + ",\n".join(inner + part for part in parts) + "\n" + "  " * indent + "}"
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        parts = [inner + pretty(part, indent + 1) for part in value]
        return "[\n" + ",\n".join(parts) + "\n" + "  " * indent + "]"
    return json.dumps(value, ensure_ascii=False)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="hardattn results collect", description=__doc__)
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="such as runs/ram-mnist")
    parser.add_argument("--out", default=str(RESULTS), help="default: experiments/results")
    given = parser.parse_args(arguments)

    from hardattn.report.runs import ReportError
    from hardattn.storage import CheckpointError

    try:
        print("\n".join(map(str, collect(given.folders, given.out))))
    except ReportError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    except (CheckpointError, OSError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 5
    return 0


def _strings(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every string in nested plain values, keys too, with where it is."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield f"a key of {where or 'the result'}", key
            yield from _strings(part, f"{where}.{key}".strip("."))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _strings(part, f"{where}[{number}]")


if __name__ == "__main__":
    obey(main)
