"""Finished runs measured again from the weights that were kept."""

import json
from collections.abc import Sequence
from pathlib import Path

from hardattn.report.runs import read
from hardattn.storage import replace_text

from ..kinds import Json
from ..measure import learning
from ..recipe import RunOptions, UsageError
from ..records.folder import locked
from ..records.sources import files
from ..revive import RunLoader
from ..run import conclude, things
from ..trainers.trainer import TRAINERS


def remeasure(paths: Sequence[str | Path], given: RunOptions) -> list[str]:
    """Measure all runs of these paths; returns what could not be, a line each.

    Raises ReportError for paths without runs, CheckpointError, DataError, Busy.
    """
    faults, revive = [], RunLoader(given)
    runs = [run for group in read(paths) for run in group.runs]
    for number, run in enumerate(runs, 1):
        try:
            if run.folder is None:
                raise UsageError(f"{run.source}: results without weights: give the run's folder")
            now = _again(run.folder, run.stored, revive)
        except UsageError as fault:
            faults.append(str(fault))
            continue
        errors = [100 * one["figures"]["greedy"]["error"] for one in (run.stored, now)]
        print(
            f"{number} of {len(runs)}: {run.folder}: error {errors[0]:.2f} -> {errors[1]:.2f} %",
            flush=True,
        )
    return faults


def _again(folder: Path, result: Json, revive: RunLoader) -> Json:
    with locked(folder):
        trained = revive(folder, result)
        of_then = {key: result[key] for key in ("made_with", "sources") if key in result}
        training = of_then | result["training"]
        kept = {key: result[key] for key in ("origin", "compared_with") if key in result}
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
        trainer = TRAINERS[trained.recipe.trainer]
        estimator = trainer.estimator(trained.recipe, trained.agent, trained.setting.world)
        if estimator is not None:
            seen, world = trained.setting.validation, trained.setting.world
            now["cost"]["training_flops"] = learning(trained.agent, world, estimator, seen)
        made_of = files(*things(trained.recipe, trained.setting, trained.agent, estimator))
        now |= kept | {"data": trained.setting.data, "sources": {"files": made_of, "changed": []}}
        replace_text(folder / "result.json", json.dumps(now, indent=1) + "\n")
    return now
