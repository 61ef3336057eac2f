"""Algorithms of Stable-Baselines3 as a trainer: `hardattn train sb3-ppo`.

Models are kept whole in model.zip, and their weights in best.pt, as those of any agent. A run that
is stopped begins again.
"""

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from hardattn import storage
from hardattn.data import Split
from hardattn.envs import Problem
from hardattn.envs.actions import FLAT
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import compute, error
from hardattn.rng import mix
from hardattn.rollout import DRAWS
from hardattn.scenes import plain
from hardattn.training.interrupt import Stopped
from hardattn.training.log import Log
from hardattn.training.loop import TrainingResult, best_of
from hardattn.training.metrics import NotFinite, Stopwatch
from hardattn.world import World

from ..build import Learner
from ..kinds import Json
from ..recipe import Recipe, RunOptions, UsageError
from ..records import timing
from ..run import Setting, begin, conclude, finish, log_of, prepare, record

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

DIVERGED = "a weight or an action is not finite: lower the learning rate (--lr)"


def work(name: str, recipe: Recipe, run: RunOptions, command: str, folder: Path) -> Json:
    """Train and measure: see `hardattn.experiments.run.execute`."""
    libraries()
    from stable_baselines3 import __version__
    from stable_baselines3.common.logger import Logger

    if recipe.problem.train_fraction is not None:
        raise UsageError(
            "only our own recipes learn from a share of the images: no --train-fraction"
        )
    if recipe.problem.normalise:
        raise UsageError("only our own recipes normalise what agents see: no --normalise")
    setting = prepare(recipe.problem, run)
    split = setting.dataset.train
    problem = Problem(setting.world, setting.make, split, setting.answers)
    # Environments of neighbouring seeds would share all of their episodes but a few.
    model, agent = model_of(recipe, problem, mix(run.seed) % 2**31, setting.device)
    model.set_logger(Logger(None, []))  # or it would make folders of its own
    begin(folder, recipe, run, setting, agent)
    log = log_of(folder, name, run, setting)
    try:
        with timing.work():
            trained = learn(model, agent, setting, recipe, log)
        storage.write(folder / "best.pt", {"agent": agent.state_dict()})
        result = conclude(setting, name, recipe, run, command, folder, agent, record(trained))
        result["made_with"]["stable_baselines3"] = __version__
        model.save(folder / "unfinished.zip")
        os.replace(folder / "unfinished.zip", folder / "model.zip")
        finish(log, recipe, run, result)
        return result
    finally:
        log.close()


def build(recipe: Recipe, world: World, image: tuple[int, int, int], seed: int = 0) -> Learner:
    """The recipe's agent with weights of that seed, untrained."""
    libraries()
    nothing = Split(torch.zeros(1, *image, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
    answers = tuple(str(number) for number in range(world.task.classes))
    training = recipe.training
    if hasattr(training, "buffer"):
        training = replace(training, buffer=training.envs)
    problem = Problem(world, plain, nothing, answers)
    return model_of(replace(recipe, training=training), problem, seed, torch.device("cpu"))[1]


def libraries() -> None:
    """Raise UsageError where Stable-Baselines3 is not installed."""
    try:
        import sb3_contrib  # noqa: F401
        import stable_baselines3  # noqa: F401
    except ImportError as fault:
        raise UsageError(
            f"{fault.name} is missing: pip install stable-baselines3 sb3-contrib"
        ) from fault


def model_of(
    recipe: Recipe, problem: Problem, seed: int, device: torch.device
) -> "tuple[BaseAlgorithm, Learner]":
    """A model of the recipe's algorithm, untrained, and the agent that it is.

    They are imported here, as only these recipes need them: it takes a second and more.
    """
    from sb3_contrib import RecurrentPPO
    from stable_baselines3 import A2C, PPO, SAC

    from hardattn.agents.sb3 import SB3Agent
    from hardattn.envs.sb3 import GlimpseVecEnv

    algorithms = {
        "A2C": (A2C, "MlpPolicy"),
        "PPO": (PPO, "MlpPolicy"),
        "recurrent PPO": (RecurrentPPO, "MlpLstmPolicy"),
        "SAC": (SAC, "MlpPolicy"),
    }
    training = recipe.training
    algorithm, policy = algorithms[training.estimator]
    env = GlimpseVecEnv(problem, training.envs, **recipe.agent.arguments())
    try:
        model = algorithm(
            policy,
            env,
            learning_rate=training.falling,
            policy_kwargs=recipe.agent.policy(),
            seed=seed,
            device=device,
            **training.arguments(),
        )
    except (AssertionError, ImportError) as fault:
        raise UsageError(str(fault).splitlines()[0]) from fault
    if hasattr(recipe.agent, "std") and recipe.agent.action != "cell":
        # What a policy has no option for.
        shape = env.actions.space.shape
        assert shape is not None
        logits = shape[0] - env.actions.wide
        stds = [recipe.agent.std] * env.actions.wide + [recipe.agent.doubt / FLAT] * logits
        with torch.no_grad():
            model.policy.log_std.copy_(torch.tensor(stds).log())
    return model, cast(Learner, SB3Agent(model, env).to(device))


class Validations:
    """What a model calls after each step: validates at times, and keeps the best weights."""

    def __init__(
        self, model: "BaseAlgorithm", agent: Learner, setting: Setting, recipe: Recipe, log: Log
    ):
        self.model, self.agent, self.setting, self.log = model, agent, setting, log
        self.training, self.draw = recipe.training, recipe.problem.draw
        self.curve: list[tuple[int, float]] = []
        self.best: Json = {}
        self.spent = Stopwatch()
        self.steps = 0

    @property
    def images(self) -> int:
        return self.model.num_timesteps // self.setting.world.looks

    def __call__(self, local: Json, everywhere: Json) -> bool:
        self.steps += 1
        if self.images >= (self.curve[-1][0] if self.curve else 0) + self.training.validate_every:
            self.validate()
        elif self.steps % (self.log.every * self.setting.world.looks) == 0:
            self.spent.stop()
            self.tell()
        return True

    def tell(self) -> float:
        """How training goes, for whoever watches: the mean reward of the last episodes."""
        ended = [episode["r"] for episode in self.model.ep_info_buffer or []]
        reward = sum(ended) / len(ended) if ended else math.nan
        rate = self.training.falling(max(0.0, 1 - self.images / self.training.images))
        self.log.progress(self.images, self.spent.seconds, -reward)
        found = {"reward": reward, "learning_rate": rate}
        self.log.training(self.images, self.spent.seconds, found)
        return reward

    def validate(self) -> None:
        """Measure, and take note; none of it is training."""
        self.spent.stop()
        world, scenes = self.setting.world, self.setting.validation
        columns = evaluate(self.agent, world, scenes, DRAWS[self.draw])
        self.curve.append((self.images, error(columns)))
        reward = self.tell()
        self.log.validation(self.images, {"reward": reward}, compute(columns), columns, scenes)
        if best_of(self.curve)[0] == self.images:
            held = self.model.policy.state_dict()
            self.best = {name: value.clone() for name, value in held.items()}
        self.spent.start()


def learn(
    model: "BaseAlgorithm", agent: Learner, setting: Setting, recipe: Recipe, log: Log
) -> TrainingResult:
    """The model gets the best of its weights.

    Raises NotFinite for weights that are not, Stopped where somebody interrupts.
    """
    agent.eval()
    log.start(0, recipe.training.images)
    watch = Validations(model, agent, setting, recipe, log)
    try:
        model.learn(recipe.training.images * setting.world.looks, watch)
    except KeyboardInterrupt as fault:
        raise Stopped("stopped; the same command begins again", 130) from fault
    except ValueError as fault:  # of torch.distributions, which refuse such numbers
        raise NotFinite(DIVERGED) from fault
    if not all(weight.isfinite().all() for weight in agent.parameters()):
        raise NotFinite(DIVERGED)
    if not watch.curve or watch.curve[-1][0] < watch.images:
        watch.validate()
    model.policy.load_state_dict(watch.best)
    best = best_of(watch.curve)[0]
    return TrainingResult(watch.images, watch.spent, best, watch.curve)
