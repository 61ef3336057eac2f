"""A finished run, alive again: its recipe, its test scenes, its agent with the measured weights."""

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from hardattn import storage
from hardattn.evaluation.evaluate import Columns, evaluate
from hardattn.evaluation.metrics import error
from hardattn.rollout import DRAWS, Agent
from hardattn.scenes import Scenes, fixed_scenes
from hardattn.world import World

from .build import Learner
from .kinds import Json
from .measure import measure
from .recipe import ProblemOptions, Recipe, RunOptions, UsageError, from_settings
from .recipes import sb3
from .records import sources
from .run import Setting, prepare
from .trainers.trainer import TRAINERS

APART = 0.005  # of the error, by which another machine's arithmetic may change it


@dataclass(frozen=True, eq=False)
class LoadedRun:
    """What a run was trained and measured with; the agent is in evaluation mode."""

    result: Json
    recipe: Recipe
    setting: Setting
    agent: Learner
    test: Scenes

    @cached_property
    def columns(self) -> Columns:
        """One pass over the test scenes, as in use."""
        return self.look(self.test)

    @property
    def differs(self) -> str:
        """How its error now differs from that of its result; "" where they agree."""
        now, told = error(self.columns), self.result["figures"]["greedy"]["error"]
        draws = self.result["figures"]["greedy"].get("draws", 1)
        if draws > 1:
            draw, seed = DRAWS[self.recipe.problem.draw], self.result["seed"]
            again = measure(self.agent, self.setting.world, self.test, draw, seed, draws)
            now = error(again["drawn"])
        if abs(now - told) <= APART:
            return ""
        return f"its error is {100 * now:.1f} % here, and {100 * told:.1f} % in result.json"

    def look(self, scenes: Scenes, agent: Agent | None = None) -> Columns:
        """One pass over other scenes, or of a relative of the agent, from the same first looks."""
        world = self.setting.world
        return evaluate(agent or self.agent, world, scenes, DRAWS[self.recipe.problem.draw])

    def fresh(self, seed: int) -> Learner:
        """The same agent with weights drawn anew."""
        setting = self.setting
        agent = built(self.recipe, setting.world, setting.image, seed)
        return agent.to(setting.device).eval()


class RunLoader:
    """Makes runs alive, one after another; those of one problem share their scenes.

    run: on which device, with how many threads, and where datasets lie.
    """

    def __init__(self, run: RunOptions):
        self.given = run
        self.problem: ProblemOptions | None = None
        self.setting: Setting
        self.test: Scenes
        self.told: set[str] = set()  # what changed since, which is said once

    def __call__(self, folder: Path, result: Json) -> LoadedRun:
        """The run in that folder, after a line where its code has changed since.

        Raises UsageError, naming the folder, where it cannot be made alive: of this version there
        is no such recipe or agent, its data cannot be had or are others, its weights are damaged.
        """
        try:
            return self._alive(folder, result)
        except UsageError as fault:
            if str(folder) in str(fault):
                raise
            raise UsageError(f"{folder}: {fault}") from fault
        except Exception as fault:  # of any kind, if the agent was edited since
            why = (str(fault).splitlines() or [""])[0]
            if str(folder) in why:
                raise UsageError(why) from fault
            if not isinstance(fault, ValueError | RuntimeError):
                why = f"{type(fault).__name__}: {why}"
            raise UsageError(f"{folder}: cannot be made alive ({why})") from fault

    def _alive(self, folder: Path, result: Json) -> LoadedRun:
        recipe = recipe_of(result, folder)
        if not (folder / "best.pt").exists():
            raise UsageError(f"{folder / 'best.pt'}: missing, so there is no agent: run it again")
        problem = recipe.problem
        if problem != self.problem:
            self.problem = None  # until all of it is there
            self.setting = prepare(problem, self.given)
            split = self.setting.dataset.test
            self.test = fixed_scenes(
                self.setting.make, split, problem.test_seed, problem.test_draws
            )
            self.problem = problem
        setting = self.setting
        if result.get("data") and setting.data and result["data"] != setting.data:
            raise UsageError(
                f"{folder}: the data are not those that it was trained on ({result['data']}, now "
                f"{setting.data}): put those back, or run it again"
            )
        since = sources.since(result)
        if since and since not in self.told:
            self.told.add(since)
            print(f"{folder}: {since}; this is what the code now makes of it", file=sys.stderr)
        agent = built(recipe, setting.world, setting.image).to(setting.device)
        try:
            weights = storage.read(folder / "best.pt", setting.device)["agent"]
            agent.load_state_dict(weights)
        except (KeyError, RuntimeError) as fault:
            if isinstance(fault, storage.CheckpointError):
                raise
            raise UsageError(
                f"{folder / 'best.pt'}: not the weights of {result['name']}: run it again"
            ) from fault
        return LoadedRun(result, recipe, setting, agent.eval(), self.test)


def recipe_of(result: Json, where: Path | str) -> Recipe:
    """The recipe of a result; a setting that it does not name is as by default.

    Raises UsageError.
    """
    given, of = dict(result["recipe"]), None
    if given.get("agent") in sb3.AGENTS:
        of = sb3.by_default(given["agent"], given.pop("estimator", ""))
    return from_settings(given, where, result["title"], of)


def built(recipe: Recipe, world: World, image: tuple[int, int, int], seed: int = 0) -> Learner:
    """The recipe's agent with weights of that seed; nobody else's random numbers are used up."""
    with torch.random.fork_rng(devices=[]):
        return TRAINERS[recipe.trainer].build(recipe, world, image, seed)
