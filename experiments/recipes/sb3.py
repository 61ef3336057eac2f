"""Recipes for algorithms of Stable-Baselines3 and sb3-contrib, which are installed with hardattn.

They learn on the scenes of ram-cluttered-digits, and are measured on its test scenes by the same
harness, so that the results stand in one table. A run that is stopped begins again.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from ..kinds import Settings
from ..options.option import UsageError
from ..options.wording import at_least, finite, positive
from ..recipe import Recipe
from .cluttered import CLUTTERED_DIGITS


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

    def arguments(self) -> Settings:
        """What an environment is to be made with."""
        if self.action == "cell":
            return {"action": "cell", "cells": (self.grid, self.grid), "answer": "class"}
        return {"action": self.action, "answer": "logits"}

    def policy(self) -> Settings:
        """What a policy is to be made with."""
        return {"net_arch": [self.hidden, self.hidden]}


@dataclass(frozen=True)
class Recurrent(Feedforward):
    """The same above an LSTM, which policy and critic share."""

    memory: int = 128
    """Units of the LSTM."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "memory")

    def policy(self) -> Settings:
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

    def arguments(self) -> Settings:
        """What an environment is to be made with."""
        return {"action": self.action, "answer": "logits"}

    def policy(self) -> Settings:
        """What a policy is to be made with."""
        return {"net_arch": [self.hidden, self.hidden]}


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

    def arguments(self) -> Settings:
        """What the algorithm is to be made with."""
        raise NotImplementedError

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

    def arguments(self) -> Settings:
        """What the algorithm is to be made with."""
        return {
            "n_steps": self.steps,
            "gamma": self.discount,
            "gae_lambda": self.gae_lambda,
            "ent_coef": self.ent_coef,
            "max_grad_norm": self.max_grad_norm,
        }


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

    def arguments(self) -> Settings:
        """What the algorithm is to be made with."""
        more = {
            "batch_size": self.batch_size,
            "n_epochs": self.update_epochs,
            "clip_range": self.clip_range,
        }
        return super().arguments() | more


@dataclass(frozen=True)
class RecurrentPpo(Ppo):
    """PPO through an LSTM, of sb3-contrib."""

    estimator: str = field(default="recurrent PPO", init=False)


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

    def arguments(self) -> Settings:
        """What the algorithm is to be made with."""
        return {
            "gamma": self.discount,
            "batch_size": self.batch_size,
            "gradient_steps": self.updates,
            "buffer_size": self.buffer,
            "learning_starts": self.start,
        }


def _recipe(title: str, about: str, agent: Feedforward | Squashed, training: Interaction) -> Recipe:
    problem = replace(CLUTTERED_DIGITS.problem, bonus=1.0)
    return Recipe(
        title=title,
        about=f"{about} {CLUTTERED_DIGITS.scene}",
        problem=problem,
        agent=agent,
        estimator=None,
        training=training,
        trainer="sb3",
    )


SB3: dict[str, Recipe] = {
    "sb3-ppo": _recipe(
        "PPO (SB3)",
        "Stable-Baselines3's PPO, which answers and looks by reward alone, and has no memory.",
        Feedforward(),
        Ppo(),
    ),
    "sb3-recurrent-ppo": _recipe(
        "recurrent PPO (SB3)",
        "sb3-contrib's PPO with an LSTM, which answers and looks by reward alone.",
        Recurrent(),
        RecurrentPpo(),
    ),
    "sb3-a2c": _recipe(
        "A2C (SB3)",
        "Stable-Baselines3's A2C, which answers and looks by reward alone, and has no memory.",
        Feedforward(),
        A2c(),
    ),
    "sb3-sac": _recipe(
        "SAC (SB3)",
        "Stable-Baselines3's SAC, whose places and logits are numbers; it has no memory.",
        Squashed(),
        Sac(images=32_000, validate_every=4_000),
    ),
}

# By the names that a result has them under.
AGENTS: dict[str, type[Feedforward | Squashed]] = {
    kind.__name__: kind for kind in (Feedforward, Recurrent, Squashed)
}
ALGORITHMS: dict[str, type[A2c | Sac]] = {
    kind.estimator: kind for kind in (A2c, Ppo, RecurrentPpo, Sac)
}


def by_default(agent: str, estimator: str) -> Recipe:
    """A recipe of these two, as by default. Raises UsageError for another algorithm."""
    if estimator not in ALGORITHMS:
        raise UsageError(f"no algorithm of Stable-Baselines3 is called {estimator!r} here")
    training = ALGORITHMS[estimator]()
    parts: Settings = {"estimator": None, "training": training, "trainer": "sb3"}
    return Recipe(title="", about="", agent=AGENTS[agent](), **parts)
