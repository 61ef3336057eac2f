"""Who can train: our own loop, and Stable-Baselines3. A recipe names one of them."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from hardattn.rollout import Agent
from hardattn.training.distributed import here, joined_as
from hardattn.training.stacked import Stacked
from hardattn.world import World

from .. import run
from ..build import Estimator, Image, Learner
from ..kinds import Json
from ..options.option import choose
from ..recipe import Recipe, RunOptions, UsageError
from . import sb3


class Trainer(NamedTuple):
    """How the agent of a recipe is trained, and made again."""

    work: run.Work
    """Trains and measures in a folder: see `run.execute`."""
    build: Callable[[Recipe, World, Image, int], Learner]
    """recipe, world, image, seed -> the agent with weights of that seed, untrained."""
    estimator: Callable[[Recipe, Agent, World], Estimator | None]
    """recipe, agent, world -> the function that weights are found by, or None."""


def _by_itself(recipe: Recipe, agent: Agent, world: World) -> None:
    """An algorithm that is no function of ours."""


TRAINERS: dict[str, Trainer] = {
    "hardattn": Trainer(run.work, run.build, run.estimator),
    "sb3": Trainer(sb3.work, sb3.build, _by_itself),
}


def execute(name: str, recipe: Recipe, given: RunOptions, command: str) -> Json:
    """Train and measure by the trainer of the recipe: see `run.execute`."""
    trainer = choose("trainer", TRAINERS, recipe.trainer)
    if here().size > 1 and trainer.work is not run.work:
        raise UsageError(f"{name} is trained by {recipe.trainer}, in one process: no torchrun")
    if given.capture and trainer.work is not run.work:
        raise UsageError(f"{name} is trained by {recipe.trainer}, whose updates no graph holds")
    if given.validate_only and trainer.work is not run.work:
        raise UsageError(f"{name} is trained by {recipe.trainer}, which cannot --validate-only")
    result: Json = run.execute(name, recipe, given, command, trainer.work)
    return result


def execute_all(name: str, recipe: Recipe, given: RunOptions, command: str) -> list[Json]:
    """What `execute` finds for each of `given.seeds`, which are trained as one.

    Raises UsageError where they cannot be; what the first has raised that failed, once all ended.
    """
    first, mark, end = (given.seeds or "").partition(":")
    if not (mark and first.isdecimal() and end.isdecimal() and int(first) < int(end)):
        raise UsageError(f"--seeds is FIRST:END, such as 0:8 of 0 to 7, not {given.seeds!r}")
    if recipe.trainer != "hardattn":
        raise UsageError(f"{name} is trained by {recipe.trainer}, a seed at a time (--seed)")
    if here().size > 1:
        raise UsageError("several seeds are trained as one in one process: no torchrun")
    alone = [replace(given, seed=seed, seeds=None) for seed in range(int(first), int(end))]
    together = Stacked()
    with joined_as(together):
        found = together.run([partial(execute, name, recipe, one, command) for one in alone])
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found
