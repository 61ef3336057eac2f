"""How many steps a second environments take, side by side on one core.

`hardattn bench environments [--save]`. 28x28 images of random pixels, six looks of 8x8 and
a class at the last: our faces, and Gymnasium's SyncVectorEnv over environments that one would
write first: one that pads its image at each reset, and the least that will do, ten lines over
images that were padded beforehand. CPU seconds of this process, the least of many short rounds in
turn, episodes ended and begun included. `--save` writes them to
experiments/results/studies/envs.json.
"""

import json
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

from hardattn.device import tune
from hardattn.envs import GlimpseEnv, GlimpseVectorEnv

from ..committed import STUDIES
from ..kinds import Json
from ..machine import made_with
from .sb3 import CLASSES, ENVS, GLIMPSE, LOOKS, SIDE, Naive, adapters, problem

SAVED = STUDIES / "envs.json"
IMAGES = 55_000  # as many as MNIST has
FEW = 8  # environments of a small vector
PADDED = 5_000  # images that are padded beforehand: four bytes a pixel
ROUNDS, LEAST = 40, 0.03  # rounds of so many seconds: short ones, of which some are undisturbed


class Slices(gymnasium.Env[Any, Any]):
    """Ten lines: an array of images with a blank border, and a slice of it."""

    observation_space = spaces.Box(0, 1, (GLIMPSE**2,), np.float32)
    action_space = spaces.Box(-1, 1, (2 + CLASSES,), np.float32)

    def __init__(self, padded: Any, labels: Any):
        self.images, self.labels = padded, labels

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, Json]:
        super().reset(seed=seed)
        index = self.np_random.integers(len(self.images))
        self.image, self.label, self.look = self.images[index], self.labels[index], 0
        self.place = self.np_random.uniform(-1, 1, 2)
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Json]:
        self.look += 1
        over = self.look == LOOKS
        if not over:
            self.place = np.clip(action[:2], -1, 1)
        return self._seen(), float(over and action[2:].argmax() == self.label), over, False, {}

    def _seen(self) -> Any:
        x, y = ((self.place + 1) / 2 * SIDE + GLIMPSE / 2 + 0.5).astype(int)
        return self.image[y : y + GLIMPSE, x : x + GLIMPSE].ravel()


def measure(save: bool) -> None:
    """Measure, print, and save if asked."""
    product = tune(threads=1)
    rows = faces()
    if find_spec("stable_baselines3"):
        rows += adapters()
    for row in rows:
        print(f"{row['what']:64}{row['rate']:>12,.0f} {row['unit']:10}{row['ratio']:6.2f} x")
    if save:
        made = made_with(torch.device("cpu"), 1, product)
        result = {"rows": rows, "rounds": ROUNDS, "made_with": made}
        SAVED.write_text(json.dumps(result, indent=1) + "\n")
        print(SAVED)


def faces(
    count: int = ENVS, few: int = FEW, rounds: int = ROUNDS, least: float = LEAST
) -> list[Json]:
    """Rates of our faces and of naive ones; `ratio` is how many times as fast the first one is."""
    ours = problem(IMAGES)
    images, labels = ours.split.images[:, 0].numpy(), ours.split.labels.numpy()
    around = ((0, 0), (GLIMPSE, GLIMPSE), (GLIMPSE, GLIMPSE))
    padded = np.pad(images[:PADDED] / np.float32(255), around)
    tensors = GlimpseVectorEnv(ours, count, tensors=True)
    draw = torch.Generator().manual_seed(0)
    action = {
        "location": torch.empty(count, 2).uniform_(-1, 1, generator=draw),
        "answer": torch.randint(len(ours.answers), (count,), generator=draw),
    }
    ways: dict[str, tuple[Callable[[], None], int]] = {
        f"torch tensors, {count} environments": (vector(tensors, action), count),
        f"NumPy arrays, {count} environments": (vector(GlimpseVectorEnv(ours, count)), count),
        f"SyncVectorEnv over naive ones, {count} of them": (
            vector(SyncVectorEnv([lambda: Naive(images, labels)] * count)),
            count,
        ),
        "a single one": (single(GlimpseEnv(ours)), 1),
        "a single naive one": (single(Naive(images, labels)), 1),
        "a single one of ten lines": (single(Slices(padded, labels)), 1),
        f"NumPy arrays, {few} environments": (vector(GlimpseVectorEnv(ours, few)), few),
        f"SyncVectorEnv over naive ones, {few} of them": (
            vector(SyncVectorEnv([lambda: Naive(images, labels)] * few)),
            few,
        ),
        f"SyncVectorEnv over ten lines, {few} of them": (
            vector(SyncVectorEnv([lambda: Slices(padded, labels)] * few)),
            few,
        ),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, (episode, _) in ways.items():
            calls, since = 0, time.process_time()
            while (taken := time.process_time() - since) < least:
                episode()
                calls += 1
            best[name] = min(best[name], taken / (calls * LOOKS * ways[name][1]))
    first = next(iter(best.values()))
    return [
        {
            "what": name,
            "rate": round(1 / taken, 1),
            "unit": "steps/s",
            "ratio": round(taken / first, 3),
        }
        for name, taken in best.items()
    ]


def vector(env: Any, action: Any = None) -> Callable[[], None]:
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
