"""Train an algorithm of Stable-Baselines3 and measure it: `hardattn train ALGORITHM`.

ALGORITHM is ppo, recurrent-ppo, a2c or sac. They learn on the scenes of ram-cluttered-digits, and
are measured on its test scenes by the same harness, so that the results stand in one table. Needs
`pip install 'hardattn[sb3]'`. A run that is stopped begins again. Exit codes are those of
experiments.run.
"""

import math
import os
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from . import timing
from .command import obey
from .commands.train import Program, in_one_line, main as run_main
from .recipe import Recipe, RunOptions, UsageError
from .recipes import measured
from .recipes.cluttered import CLUTTERED_DIGITS


def at_least(config: Any, least: int, *names: str) -> None:
    """Raise UsageError if one of these fields is set to less."""
    for name in names:
        if not getattr(config, name) >= least:
            raise UsageError(f"{name} must be at least {least}, not {getattr(config, name)}")


def positive(config: Any, *names: str) -> None:
    """Raise UsageError if one of these fields is zero, less, or NaN."""
    for name in names:
        if not getattr(config, name) > 0:
            raise UsageError(f"{name} must be positive, not {getattr(config, name)}")


def finite(config: Any, *names: str) -> None:
    """Raise UsageError if one of these fields is infinity or NaN."""
    for name in names:
        if not abs(getattr(config, name)) < float("inf"):
            raise UsageError(f"{name} must be a finite number, not {getattr(config, name)}")


@dataclass(frozen=True)
class Feedforward:
    """A policy and a critic of two layers each, which remember nothing but the last glimpse."""

    action: Literal["cell", "place", "move"] = "cell"
    """A cell of a grid, with a class; or a place, or a move, with logits: their loss is charged."""
    grid: int = 7
    """Cells a side (cell)."""
    std: float = 0.2
    """Standard deviation of a place at first, in half-sides of the image, or of a move."""
    doubt: float = 0.5
    """Standard deviation of a logit at first."""
    hidden: int = 128
    """Units of each layer."""

    def __post_init__(self) -> None:
        at_least(self, 1, "grid", "hidden")
        positive(self, "std", "doubt")
        finite(self, "std", "doubt")

    def arguments(self) -> dict[str, Any]:
        """What an environment is to be made with."""
        if self.action == "cell":
            return {"action": "cell", "cells": (self.grid, self.grid), "answer": "class"}
        return {"action": self.action, "answer": "logits"}

    def policy(self) -> dict[str, Any]:
        """What a policy is to be made with."""
        return {"net_arch": [self.hidden, self.hidden]}

    def begin(self, model: Any, env: Any) -> None:
        """Set what a policy has no option for."""
        import torch

        from hardattn.envs.actions import FLAT

        if self.action != "cell":
            logits = env.actions.space.shape[0] - env.actions.wide
            stds = [self.std] * env.actions.wide + [self.doubt / FLAT] * logits
            with torch.no_grad():
                model.policy.log_std.copy_(torch.tensor(stds).log())


@dataclass(frozen=True)
class Recurrent(Feedforward):
    """The same above an LSTM, which policy and critic share."""

    memory: int = 128
    """Units of the LSTM."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "memory")

    def policy(self) -> dict[str, Any]:
        """What a policy is to be made with."""
        shared = {"shared_lstm": True, "enable_critic_lstm": False}
        return super().policy() | shared | {"lstm_hidden_size": self.memory}


@dataclass(frozen=True)
class Squashed:
    """SAC's: a policy that squashes its numbers, and two critics, of two layers each."""

    action: Literal["place", "move"] = "place"
    """A place or a move, with logits, whose cross-entropy is charged."""
    hidden: int = 256
    """Units of each layer."""

    def __post_init__(self) -> None:
        at_least(self, 1, "hidden")

    def arguments(self) -> dict[str, Any]:
        """What an environment is to be made with."""
        return {"action": self.action, "answer": "logits"}

    def policy(self) -> dict[str, Any]:
        """What a policy is to be made with."""
        return {"net_arch": [self.hidden, self.hidden]}

    def begin(self, model: Any, env: Any) -> None:
        """Leave it as it is."""


@dataclass(frozen=True)
class Interaction:
    """What all algorithms have in common."""

    images: int = 320_000
    """Scenes looked at in training."""
    envs: int = 64
    lr: float = 1e-3
    """At first; it falls linearly to 0."""
    discount: float = 0.5
    validate_every: int = 20_000
    """Scenes between validations, of which the best keeps its weights."""

    def __post_init__(self) -> None:
        at_least(self, 1, "images", "envs", "validate_every")
        positive(self, "lr")
        finite(self, "lr")
        for name in ("discount", "gae_lambda"):
            if not 0 <= getattr(self, name, 0.0) <= 1:
                raise UsageError(f"{name} must be between 0 and 1, not {getattr(self, name)}")

    def falling(self, left: float) -> float:
        """The learning rate when that share of training is left."""
        return self.lr * left


@dataclass(frozen=True)
class A2c(Interaction):
    """Of Mnih et al. (2016)."""

    steps: int = 12
    """Of each environment from update to update."""
    gae_lambda: float = 0.95
    """Lambda of the generalised advantage."""
    ent_coef: float = 0.01
    """Weight of the entropy of actions."""
    max_grad_norm: float = 0.5
    """Largest norm of the gradient."""
    estimator: str = field(default="A2C", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "steps")
        at_least(self, 0, "ent_coef")
        positive(self, "max_grad_norm")

    def common(self) -> dict[str, Any]:
        """What on-policy algorithms are to be made with."""
        return {
            "n_steps": self.steps,
            "gamma": self.discount,
            "gae_lambda": self.gae_lambda,
            "ent_coef": self.ent_coef,
            "max_grad_norm": self.max_grad_norm,
        }

    def model(self, env: Any, **named: Any) -> Any:
        """The algorithm, with these options more."""
        from stable_baselines3 import A2C

        return A2C("MlpPolicy", env, **(self.common() | named))


@dataclass(frozen=True)
class Ppo(A2c):
    """Of Schulman et al. (2017)."""

    steps: int = 48
    """Of each environment from one round of updates to the next."""
    batch_size: int = 512
    """Steps to an update."""
    update_epochs: int = 4
    """Updates from the same steps."""
    clip_range: float = 0.2
    """How far a ratio of probabilities may go from 1."""
    estimator: str = field(default="PPO", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "update_epochs")
        at_least(self, 2, "batch_size")
        positive(self, "clip_range")

    def common(self) -> dict[str, Any]:
        """What on-policy algorithms are to be made with."""
        more = {
            "batch_size": self.batch_size,
            "n_epochs": self.update_epochs,
            "clip_range": self.clip_range,
        }
        return super().common() | more

    def model(self, env: Any, **named: Any) -> Any:
        """The algorithm, with these options more."""
        from stable_baselines3 import PPO

        return PPO("MlpPolicy", env, **(self.common() | named))


@dataclass(frozen=True)
class RecurrentPpo(Ppo):
    """PPO through an LSTM, of sb3-contrib."""

    estimator: str = field(default="recurrent PPO", init=False)

    def model(self, env: Any, **named: Any) -> Any:
        """The algorithm, with these options more."""
        from sb3_contrib import RecurrentPPO

        return RecurrentPPO("MlpLstmPolicy", env, **(self.common() | named))


@dataclass(frozen=True)
class Sac(Interaction):
    """Of Haarnoja et al. (2018)."""

    batch_size: int = 256
    """Remembered steps to an update."""
    updates: int = 8
    """After each step of all environments."""
    buffer: int = 200_000
    """Steps that are remembered."""
    start: int = 1_000
    """Steps at random before it learns."""
    estimator: str = field(default="SAC", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "batch_size", "updates", "buffer")
        at_least(self, 0, "start")

    def model(self, env: Any, **named: Any) -> Any:
        """The algorithm, with these options more."""
        from stable_baselines3 import SAC

        return SAC(
            "MlpPolicy",
            env,
            gamma=self.discount,
            batch_size=self.batch_size,
            gradient_steps=self.updates,
            buffer_size=self.buffer,
            learning_starts=self.start,
            **named,
        )


def _recipe(title: str, about: str, agent: Any, training: Any) -> Recipe:
    problem = replace(CLUTTERED_DIGITS.problem, bonus=1.0)
    return Recipe(
        title,
        f"{about} {CLUTTERED_DIGITS.scene}",
        problem=problem,
        agent=agent,
        estimator=None,
        training=training,
    )


PREFIX = "sb3-"
DIVERGED = "a weight or an action is not finite: lower the learning rate (--lr)"
_ALL: dict[str, Recipe] = {
    "ppo": _recipe(
        "PPO (SB3)",
        "Stable-Baselines3's PPO, which answers and looks by reward alone, and has no memory.",
        Feedforward(),
        Ppo(),
    ),
    "recurrent-ppo": _recipe(
        "recurrent PPO (SB3)",
        "sb3-contrib's PPO with an LSTM, which answers and looks by reward alone.",
        Recurrent(),
        RecurrentPpo(),
    ),
    "a2c": _recipe(
        "A2C (SB3)",
        "Stable-Baselines3's A2C, which answers and looks by reward alone, and has no memory.",
        Feedforward(),
        A2c(),
    ),
    "sac": _recipe(
        "SAC (SB3)",
        "Stable-Baselines3's SAC, whose places and logits are numbers; it has no memory.",
        Squashed(),
        Sac(images=32_000, validate_every=4_000),
    ),
}
RECIPES: dict[str, Recipe] = {
    name: measured(PREFIX + name, recipe) for name, recipe in _ALL.items()
}


def work(name: str, recipe: Recipe, run: RunOptions, command: str, folder: Path) -> dict[str, Any]:
    """Train and measure: see `hardattn.experiments.run.execute`."""
    try:
        import stable_baselines3
        from stable_baselines3.common.logger import Logger

        from hardattn.envs.sb3 import GlimpseVecEnv
    except ImportError as fault:
        raise UsageError(f"{fault.name} is missing: pip install 'hardattn[sb3]'") from fault
    from hardattn.agents.sb3 import SB3Agent
    from hardattn.envs import Problem
    from hardattn.training.log import Log
    from hardattn.training.loop import mix

    from .run import begin, conclude, finish, prepare, record

    setting = prepare(recipe.problem, run)
    split = setting.dataset.train
    problem = Problem(setting.world, setting.make, split, setting.answers)
    env = GlimpseVecEnv(problem, recipe.training.envs, **recipe.agent.arguments())
    try:
        model = recipe.training.model(
            env,
            learning_rate=recipe.training.falling,
            policy_kwargs=recipe.agent.policy(),
            # Environments of neighbouring seeds would share all of their episodes but a few.
            seed=mix(run.seed) % 2**31,
            device=setting.device,
        )
    except (AssertionError, ImportError) as fault:
        raise UsageError(str(fault).splitlines()[0]) from fault
    recipe.agent.begin(model, env)
    model.set_logger(Logger(None, []))  # or it would make folders of its own
    agent = SB3Agent(model, env).to(setting.device)
    begin(folder, recipe, run, setting, agent)
    log = Log(folder, f"{name} seed {run.seed}", retina=setting.retina, classes=setting.answers)
    try:
        with timing.work(folder):
            trained = learn(model, agent, setting, recipe, log)
        result = conclude(setting, name, recipe, run, command, folder, agent, record(trained))
        result["made_with"]["stable_baselines3"] = stable_baselines3.__version__
        model.save(folder / "unfinished.zip")
        os.replace(folder / "unfinished.zip", folder / "model.zip")
        finish(log, recipe, run, result, RECIPES)
        return result
    finally:
        log.close()


class Validations:
    """What a model calls after each step: validates at times, and keeps the best weights."""

    def __init__(self, model: Any, agent: Any, setting: Any, recipe: Recipe, log: Any):
        from hardattn.training.loop import Spent

        self.model, self.agent, self.setting, self.log = model, agent, setting, log
        self.training, self.draw = recipe.training, recipe.problem.draw
        self.curve: list[tuple[int, float]] = []
        self.best: dict[str, Any] = {}
        self.spent = Spent()
        self.steps = 0

    @property
    def images(self) -> int:
        return self.model.num_timesteps // self.setting.world.looks

    def __call__(self, local: Any, everywhere: Any) -> bool:
        self.steps += 1
        if self.images >= (self.curve[-1][0] if self.curve else 0) + self.training.validate_every:
            self.validate()
        elif self.steps % (self.log.every * self.setting.world.looks) == 0:
            self.spent.pause()
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
        from hardattn.evaluation.evaluate import evaluate
        from hardattn.evaluation.metrics import error, figures
        from hardattn.rollout import DRAWS
        from hardattn.training.loop import best_of

        self.spent.pause()
        world, scenes = self.setting.world, self.setting.validation
        columns = evaluate(self.agent, world, scenes, DRAWS[self.draw])
        self.curve.append((self.images, error(columns)))
        reward = self.tell()
        self.log.validation(self.images, {"reward": reward}, figures(columns), columns, scenes)
        if best_of(self.curve)[0] == self.images:
            held = self.model.policy.state_dict()
            self.best = {name: value.clone() for name, value in held.items()}
        self.spent.go_on()


def learn(model: Any, agent: Any, setting: Any, recipe: Recipe, log: Any) -> Any:
    """The model with the best of its weights -> `Trained`.

    Raises NotFinite for weights that are not, Stopped where somebody interrupts.
    """
    from hardattn.training.loop import NotFinite, Stopped, Trained, best_of

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
    return Trained(watch.images, watch.spent, best, watch.curve)


SB3 = Program("hardattn train", __doc__, RECIPES, PREFIX, work)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    return run_main(arguments, SB3)


if __name__ == "__main__":
    warnings.formatwarning = in_one_line
    obey(main)
