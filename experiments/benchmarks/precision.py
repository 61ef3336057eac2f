"""What training in half precision gains and costs: `hardattn bench precision`.

How many images a second an update takes with products in bf16, beside float32; and how its
gradient differs. That is asked at one state of the weights, from the same scenes and the same
noise, for many batches: by how much an estimate errs, and by how much their mean does, which no
number of batches would mend.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from hardattn.data import Dataset, load
from hardattn.device import tune
from hardattn.rng import mix
from hardattn.training.loop import Training

from .. import build
from ..kinds import Json
from ..recipes import RECIPES
from ..run import build as build_agent, estimator as build_estimator
from .learner import Learner
from .side_by_side import machine, repeated, report, rounds, row

BATCHES = (128, 512, 2048)
ROUNDS, LEAST = 5, 0.5
RECIPE, BATCH = "ram-digits", 128
UPDATES, ESTIMATES = 300, 200  # before the gradient is looked at, and how often it is


def measure(root: Path | None, save: bool) -> None:
    """Measure, print, and save if asked."""
    product = tune(threads=1)
    here = machine()
    rows = [*rates(), *gradients(load("digits", root))]
    report("precision", rows, here, product, save)


def rates(
    batches: Sequence[int] = BATCHES, count: int = ROUNDS, least: float = LEAST
) -> list[Json]:
    """Images a second of updates of RAM, by batch and precision."""
    ways = {}
    for batch in batches:
        for precision in ("float32", "bf16"):
            one = Learner("ram", batch, updates=1000, precision=precision)
            ways[f"train ram, batch {batch}, {precision}"] = repeated(one.update, batch, least)
    times = rounds(ways, count)
    rows = []
    for name, taken in times.items():
        other = f"{name.rpartition(', ')[0]}, float32"
        rows.append(row(name, "images/s", taken, beside=(other, times[other])))
    return rows


class Apart(NamedTuple):
    """How gradients g' differ from gradients g of the same scenes and the same noise."""

    cosine: float
    """Between g' and g, the mean over estimates."""
    error: float
    """|g' - g| / |g|, the mean over estimates."""
    bias: float
    """|E[g' - g]| / |E[g]|, without what is left of the noise in the mean of so many."""
    bound: float
    """The same with that noise: what there may be."""


def gradients(
    dataset: Dataset, batch: int = BATCH, updates: int = UPDATES, estimates: int = ESTIMATES
) -> list[Json]:
    """How far those in bf16 are from those in float32: at the start, and after some updates."""
    run = training(dataset, batch, updates)
    rows = []
    for many in (0, updates):
        while run.done < many:
            run.update()
        found = apart(*taken(run, estimates))
        where = f"gradient in bf16 after {many} updates of {RECIPE}, batch {batch}"
        for what, value in found._asdict().items():
            told = {"what": f"{where}: {what}", "unit": "of 1", "value": value, "median": value}
            rows.append(told | {"estimates": estimates})
    return rows


def training(dataset: Dataset, batch: int, updates: int) -> Training:
    """The recipe's, not begun, of so many updates."""
    recipe = RECIPES[RECIPE].changed({"batch_size": batch, "images": batch * max(1, updates)})
    image = dataset.train.images.shape[1:]
    problem = build.built(recipe.problem, dataset.classes, image)
    agent = build_agent(recipe, problem.world, (image[0], image[1], image[2]))
    how = build_estimator(recipe, agent, problem.world)
    run = Training(agent, problem, how, dataset, Path("."), recipe.training, 0)
    agent.train()
    return run


def taken(run: Training, estimates: int) -> tuple[Tensor, Tensor]:
    """Gradients of so many batches in float32 and in bf16, (n, weights) each; nothing learns."""
    found: list[list[Tensor]] = [[], []]
    draw = torch.Generator().manual_seed(0)
    for number in range(estimates):
        index = torch.randint(len(run.split), (run.options.batch_size,), generator=draw)
        for precision, rows in zip(("float32", "bf16"), found, strict=True):
            run.generator.manual_seed(mix(number))
            torch.manual_seed(mix(number))
            scenes = run.make(run.split, index, run.generator)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = run.estimator(run.agent, run.world, scenes, run.generator)
            each = torch.autograd.grad(loss.total, run.weights, allow_unused=True)
            rows.append(torch.cat([one.flatten() for one in each if one is not None]))
    return torch.stack(found[0]), torch.stack(found[1])


def apart(exact: Tensor, other: Tensor) -> Apart:
    """How the rows of `other` differ from those of `exact`.

    The square of the bias is the product of the means of two halves: their noises are independent,
    and cancel in the mean. Where it comes out below 0 there is none to be seen.
    """
    exact, other = exact.double(), other.double()
    error = other - exact
    halves = [each.mean(0) for each in error.chunk(2)]
    means = [each.mean(0) for each in exact.chunk(2)]
    bias, mean = (float(one @ two) for one, two in (halves, means))
    return Apart(
        round(float(torch.cosine_similarity(exact, other, 1).mean()), 6),
        round(float((error.norm(dim=1) / exact.norm(dim=1)).mean()), 6),
        round((max(0.0, bias) / mean) ** 0.5 if mean > 0 else float("nan"), 6),
        round(float(error.mean(0).norm() / exact.mean(0).norm()), 6),
    )
