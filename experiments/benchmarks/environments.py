"""How many steps a second environments take, side by side on one core.

`hardattn bench environments [--save]`. 28x28 images of random pixels, six looks of 8x8 and
a class at the last: our faces, and Gymnasium's SyncVectorEnv over environments that one would
write first: one that pads its image at each reset, and the least that will do, ten lines over
images that were padded beforehand; and what Stable-Baselines3 is given, by our adapter and by its
own DummyVecEnv. CPU seconds of this process, the least of many short rounds in turn, episodes ended
and begun included. The machine's limit is to write what is seen, once, from memory to memory.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv
from numpy.typing import NDArray

from hardattn.data import Split
from hardattn.device import tune
from hardattn.envs import GlimpseEnv, GlimpseVectorEnv, Problem
from hardattn.scenes import plain
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.world import World

from ..kinds import Json
from .learner import CLASSES, GLIMPSE, LOOKS, SIDE
from .side_by_side import Way, machine, repeated, report, rounds, row
from .versions import against, check

IMAGES = 55_000  # as many as MNIST has
ENVS = 256
FEW = 8  # environments of a small vector
PADDED = 5_000  # images that are padded beforehand: four bytes a pixel
ROUNDS, LEAST = 40, 0.03  # rounds of so many seconds: short ones, of which some are undisturbed
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


class Slices(gymnasium.Env[Numbers, Numbers]):
    """Ten lines: an array of images with a blank border, and a slice of it."""

    observation_space = spaces.Box(0, 1, (GLIMPSE**2,), np.float32)
    action_space = spaces.Box(-1, 1, (2 + CLASSES,), np.float32)

    def __init__(self, padded: Numbers, labels: NDArray[np.int64]):
        self.images, self.labels = padded, labels

    def reset(
        self, *, seed: int | None = None, options: Json | None = None
    ) -> tuple[Numbers, Json]:
        super().reset(seed=seed)
        index = self.np_random.integers(len(self.images))
        self.image, self.label, self.look = self.images[index], self.labels[index], 0
        self.place = self.np_random.uniform(-1, 1, 2)
        return self._seen(), {}

    def step(self, action: Numbers) -> tuple[Numbers, float, bool, bool, Json]:
        self.look += 1
        over = self.look == LOOKS
        if not over:
            self.place = np.clip(action[:2], -1, 1)
        return self._seen(), float(over and action[2:].argmax() == self.label), over, False, {}

    def _seen(self) -> Numbers:
        x, y = ((self.place + 1) / 2 * SIDE + GLIMPSE / 2 + 0.5).astype(int)
        return self.image[y : y + GLIMPSE, x : x + GLIMPSE].ravel()


def problem(count: int = 10_000) -> Problem:
    """Random images for both."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 1, SIDE, SIDE), generator=generator).to(torch.uint8)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    world = World(Retina(GLIMPSE), Classify(CLASSES, bonus=1.0), LOOKS)
    return Problem(world, plain, Split(images, labels), tuple(map(str, range(CLASSES))))


def measure(save: bool, other: Path | None = None) -> None:
    """Measure, print, and save if asked."""
    check(other)
    product = tune(threads=1)
    here = machine()
    rows = faces()
    if find_spec("stable_baselines3"):
        rows += adapters()
    asked = {f"torch tensors, {ENVS} environments": dict(what="vector", count=ENVS, least=LEAST)}
    rows += against(other, asked, "steps/s", ROUNDS // 2)
    report("environments", rows, here, product, save)


def faces(
    count: int = ENVS, few: int = FEW, rounds_of_all: int = ROUNDS, least: float = LEAST
) -> list[Json]:
    """Rates of our faces and of naive ones; `ratio` is how many times as fast as one's own it is.

    One's own is the naive vector of as many environments; of few the one of ten lines.
    """
    ours = problem(IMAGES)
    images, labels = ours.split.stacked[:, 0].numpy(), ours.split.labels.numpy()
    around = ((0, 0), (GLIMPSE, GLIMPSE), (GLIMPSE, GLIMPSE))
    padded: Numbers = np.pad(images[:PADDED].astype(np.float32) / np.float32(255), around)
    tensors = GlimpseVectorEnv(ours, count, tensors=True)
    draw = torch.Generator().manual_seed(0)
    action = {
        "location": torch.empty(count, 2).uniform_(-1, 1, generator=draw),
        "answer": torch.randint(len(ours.answers), (count,), generator=draw),
    }

    def naive(number: int) -> SyncVectorEnv:
        return SyncVectorEnv([lambda: Naive(images, labels)] * number)

    def ten(number: int) -> SyncVectorEnv:
        return SyncVectorEnv([lambda: Slices(padded, labels)] * number)

    sync, few_naive, few_ten = (
        f"SyncVectorEnv over naive ones, {count} of them",
        f"SyncVectorEnv over naive ones, {few} of them",
        f"SyncVectorEnv over ten lines, {few} of them",
    )
    alone = "a single one of ten lines"
    # By name: an episode, of how many environments, and beside which it stands.
    ways: dict[str, tuple[Callable[[], None], int, str]] = {
        f"torch tensors, {count} environments": (vector(tensors, action), count, sync),
        f"NumPy arrays, {count} environments": (vector(GlimpseVectorEnv(ours, count)), count, sync),
        sync: (vector(naive(count)), count, sync),
        "a single one": (single(GlimpseEnv(ours)), 1, alone),
        "a single naive one": (single(Naive(images, labels)), 1, alone),
        alone: (single(Slices(padded, labels)), 1, alone),
        f"NumPy arrays, {few} environments": (vector(GlimpseVectorEnv(ours, few)), few, few_ten),
        few_naive: (vector(naive(few)), few, few_ten),
        few_ten: (vector(ten(few)), few, few_ten),
    }
    return measured(ways, rounds_of_all, least)


def adapters(
    envs: int = ENVS, rounds_of_all: int = ROUNDS // 2, least: float = LEAST
) -> list[Json]:
    """Rates of what Stable-Baselines3 is given: the same scenes, glimpses, actions and rewards."""
    from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

    from hardattn.envs.sb3 import GlimpseVecEnv

    both = problem()
    images, labels = both.split.stacked[:, 0].numpy(), both.split.labels.numpy()
    actions = np.random.default_rng(0).uniform(-1, 1, (envs, 2 + CLASSES)).astype(np.float32)
    theirs = DummyVecEnv([lambda: Naive(images, labels)] * envs)

    def run(env: VecEnv) -> Callable[[], None]:
        env.seed(0)
        env.reset()

        def episode() -> None:
            for _ in range(LOOKS):
                env.step(actions)

        return episode

    dummy = f"SB3 DummyVecEnv over naive ones, {envs} of them"
    ways = {
        f"SB3 adapter, {envs} environments": (run(GlimpseVecEnv(both, envs)), envs, dummy),
        dummy: (run(theirs), envs, dummy),
    }
    return measured(ways, rounds_of_all, least)


def measured(
    ways: dict[str, tuple[Callable[[], None], int, str]], count: int, least: float
) -> list[Json]:
    """A row of each episode: of so many environments, beside the one of that name."""
    timed: dict[str, Way] = {
        name: repeated(episode, LOOKS * envs, least) for name, (episode, envs, _) in ways.items()
    }
    written = {
        envs: np.zeros((LOOKS, envs, GLIMPSE**2), np.float32) for _, envs, _ in ways.values()
    }
    for envs, seen in written.items():
        timed[f"copies of {envs}"] = repeated(seen.copy, LOOKS * envs, least)
    found = rounds(timed, count)
    return [
        row(name, "steps/s", found[name], found[f"copies of {envs}"], (beside, found[beside]))
        for name, (_, envs, beside) in ways.items()
    ]


def vector(env: Any, action: object = None) -> Callable[[], None]:
    """An episode of each environment."""
    env.reset(seed=0)
    env.action_space.seed(0)
    action = env.action_space.sample() if action is None else action

    def episode() -> None:
        for _ in range(LOOKS):
            env.step(action)

    return episode


def single(env: gymnasium.Env) -> Callable[[], None]:
    """An episode of one."""
    env.reset(seed=0)
    env.action_space.seed(0)
    action = env.action_space.sample()

    def episode() -> None:
        env.reset()
        for _ in range(LOOKS):
            env.step(action)

    return episode
