"""A trained agent, from the folder of its run: its recipe, its weights, its test scenes."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import torch

from experiments.config import Recipe, Run, UsageError
from experiments.execute import Setting, prepare
from experiments.recipes import RECIPES
from hardattn import checkpoint
from hardattn.clustering import named
from hardattn.evaluate import Columns, evaluate
from hardattn.metrics import error
from hardattn.rollout import DRAWS
from hardattn.scenes import Scenes, frozen
from hardattn.world import World

APART = 0.01  # of the error, by which another machine's arithmetic may change it


class Trained(NamedTuple):
    """A finished run, alive: the agent in evaluation mode, and what it did on its test scenes."""

    result: dict[str, Any]
    recipe: Recipe
    setting: Setting
    agent: Any
    test: Scenes
    columns: Columns  # one pass over `test`, as in use

    def look(self, scenes: Scenes, agent: Any = None) -> Columns:
        """One pass over other scenes, or of a relative of the agent, from the same first looks."""
        return _look(agent or self.agent, self.setting.world, scenes, self.recipe)

    def fresh(self, seed: int) -> Any:
        """The same agent with weights drawn anew."""
        return _built(self.recipe, self.setting, seed).eval()


def revive(result: dict[str, Any], folder: Path, run: Run) -> Trained:
    """The agent that this result is of.

    run: on which device, with how many threads, and where datasets lie. Raises UsageError for a
    result of no recipe of experiments.run, or one that the agent does not have when it is measured
    again; CheckpointError for weights that cannot be read; DataError.
    """
    recipe = recipe_of(result)
    setting = prepare(recipe.problem, run)
    agent = _built(recipe, setting, 0)
    try:
        weights = checkpoint.read(folder / "best.pt", setting.device)["agent"]
        agent.load_state_dict(weights)
    except (KeyError, RuntimeError) as fault:
        if isinstance(fault, checkpoint.CheckpointError):
            raise
        raise UsageError(f"{folder}: best.pt does not fit its recipe: {_line(fault)}") from fault
    agent.eval()
    problem = recipe.problem
    test = frozen(setting.make, setting.dataset.test, problem.test_seed, problem.test_draws)
    columns = _look(agent, setting.world, test, recipe)
    found, said = error(columns), result["figures"]["greedy"]["error"]
    if abs(found - said) > APART:
        raise UsageError(
            f"{folder}: its error is {100 * found:.1f} % now and was {100 * said:.1f} %: the code "
            "or the data changed since; run it again into another folder"
        )
    return Trained(result, recipe, setting, agent, test, columns)


def recipe_of(result: dict[str, Any]) -> Recipe:
    """The recipe with the fields that the result was had with. Raises UsageError."""
    stored, name = result["recipe"], result["name"].partition(",")[0]
    base = RECIPES.get(name)
    if base is None or stored.get("agent") != type(base.agent).__name__:
        raise UsageError(f"{result['name']}: no recipe of experiments.run, so it is not made again")
    parts = {
        part: dataclasses.replace(getattr(base, part), **_fields(getattr(base, part), stored))
        for part in ("problem", "agent", "learning")
    }
    return dataclasses.replace(base, **parts)


def _fields(part: Any, stored: dict[str, Any]) -> dict[str, Any]:
    """Its fields as stored; one that was not there yet has its default."""
    values = {}
    for field in dataclasses.fields(part):
        value = stored.get(field.name, field.default)
        if isinstance(value, list):
            value = tuple(value)
        if isinstance(field.default, float) and isinstance(value, str):  # JSON has no infinity
            value = float(value)
        values[field.name] = value
    return values


def _built(recipe: Recipe, setting: Setting, seed: int) -> Any:
    world = setting.world
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        agent = recipe.agent.build(world.sensor.shape(setting.image), world, setting.image)
    return agent.to(setting.device)


def _look(agent: Any, world: World, scenes: Scenes, recipe: Recipe) -> Columns:
    columns = evaluate(agent, world, scenes, DRAWS[recipe.problem.draw])
    return named(columns, world.task)


def _line(fault: Exception) -> str:
    return " ".join(str(fault).split())[:200]
