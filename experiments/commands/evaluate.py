"""Measure finished runs again: all that is measured today, of the weights that were kept.

PATHs are run folders, or folders of runs. result.json, columns.pt and examples.pt are written anew,
as `hardattn train` would now write them; the record of the training stays, and with what it was
made stands there from then on. Runs of other programs are named and left as they are. Exit codes:
0 done; 2 something was no run that can be measured; 5 a file could not be written.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..command import obey
from ..recipe import RunOptions, UsageError


def remeasure(paths: Sequence[str | Path], given: RunOptions) -> list[str]:
    """Measure all runs of these paths; returns what could not be, a line each.

    Raises ReportError for paths without runs, CheckpointError, DataError, Busy.
    """
    from hardattn.report.runs import read

    from ..revive import Revival

    faults, revive = [], Revival(given)
    runs = [run for group in read(paths) for run in group.runs]
    for number, run in enumerate(runs, 1):
        try:
            if run.folder is None:
                raise UsageError(f"{run.source}: results without weights: give the run's folder")
            now = _again(run.folder, run.result, revive)
        except UsageError as fault:
            faults.append(str(fault))
            continue
        errors = [100 * one["figures"]["greedy"]["error"] for one in (run.result, now)]
        print(
            f"{number} of {len(runs)}: {run.folder}: error {errors[0]:.2f} -> {errors[1]:.2f} %",
            flush=True,
        )
    return faults


def _again(folder: Path, result: dict[str, Any], revive: Any) -> dict[str, Any]:
    from hardattn.storage import replace_text

    from ..build import estimator as estimator_of
    from ..run import conclude, locked, things
    from ..sources import files

    with locked(folder):
        trained = revive(folder, result)
        of_then = {key: result[key] for key in ("made_with", "sources") if key in result}
        training = of_then | result["training"]
        run = RunOptions(seed=result["seed"], threads=revive.given.threads)
        now = conclude(
            trained.setting,
            result["name"],
            trained.recipe,
            run,
            result["command"],
            folder,
            trained.agent,
            training,
        )
        estimator = estimator_of(trained.recipe.estimator, trained.agent, trained.setting.world)
        made_of = files(*things(trained.recipe, trained.setting, trained.agent, estimator))
        now |= {"data": trained.setting.data, "sources": {"files": made_of, "changed": []}}
        replace_text(folder / "result.json", json.dumps(now, indent=1) + "\n")
    return now


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="hardattn evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="runs, or folders of runs")
    parser.add_argument("--device", default="auto", help="default: the GPU where there is one")
    parser.add_argument("--root", type=Path, help="where datasets lie; else $HARDATTN_DATA")
    words = parser.parse_args(arguments)

    from hardattn.data import DataError
    from hardattn.report.runs import ReportError
    from hardattn.storage import CheckpointError

    from ..run import Busy

    try:
        faults = remeasure(words.paths, RunOptions(device=words.device, root=words.root))
    except (ReportError, DataError, Busy) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    except (CheckpointError, OSError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 5
    for line in faults:
        print(f"error: {line}", file=sys.stderr)
    return 2 if faults else 0


if __name__ == "__main__":
    obey(main)
