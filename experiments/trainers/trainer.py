"""Who can train: our own loop, and Stable-Baselines3. A recipe names one of them."""

from collections.abc import Callable
from typing import NamedTuple

from hardattn.rollout import Agent
from hardattn.training.distributed import here
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
