"""How fast training is on a GPU: `hardattn bench gpu`, in ten minutes at most.

Updates of RAM on images of MNIST's size, six looks of 8x8, at batches of 512 to 65,536, of one seed
and of several as one, beside the same matrix products and nothing else; the plain RAM with its
loader and with a batch that lies on the GPU already; and how long the recipe ram-mnist takes until
1.3 % of the validation images are answered wrong, looked at once each.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from hardattn.data import Dataset, load
from hardattn.device import choose, tune
from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.metrics import error
from hardattn.scenes import fixed_scenes
from hardattn.training.capture import WARM
from hardattn.training.log import Log
from hardattn.training.loop import train

from .. import build
from ..kinds import Json
from ..recipe import Recipe, UsageError
from ..recipes import RECIPES
from ..run import build as build_agent, estimator as build_estimator
from .learner import Learner
from .plain import PlainTraining
from .products import made_of
from .seeds import SEEDS, together
from .side_by_side import Times, Way, machine, price, repeated, report, rounds, row

BATCHES = (512, 2048, 8192, 32_768, 65_536)
PLAIN = 128
ROUNDS, LEAST = 3, 2.0
RECIPE, GOAL, PATIENCE = "ram-mnist", 0.013, 300.0  # until which share is wrong, in seconds at most
TOGETHER = {"batch_size": 2048, "images": 40_000_000, "validate_every": 200_000}
# How an update is launched.
MODES: dict[str, bool] = {"eager": False, "captured": True}
STACKED = f"{SEEDS} seeds as one"  # launched as the last of them
WIDEST = 65_536  # images of all these seeds, at most


def measure(where: str, root: Path | None, save: bool) -> None:
    """Measure, print, and save if asked. Raises UsageError where there is no GPU."""
    device = found(where)
    product = tune(threads=1)
    dataset = load("mnist", root, device)  # which may be missing: it is better to know at once
    here = machine(device=device)
    rows = [*rates(device), *plain_rates(dataset, device)]
    rows.append(reached(RECIPES[RECIPE], dataset))
    report("gpu", rows, here, product, save, device)


def found(where: str) -> torch.device:
    """The GPU of that name. Raises UsageError."""
    if not torch.cuda.is_available():
        raise UsageError(
            "no GPU is to be had here: run this where there is one, with a PyTorch that is built "
            "for it (hardattn bench training measures the CPU)"
        )
    device = choose(where)
    if device.type != "cuda":
        raise UsageError(f"{where!r} is no GPU: give cuda, or cuda:1")
    return device


def modes(device: torch.device) -> dict[str, bool]:
    """Those of MODES that there are on this device."""
    return {name: how for name, how in MODES.items() if not how or device.type == "cuda"}


def rates(
    device: torch.device,
    batches: Sequence[int] = BATCHES,
    count: int = ROUNDS,
    least: float = LEAST,
) -> list[Json]:
    """Images a second of updates, by batch and mode; `ratio` is how many times as fast as eager."""
    rows: list[Json] = []
    for batch in batches:
        ways: dict[str, Way] = {}
        kernels = 0
        for mode, captured in modes(device).items():
            one = Learner("ram", batch, device=str(device), updates=1000, capture=captured)
            for _ in range(WARM + 2 if captured else 1):
                one.update()
            if mode == "eager":
                made = made_of(one.update)
                kernels = made.kernels
                ways["products"] = repeated(made.replay, batch, least / 4, device)
            ways[mode] = repeated(one.update, batch, least, device)
        named = [*modes(device)]
        if SEEDS * batch <= WIDEST:
            stacked = together(batch, str(device), modes(device)[named[-1]])
            for _ in range(WARM + 2):
                stacked()
            named.append(STACKED)
            ways[STACKED] = repeated(stacked, SEEDS * batch, least, device)
        times = rounds(ways, count)
        for mode in named:
            more: Json = {"agent": "ram", "batch": batch, "mode": mode}
            more |= {"kernels": kernels} if mode == "eager" else {}
            beside, name = ("eager", times["eager"]), f"train ram, batch {batch}, {mode}"
            rows.append(row(name, "images/s", times[mode], times["products"], beside, **more))
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return rows


def plain_rates(
    dataset: Dataset,
    device: torch.device,
    batch: int = PLAIN,
    count: int = ROUNDS,
    least: float = LEAST,
) -> list[Json]:
    """Images a second of the plain RAM."""
    split = dataset.train.to("cpu")
    training = PlainTraining(split.stacked, split.labels, batch, str(device))
    images, labels = next(training.batches)
    at_hand: Callable[[], None] = partial(training.update, (images.to(device), labels.to(device)))
    loaded = f"plain RAM with its loader, batch {batch}"
    ways = {
        loaded: repeated(training.update, batch, least, device),
        f"plain RAM, batch at hand, batch {batch}": repeated(at_hand, batch, least, device),
    }
    times = rounds(ways, count)
    return [row(name, "images/s", times[name], beside=(loaded, times[loaded])) for name in ways]


class _Enough(Exception):
    """The goal is reached, or time is over."""


class _Until(Log):
    """Notes what each validation found and when, and ends the training when it is enough."""

    def __init__(self, folder: Path, goal: float, patience: float):
        super().__init__(folder, quiet=True)
        self.goal, self.patience = goal, patience
        self.clock = time.perf_counter()
        self.points: list[tuple[int, float, float]] = []  # images, seconds, error

    def validation(
        self, seen: int, training: object, measured: object, columns: Columns, scenes: object
    ) -> None:
        taken = time.perf_counter() - self.clock
        self.points.append((seen, round(taken, 3), error(columns)))
        if self.points[-1][2] <= self.goal or taken > self.patience:
            raise _Enough


def reached(
    recipe: Recipe, dataset: Dataset, goal: float = GOAL, patience: float = PATIENCE, **changes: Any
) -> Json:
    """Seconds on the wall, validations included, until so few of the validation are wrong."""
    recipe = recipe.changed({**TOGETHER, **changes})
    image = dataset.train.images.shape[1:]
    problem = build.built(recipe.problem, dataset.classes, image)
    validation = fixed_scenes(problem.make, dataset.validation, recipe.problem.test_seed + 1)
    agent = build_agent(recipe, problem.world, validation.shape).to(dataset.train.device)
    how = build_estimator(recipe, agent, problem.world)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = _Until(folder, goal, patience)
        try:
            train(agent, problem, how, dataset, validation, folder, recipe.training, log=log)
        except _Enough:
            pass
        finally:
            log.close()
    seen, taken, wrong = log.points[-1]
    return price(
        f"{RECIPE} to {100 * goal:g} % wrong" + ("" if wrong <= goal else ": not reached"),
        "s",
        Times(taken, taken),
        batch=recipe.training.batch_size,
        images=seen,
        error=round(wrong, 5),
        curve=[list(point) for point in log.points],
    )
