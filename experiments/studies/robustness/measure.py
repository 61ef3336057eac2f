"""Change the problem under trained agents, and see what becomes of them; weights stay as they are.

PATHs are run folders or folders of runs. Beside each result.json this leaves a file,
characterisation.json; what stands there already is not measured again. With --train, each is also
trained anew on shares of its training images, by experiments.run and into the same folder of runs.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...command import obey
from ...options import nearest
from ...recipe import RunOptions, UsageError

NAME = "characterisation.json"
SAVED = Path(__file__).parents[2] / "results" / "studies" / NAME
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
ON_A_SHARE = (
    "learned from a share of the images, and is a point of another run's curve; not measured"
)


def characterise(paths: Sequence[Path], what: Sequence[str], run: RunOptions) -> list[str]:
    """Measure all that is not there yet; returns what could not be done, a line each.

    Raises ReportError for paths without runs, CheckpointError and DataError.
    """
    from hardattn.report.runs import read

    from ...revive import Revival

    faults, revive = [], Revival(run)
    for one in (one for group in read(paths) for one in group.runs):
        if one.folder is None:
            faults.append(f"{one.source}: committed figures, without the agent's weights")
            continue
        if one.result["recipe"].get("train_fraction") is not None:
            print(f"{one.source}: {ON_A_SHARE}", file=sys.stderr)
            continue
        found = stored(one.folder, one.result)
        missing = [name for name in what if name not in {**found["found"], **found["left_out"]}]
        if not missing:
            continue
        try:
            subject = revive(one.folder, one.result)
            if subject.differs:
                raise UsageError(
                    f"{one.folder}: {subject.differs}: the code or the data changed since; run it "
                    "again into another folder"
                )
        except UsageError as fault:
            faults.append(str(fault))
            continue
        for number, name in enumerate(missing, 1):
            label = f"{one.result['name']} seed {one.seed}"
            print(f"{label}: {name} ({number} of {len(missing)})", file=sys.stderr, flush=True)
            _measure(subject, name, found)
            _write(one.folder, found)
    return faults


def _measure(subject: Any, name: str, found: dict[str, Any]) -> None:
    from .changes import CHANGES, NoMeaning

    try:
        found["found"][name] = CHANGES[name](subject)
    except NoMeaning as reason:
        found["left_out"][name] = str(reason)


def stored(folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    """What was found of this very result, if anything. Raises ReportError for a broken file."""
    from hardattn.report.runs import ReportError

    of = result["made_with"].get("finished")
    empty: dict[str, Any] = {"format": 1, "of": of, "found": {}, "left_out": {}}
    path = folder / NAME
    if not path.exists():
        return empty
    try:
        before = json.loads(path.read_text())
    except ValueError as fault:
        raise ReportError(f"{path}: not JSON ({fault}); delete it, and run this again") from fault
    if not isinstance(before, dict) or not {"found", "left_out"} <= before.keys():
        raise ReportError(f"{path}: no characterisation; delete it, and run this again")
    return before if (before.get("format"), before.get("of")) == (1, of) else empty


def learn_from_fewer(paths: Sequence[Path], workers: int, run: RunOptions) -> tuple[list[str], int]:
    """Train on shares of the images whatever is not yet; what could not be done, and exit code."""
    from hardattn.report.runs import read

    from ...commands.sweep import sweep
    from ...commands.train import parse
    from ...revive import recipe_of

    faults, commands, wanted = [], [], []
    for one in (one for group in read(paths) for one in group.runs):
        if one.folder is None or one.result["recipe"].get("train_fraction") is not None:
            continue
        found = stored(one.folder, one.result)
        if "labels" in found["found"]:
            continue
        try:
            recipe_of(one.result, one.folder)
        except UsageError as fault:
            faults.append(str(fault))
            continue
        words = shlex.split(one.result["command"])[3:]
        options = ["--out", str(one.folder.parent.parent), "--device", run.device]
        options += [] if run.root is None else ["--root", str(run.root)]
        mine = [[*words, "--train-fraction", f"{share:g}", *options] for share in SHARES]
        commands += mine
        wanted.append((one.folder, found, mine, one.result))
    code = sweep(commands, workers)
    for folder, found, mine, whole in wanted:
        results = []
        for command in mine:
            name, _, itself = parse(command)
            file = itself.out / name / f"seed-{itself.seed}" / "result.json"
            results.append(json.loads(file.read_text()) if file.exists() else None)
        if None not in results:
            found["found"]["labels"] = _labels([*results, whole])
            _write(folder, found)
    return faults, code


def _labels(results: Sequence[Any]) -> dict[str, Any]:
    greedy = [result["figures"]["greedy"] for result in results]
    return {
        "x": "training images learned from, %",
        "at": [100 * share for share in (*SHARES, 1)],
        "trained": 100.0,
        **{key: [each.get(key) for each in greedy] for key in ("error", "hit", "pointing")},
    }


def _write(folder: Path, found: dict[str, Any]) -> None:
    from hardattn.storage import replace_text

    from ...commands.collect import pretty

    replace_text(folder / NAME, pretty(found) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns 0; 2 for wrong words or where a run could not be done; 5."""
    parser = argparse.ArgumentParser(
        prog="hardattn robustness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="runs")
    parser.add_argument("--what", metavar="NAME,...", help="some of them only (default: all)")
    parser.add_argument("--train", action="store_true", help="also learn from fewer images")
    parser.add_argument("--workers", type=int, default=2, help="trainings at a time (default: 2)")
    parser.add_argument("--device", default="auto", help="default: the GPU where there is one")
    parser.add_argument("--root", type=Path, help="where datasets lie")
    parser.add_argument("--save", action="store_true", help=f"write results/studies/{NAME} as well")
    given = parser.parse_args(arguments)

    from hardattn.data import DataError
    from hardattn.report.runs import ReportError, read
    from hardattn.storage import CheckpointError, replace_text

    from .changes import CHANGES
    from .tables import committed, tables

    try:
        what = given.what.split(",") if given.what else list(CHANGES)
        for name in what:
            if name not in CHANGES:
                raise UsageError(f"nothing to measure is called {name!r}: {nearest(name, CHANGES)}")
        run = RunOptions(device=given.device, root=given.root)
        faults = characterise(given.paths, what, run)
        code = 0
        if given.train:
            more, code = learn_from_fewer(given.paths, given.workers, run)
            faults += [line for line in more if line not in faults]
        groups = read(given.paths)
        print(tables(groups, [*what, *(["labels"] if given.train else [])]), end="")
        if given.save:
            replace_text(SAVED, committed(groups))
            print(f"\n{SAVED.name}")
    except (UsageError, ReportError, DataError, ValueError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    except (CheckpointError, OSError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 5
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130
    for line in faults:
        print(f"left out: {line}", file=sys.stderr)
    return code or 2 * bool(faults)


if __name__ == "__main__":
    obey(main)
