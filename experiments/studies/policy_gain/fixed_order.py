"""An observer trained for looks that ignore the image: the best that no policy could do."""

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...recipe import Recipe, Spec, UsageError


def retrained(folder: Path, result: dict[str, Any], revive: Any) -> dict[str, Any] | None:
    """Train for each fixed order; of the best on validation its order, test error and folder.

    Each is an ordinary run beside the agent's, which goes on where it was stopped. The folder is
    named from the agent's. None, and a line, where there is no looking that was learned.
    """
    from ...commands.train import parse
    from ...run import execute
    from .measure import ORDERS

    alive = revive(folder, result)
    if alive.setting.world.sensor.everything or alive.recipe.agent.get("script"):
        print(f"{result['name']}: no looking was learned, so nothing is retrained", file=sys.stderr)
        return None
    found = {}
    for order in ORDERS:
        script = path_of(alive) if order == "mean" else order
        words = command(result, ordered(alive, script), folder)
        print(f"training for the order {order}: {shlex.join(words)}", file=sys.stderr)
        name, recipe, run = parse(words[3:])
        run = replace(revive.given, seed=run.seed, out=folder.parent.parent)
        found[order] = execute(name, recipe, run, shlex.join(words))
    # The lowest error of any of its validations is how an ordinary run chooses its weights, too.
    curves = {order: one["training"]["curve"] for order, one in found.items()}
    best = min(curves, key=lambda order: min(error for _, error in curves[order]))
    chosen = found[best]
    there = folder.parent.parent / chosen["name"] / f"seed-{chosen['seed']}"
    return {
        "order": best,
        "error": chosen["figures"]["greedy"]["error"],
        "folder": os.path.relpath(there, folder),
    }


def path_of(alive: Any) -> str:
    """The script of the agent's mean path over the validation scenes, to three digits."""
    from hardattn.agents import PATH
    from hardattn.evaluation.swap import looked
    from hardattn.rollout import DRAWS

    world, draw = alive.setting.world, DRAWS[alive.recipe.problem.draw]
    own = looked(alive.agent, world, alive.setting.validation, draw)
    points = world.sensor.point(own.place[1:].mean(1))
    return PATH + ",".join(f"{number:.3f}" for number in points.flatten().tolist())


def ordered(alive: Any, script: str) -> Recipe:
    """The agent's recipe with its looks by that script, and as many episodes.

    Nothing is learned of where to look, so "reinforce" serves every agent; an agent that also acts
    learns that as it did. Of masks a script takes as many cells as the agent does in the mean.
    """
    from hardattn.sensors.retina import Patches

    recipe, world = alive.recipe, alive.setting.world
    agent = recipe.agent.but(script=script)
    if isinstance(world.sensor, Patches):  # places are masks
        from hardattn.evaluation.swap import looked

        share = looked(alive.agent, world, alive.setting.validation).place[1:].mean().item()
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


def command(result: dict[str, Any], recipe: Recipe, where: Path) -> list[str]:
    """The words that train such a recipe by experiments.run, from the one that the run came from.

    Raises UsageError for a run of another program.
    """
    from ...parse import words_of
    from ...recipes import RECIPES

    words = shlex.split(result["command"])
    if words[:3] != ["python", "-m", "hardattn.experiments", "train"] or words[3] not in RECIPES:
        raise UsageError(f"{where}: not a run of a recipe that there is, so it is not retrained")
    options = words_of(RECIPES[words[3]], recipe)
    return [*words[:4], *options, "--seed", str(result["seed"])]
