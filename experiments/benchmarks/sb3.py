"""How many steps a second Stable-Baselines3 is given: `hardattn bench sb3`.

Our adapter beside its own DummyVecEnv over the environment that one would write first: NumPy, an
image each. The same scenes, glimpses, actions and rewards, side by side in one process.
"""

from collections.abc import Callable

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from hardattn.data import Split
from hardattn.device import tune
from hardattn.envs import Problem
from hardattn.scenes import plain
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.world import World

from ..kinds import Json
from .throughput import compare

SIDE, GLIMPSE, LOOKS, CLASSES = 28, 8, 6, 10
ENVS = 256
Numbers = NDArray[np.float32]


class Naive(gymnasium.Env[Numbers, Numbers]):
    """An image, six looks of 8x8 at places of a Box, and a class at the end."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64]):
        self.images, self.labels = images, labels
        self.observation_space = spaces.Box(-1, 1, (GLIMPSE**2 + 3,), np.float32)
        self.action_space = spaces.Box(-1, 1, (2 + CLASSES,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: Json | None = None
    ) -> tuple[Numbers, Json]:
        super().reset(seed=seed)
        index = self.np_random.integers(len(self.images))
        self.image, self.label = np.pad(self.images[index] / 255.0, GLIMPSE), self.labels[index]
        self.place, self.looks = self.np_random.uniform(-1, 1, 2), 0
        return self._seen(), {}

    def step(self, action: Numbers) -> tuple[Numbers, float, bool, bool, Json]:
        self.looks += 1
        if self.looks == LOOKS:
            right = float(action[2:].argmax() == self.label)
            return self._seen(), right, True, False, {"label": self.label}
        self.place = np.clip(action[:2], -1, 1)
        return self._seen(), 0.0, False, False, {}

    def _seen(self) -> Numbers:
        x, y = np.floor((self.place + 1) / 2 * SIDE - GLIMPSE / 2 + 0.5).astype(int) + GLIMPSE
        glimpse = self.image[y : y + GLIMPSE, x : x + GLIMPSE]
        step = min(self.looks, LOOKS - 1) / LOOKS
        return np.concatenate([glimpse.ravel(), self.place, [step]]).astype(np.float32)


def problem(count: int = 10_000) -> Problem:
    """Random images for both."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 1, SIDE, SIDE), generator=generator).to(torch.uint8)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    world = World(Retina(GLIMPSE), Classify(CLASSES, bonus=1.0), LOOKS)
    return Problem(world, plain, Split(images, labels), tuple(map(str, range(CLASSES))))


def adapters(envs: int = ENVS) -> list[Json]:
    """Rows of `hardattn.experiments.benchmarks.throughput`: steps a second, ours first."""
    from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

    from hardattn.envs.sb3 import GlimpseVecEnv

    both = problem()
    images, labels = both.split.images[:, 0].numpy(), both.split.labels.numpy()
    actions = np.random.default_rng(0).uniform(-1, 1, (envs, 2 + CLASSES)).astype(np.float32)
    ours = GlimpseVecEnv(both, envs)
    theirs = DummyVecEnv([lambda: Naive(images, labels)] * envs)

    def run(env: VecEnv) -> Callable[[], None]:
        env.seed(0)
        env.reset()

        def episode() -> None:
            for _ in range(LOOKS):
                env.step(actions)

        return episode

    ways = {
        f"SB3 adapter, {envs} environments, 28x28 -> 8x8": (run(ours), ""),
        f"SB3 DummyVecEnv over naive ones, {envs} of them": (run(theirs), ""),
    }
    return compare(ways, envs * LOOKS, "steps/s", torch.device("cpu"))


def measure() -> None:
    """Measure and print."""
    tune(threads=1)
    for row in adapters():
        print(f"{row['what']:64}{row['rate']:>12,.0f} {row['unit']:10}{row['ratio']:6.2f} x")
