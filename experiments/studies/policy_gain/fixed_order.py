"""An observer trained for looks that ignore the image: the best that no policy could do."""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hardattn.agents import PATH
from hardattn.evaluation.swap import own_looks
from hardattn.rollout import DRAWS
from hardattn.sensors.grid import Patches

from ...command_line.parse import TRAIN, parse
from ...command_line.words import Origin, as_words, origin_of, overrides
from ...kinds import Json
from ...recipe import Recipe, RunOptions, Spec
from ...revive import LoadedRun, RunLoader
from ...run import script_of
from ...trainers.trainer import execute

ORDERS = ("centre", "raster", "mean")  # that ignore the image


def retrained(
    folder: Path, result: Json, revive: RunLoader, known: Mapping[str, Path] | None = None
) -> Json | None:
    """Train for each fixed order; of the best on validation its order, test error and folder.

    Each is an ordinary run beside the agent's, which goes on where it was stopped. The folder is
    named from the agent's. None, and a line, where there is no looking that was learned.

    known: by order, folders of finished runs that serve: of the same observer, budget and seed.
    """
    alive = revive(folder, result)
    agent = alive.recipe.agent
    if alive.setting.world.sensor.everything or script_of(alive.recipe):
        print(f"{result['name']}: no looking was learned, so nothing is retrained", file=sys.stderr)
        return None
    if not isinstance(agent, Spec):
        why = f"an agent {type(agent).__name__!r} has no observer that could be trained alone"
        print(f"{result['name']}: {why}", file=sys.stderr)
        return None
    found, places = {}, dict(known or {})
    for order in ORDERS:
        if order in places:
            found[order] = json.loads((places[order] / "result.json").read_text())
            continue
        words = words_for(alive, result, order)
        command = shlex.join([*TRAIN.split(), *words])
        print(f"training for the order {order}: {command}", file=sys.stderr)
        name, recipe, _ = parse(words)
        run = replace(revive.given, seed=result["seed"], out=folder.parent.parent)
        found[order] = execute(name, recipe, run, command)
        places[order] = folder.parent.parent / name / f"seed-{result['seed']}"
    # The lowest error of any of its validations is how an ordinary run chooses its weights, too.
    curves = {order: one["training"]["curve"] for order, one in found.items()}
    best = min(curves, key=lambda order: min(error for _, error in curves[order]))
    return {
        "order": best,
        "error": found[best]["figures"]["greedy"]["error"],
        "folder": os.path.relpath(places[best], folder),
    }


def words_of(folder: Path, order: str, given: RunOptions | None = None) -> list[str]:
    """After `hardattn train`, what trains the observer of a finished run for an order."""
    result = json.loads((folder / "result.json").read_text())
    return words_for(RunLoader(given or RunOptions())(folder, result), result, order)


def words_for(alive: LoadedRun, result: Json, order: str) -> list[str]:
    """After `hardattn train`, what trains its observer for an order."""
    script = path_of(alive) if order == "mean" else order
    base, changed = origin_of(result, alive.recipe).recipe, ordered(alive, script)
    words = as_words(Origin(base, overrides(base, changed)))
    return [*words, "--seed", str(result["seed"])]


def path_of(alive: LoadedRun) -> str:
    """The script of the agent's mean path over the validation scenes, to three digits."""
    world, draw = alive.setting.world, DRAWS[alive.recipe.problem.draw]
    own = own_looks(alive.agent, world, alive.setting.validation, draw)
    points = world.sensor.point(own.place[1:].mean(1))
    return PATH + ",".join(f"{number:.3f}" for number in points.flatten().tolist())


def ordered(alive: LoadedRun, script: str) -> Recipe:
    """The agent's recipe with its looks by that script, and as many episodes.

    Nothing is learned of where to look, so "reinforce" serves every agent; an agent that also acts
    learns that as it did. Of masks a script takes as many cells as the agent does in the mean.
    """
    recipe, world = alive.recipe, alive.setting.world
    agent = recipe.agent.but(script=script)
    if isinstance(world.sensor, Patches):  # places are masks
        share = own_looks(alive.agent, world, alive.setting.validation).place[1:].mean().item()
        agent = agent.but(share=max(0.01, round(share, 2)))
    assert recipe.estimator is not None
    estimator, training = recipe.estimator, recipe.training
    if not world.changes:
        times = estimator.get("samples") or 1
        estimator = Spec("reinforce")
        training = replace(
            training,
            images=training.images * times,
            batch_size=training.batch_size * times,
            validate_every=training.validate_every * times,
        )
    return replace(recipe, agent=agent, estimator=estimator, training=training)
