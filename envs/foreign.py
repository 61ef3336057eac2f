"""Environments that others wrote, as worlds that our agents look around in.

    import ap_gym
    from hardattn.agents import RAM
    from hardattn.envs.foreign import ForeignWorld
    from hardattn.evaluate import evaluate

    world = ForeignWorld(lambda: ap_gym.make_vec("CircleSquare-v0", 100))
    agent = RAM(world.sensor.shape((1, 1, 1)), world.task.classes)
    columns = evaluate(agent, world, world.scenes(500), batch=100)

The convention is that of ap_gym (Schneider et al., PyPI `ap-gym`). An action is a Dict: "action",
(2,), a step as a share of the longest there is, and "prediction", (K,) logits. An observation has
"glimpse" (G, G, C) in [0, 1], "glimpse_pos" (2,) in [-1, 1] and "time_step". Every step is charged
for its prediction; infos hold "base_reward", what is paid beside that, and "prediction" with the
"target".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from torch import Tensor
from torch.nn import functional as F

from hardattn.data import Dataset, Split
from hardattn.rng import Generator
from hardattn.scenes import Scenes
from hardattn.sensors.windows import Points
from hardattn.tasks import Classify
from hardattn.world import Observation, World

OBSERVED = ("glimpse", "glimpse_pos", "time_step")
BATCHES = 2**20  # of one seed of `scenes`, of which there are as many:
SEEDS = BATCHES**2  # below here; from here on are those of training


class ForeignSensor(Points):
    """The sensor of a foreign environment, which lets nobody else look: (C, G, G) glimpses."""

    everything = False
    differentiable = False

    def __init__(self, shape: tuple[int, ...]):
        self.glimpse = shape

    def shape(self, image: tuple[int, int, int]) -> tuple[int, ...]:
        return self.glimpse

    def pixels(self, image: tuple[int, int, int]) -> int:
        return self.glimpse[1] * self.glimpse[2]

    def fine(self, image: tuple[int, int, int]) -> tuple[int, int]:
        return self.glimpse[1], self.glimpse[2]

    wide = fine

    def open(self, images: Tensor) -> Any:
        raise NotImplementedError("a foreign environment is opened by its world")

    def look(self, view: Any, place: Tensor) -> Tensor:
        raise NotImplementedError("a foreign environment shows what it likes")


@dataclass(frozen=True, eq=False)
class Turn:
    """What the environments showed last; none but the latest can be gone on from."""

    number: int
    glimpse: Tensor  # (B, C, G, G)
    place: Tensor  # (B, 2)
    paid: tuple[Tensor, ...] = ()  # (B,) each, for the steps so far


class Pool:
    """Vector environments of equal size, as many as are needed, and how often they were moved."""

    def __init__(self, make: Callable[[], VectorEnv[Any, Any, Any]]):
        self.make, self.envs, self.number = make, [make()], 0

    def first(self, count: int) -> list[VectorEnv[Any, Any, Any]]:
        """That many of them."""
        while len(self.envs) < count:
            self.envs.append(self.make())
        return self.envs[:count]


class ForeignWorld(World):
    """A world that looks at nothing itself: every look is a step of a vector environment.

    make: makes one, of B environments; of several batches there are several. looks: steps of an
    episode; reach: the longest step, as a share of half the image. Both are asked of environments
    made by ap_gym.

    `scenes(count)` are episodes to evaluate on, `fresh` and `dataset` are what `train` wants of a
    problem. Episodes are known by the seed of a reset and the row, and come in whole batches of B:
    so `evaluate(..., batch=B)` or a multiple, and `TrainOptions(..., batch_size=B)`.

    The loss is the environment's own, where it has a differentiable `loss_fn.torch`, else the
    cross-entropy in nats; the reward is its "base_reward". Estimators learn by score functions.
    What cannot be: a gradient through a glimpse (pathwise, relaxed), draws that branch or are
    enumerated, and two episodes at a time, each of which is refused; pictures, boxes and hits,
    because the image is never handed over; what is paid for the step after the last look, which is
    not made.
    """

    judged_at_end = False  # but by whatever the environments pay

    def __init__(
        self,
        make: Callable[[], VectorEnv[Any, Any, Any]],
        looks: int | None = None,
        reach: float | None = None,
    ):
        self.pool = Pool(make)
        env = self.pool.envs[0]
        classes, shape = _known(env)
        spec, config = env.spec, getattr(env.unwrapped, "config", None)
        looks = looks or (spec.max_episode_steps if spec else None)
        reach = reach or getattr(config, "max_step_length", None)
        if looks is None or not isinstance(reach, float | int):
            raise ValueError("this environment says too little of its steps: give looks and reach")
        super().__init__(ForeignSensor(shape), Classify(classes, each=True), looks, reach=reach)
        self.task.rewarding = True
        self.count, self.unit = env.num_envs, float(reach)
        self.loss_fn = getattr(env, "loss_fn", None)

    def scenes(self, count: int, seed: int = 0) -> Scenes:
        """`count` episodes, a multiple of B: images are blank, cues are the first places.

        No two seeds, from 0 up to 2**20 - 1, have any in common.
        """
        if count < 1 or count % self.count:
            raise ValueError(f"episodes come in whole batches of {self.count}, not {count}")
        if not 0 <= seed < BATCHES or count // self.count > BATCHES:
            raise ValueError(f"seeds of episodes are from 0 to {BATCHES - 1}, not {seed}")
        first = seed * BATCHES
        return self._scenes([(first + each) * self.count for each in range(count // self.count)])

    def fresh(self, split: Split, index: Tensor, generator: Generator | None = None) -> Scenes:
        """Episodes that nobody has seen, as many as there are in index: a `MakeScenes`."""
        if len(index) % self.count:
            raise ValueError(f"episodes come in whole batches of {self.count}: batch={self.count}")
        given = cast(torch.Generator | None, generator)
        seeds = torch.randint(2**31, (len(index) // self.count,), generator=given)
        return self._scenes([(SEEDS + seed) * self.count for seed in seeds.tolist()])

    @property
    def dataset(self) -> Dataset:
        """B blank images, in place of a dataset."""
        blank = torch.zeros(self.count, 1, 1, 1, dtype=torch.uint8)
        split = Split(blank, torch.zeros(self.count, dtype=torch.int64))
        names = tuple(map(str, range(self.task.classes)))
        return Dataset("foreign", split, split, split, names)

    def _scenes(self, seeds: list[int]) -> Scenes:
        """What is known of episodes once they have been begun and a step was taken."""
        rows = torch.tensor(seeds)[:, None] + torch.arange(self.count)
        begun = self._reset(seeds)
        still = {"action": np.zeros((self.count, 2), np.float32), "prediction": self._nothing()}
        infos = [env.step(still)[4] for env in self.pool.first(len(seeds))]
        targets = [np.asarray(info["prediction"]["target"]) for info in infos]
        index, target = rows.flatten(), torch.from_numpy(np.concatenate(targets)).long()
        image = torch.zeros(len(index), 1, 1, 1, dtype=torch.uint8)
        box = torch.full((len(index), 1, 4), torch.nan)
        return Scenes(image, target, box, index, begun.place)

    def _reset(self, seeds: list[int]) -> Turn:
        envs = self.pool.first(len(seeds))
        return self._shown([env.reset(seed=seed)[0] for env, seed in zip(envs, seeds, strict=True)])

    def _shown(self, shown: list[Any], paid: tuple[Tensor, ...] = ()) -> Turn:
        glimpse, place = (
            torch.from_numpy(np.concatenate([each[name] for each in shown]).astype(np.float32))
            for name in OBSERVED[:2]
        )
        self.pool.number += 1
        return Turn(self.pool.number, glimpse.permute(0, 3, 1, 2).contiguous(), place, paid)

    def _nothing(self) -> Any:
        return np.zeros((self.count, self.task.classes), np.float32)

    def open(self, scenes: Scenes) -> Turn:
        first = scenes.index[:: self.count]
        rows = first[:, None] + torch.arange(self.count)
        if len(scenes) % self.count or not torch.equal(rows.flatten(), scenes.index):
            raise ValueError(f"episodes come in whole batches of {self.count}: batch={self.count}")
        return self._reset(first.tolist())

    def first(self, scenes: Scenes, generator: Generator | None = None) -> Tensor:
        """Where the environment begins."""
        return scenes.cue

    def advance(self, view: Turn, place: Tensor) -> Turn:
        """A step of the environments, whose answer is asked for in `outcome`."""
        if view.number != self.pool.number:
            raise ValueError("this environment has gone on since: one episode after another")
        if len(place) != len(view.place):
            raise ValueError("this environment cannot be copied: no draws that branch")
        if place.requires_grad:
            raise ValueError("no gradient passes through this environment: use a score function")
        moves = ((place - view.place) / self.unit).numpy()
        envs = self.pool.first(len(moves) // self.count)
        steps = [
            env.step({"action": move, "prediction": self._nothing()})
            for env, move in zip(envs, np.split(moves, len(envs)), strict=True)
        ]
        if any(np.any(step[2]) or np.any(step[3]) for step in steps):
            done = len(view.paid) + 1
            raise ValueError(f"this environment ended after {done} steps, not {self.horizon}")
        paid = np.concatenate([step[4]["base_reward"] for step in steps]).astype(np.float32)
        return self._shown([step[0] for step in steps], (*view.paid, torch.from_numpy(paid)))

    def observe(self, view: Turn, location: Tensor, look: int) -> Observation:
        """What the environments show, and where they say that is."""
        step = torch.full_like(view.place[:, 0], look / self.horizon)
        return Observation(view.glimpse, view.place, step)

    def outcome(
        self, view: Turn, logits: Tensor, target: Tensor, final: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What was paid, in the row of the look that it was for, and the loss.

        Who stops is charged for the looks that were left as well: the answer stands.
        """
        reward = torch.stack([torch.zeros_like(final[0]), *view.paid])
        truth = target.expand(final.shape)
        if self.loss_fn is None:
            loss = F.cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none")
            loss = loss.view_as(final)
        else:
            loss = self.loss_fn.torch(logits, truth, tuple(final.shape))
        left = self.looks - torch.arange(len(final))[:, None]
        return reward, loss * torch.where(final.bool(), left, 1)


def _known(env: VectorEnv[Any, Any, Any]) -> tuple[int, tuple[int, ...]]:
    """Classes and (C, G, G), if its spaces keep to the convention."""
    seen, act = env.single_observation_space, env.single_action_space
    if not isinstance(act, spaces.Dict) or set(act) != {"action", "prediction"}:
        raise ValueError(f"the action must be a Dict of action and prediction, not {act}")
    if not isinstance(seen, spaces.Dict) or set(seen) != set(OBSERVED):
        raise ValueError(f"the observation must be a Dict of {', '.join(OBSERVED)}, not {seen}")
    glimpse, prediction = seen["glimpse"].shape, act["prediction"].shape
    if act["action"].shape != (2,) or prediction is None or len(prediction) != 1:
        raise ValueError(f"a step must be (2,), a prediction (K,) logits, not {act}")
    if glimpse is None or len(glimpse) != 3:
        raise ValueError(f"a glimpse must be (G, G, C), not {glimpse}")
    high, wide, channels = glimpse
    return prediction[0], (channels, high, wide)
