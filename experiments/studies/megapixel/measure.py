"""What a cell costs, how it learns within its limits, and how well it answers."""

import json
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import torch

from hardattn import storage
from hardattn.data import Dataset, Split, load
from hardattn.data.memory import peak
from hardattn.device import tune
from hardattn.evaluation import cost
from hardattn.evaluation.evaluate import evaluate
from hardattn.problem import Problem
from hardattn.scenes import Scenes
from hardattn.statistics.intervals import cluster_interval
from hardattn.training.log import Log
from hardattn.training.loop import Training, train
from hardattn.training.options import TrainOptions

from ... import run
from ...build import Learner, built
from ...kinds import Json
from ...recipe import Recipe
from ...records.machine import made_with
from .cells import CELLS, MEBIBYTES, MINUTES, Cell

LEAST = 1.0  # seconds of a processor that a measurement takes at least
UPDATES = 40  # and how many updates at most
VALIDATED, VALIDATIONS = 500, 8  # scenes that weights are chosen by, and how often they are
CHOOSING = 0.25  # of the time, at most
GROWN = (250, 500, 1000, 2048, 4096, 8192)  # canvases that attention sampling's costs are told of
ROUNDS = 5


class Built(NamedTuple):
    """A cell, alive."""

    recipe: Recipe
    dataset: Dataset
    problem: Problem
    agent: Learner
    product: str

    def scenes(self, split: Split, count: int, seed: int) -> Scenes:
        """The first so many images of a split, each as a scene that depends on the seed alone."""
        index = torch.arange(min(count, len(split)))
        return self.problem.make(split, index, torch.Generator().manual_seed(seed))

    def training(self, images: int, folder: Path = Path(".")) -> Training:
        """An update of it, to be measured."""
        options = replace(self.recipe.training, images=images, growing=0.0)
        estimator = run.estimator(self.recipe, self.agent, self.problem.world)
        assert estimator is not None
        given = (self.agent, self.problem, estimator, self.dataset)
        return Training(*given, folder, options, 0)


def build(cell: Cell, root: Path | None, canvas: int | None = None) -> Built:
    """All that a cell consists of, untrained; with the sensor of the cell, on another canvas."""
    product, recipe = tune(threads=1), cell.recipe
    if canvas is not None:
        scene = recipe.problem.scene.but(canvas=canvas)
        recipe = replace(recipe, problem=replace(recipe.problem, scene=scene))
    dataset = load(recipe.problem.dataset, root, torch.device("cpu"))
    image = dataset.train.images.shape[1:]
    world, make, answers = built(recipe.problem, dataset.classes, image)
    side = canvas or cell.canvas
    agent = run.build(recipe, world, (image[0], side, side))
    return Built(recipe, dataset, Problem(world, make, answers), agent, product)


def apart(work: Callable[..., Json], *given: object) -> Json:
    """What a function finds in a process of its own, which may hold no more than the limit.

    {"refused": why} where that is not enough.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(_limited, work, *given).result()
        except BrokenProcessPool:
            return {"refused": f"does not fit in {MEBIBYTES:,} MiB"}


def _limited(work: Callable[..., Json], *given: object) -> Json:
    most = MEBIBYTES * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    try:
        return work(*given)
    except (MemoryError, RuntimeError) as fault:
        if not isinstance(fault, MemoryError) and "memory" not in str(fault):
            raise
        return {"refused": f"does not fit in {MEBIBYTES:,} MiB"}


def costs(name: str, root: Path | None) -> Json:
    """Seconds of a processor, memory, pixels and operations of an image, in training and in use."""
    cell = next(one for one in CELLS if one.name == name)
    one = build(cell, root)
    recipe, world = one.recipe, one.problem.world
    before = peak()
    few = one.scenes(one.dataset.test, 1, recipe.problem.test_seed)
    image, batch = few.shape, recipe.training.batch_size
    told = world.context_shape(image)
    view = told[1] * told[2] if len(told) == 3 else 0
    one.agent.eval()
    flops = cost.operations(one.agent, world, few)[0][-1]
    looked = _seconds(partial(evaluate, one.agent, world, few), 1)
    training = one.training(10**6)
    one.agent.train()
    learned = _seconds(lambda: training.update(), batch)
    held = peak()
    if held > MEBIBYTES:
        return {"refused": f"does not fit in {MEBIBYTES:,} MiB: takes {held:,.0f}"}
    pixels = world.looks if _goes_over(cell) else world.looks - (world.looks > 1)
    return {
        "sees": world.sees(image),
        "view": view,
        "pixels": view + pixels * world.sensor.pixels(image),
        "of": image[1] * image[2],
        "parameters": sum(weight.numel() for weight in one.agent.parameters()),
        "flops": flops,
        "seconds": looked,
        "training_seconds": learned,
        "mebibytes": round(held),
        "before": round(before),
        "batch_size": batch,
        "scenes": recipe.problem.scenes(),
        "made_with": made_with(torch.device("cpu"), 1, one.product),
    }


def _goes_over(cell: Cell) -> bool:
    """Whether it looks at what the world shows first; the others are shown patches after it."""
    return cell.agent in ("ram", "iterative-patch-selection")


def _seconds(work: Callable[[], object], images: int) -> float:
    """Seconds of a processor an image; the first call warms up, where it is not long."""
    since = time.process_time()
    work()
    first = time.process_time() - since
    if first > LEAST:
        return first / images
    calls, since = 0, time.process_time()
    while calls < UPDATES and (calls < 2 or time.process_time() - since < LEAST):
        work()
        calls += 1
    return (time.process_time() - since) / (calls * images)


def grown(root: Path | None, canvases: Sequence[int] = GROWN, count: int = ROUNDS) -> Json:
    """Attention sampling in training by the size of the canvas: seconds, and bytes of all tensors.

    The same agent, of as many patches as large, and a round of all canvases after another.
    """
    cell = next(one for one in CELLS if one.agent == "attention-sampling")
    trained: dict[int, Training] = {}
    for canvas in canvases:
        one = build(cell, root, canvas)
        trained[canvas] = one.training(10**6)
        one.agent.train()
        trained[canvas].update()
    rounds = []
    for _ in range(count):
        row = []
        for canvas, training in trained.items():
            batch = training.options.batch_size
            seconds = min(_once(training.update) for _ in range(3)) / batch
            with cost.Memory(*training.weights) as watched:
                training.update()
            row.append({"canvas": canvas, "seconds": seconds, "bytes": watched.peak})
        rounds.append({"canvases": row})
    return {"rounds": rounds}


def _once(work: Callable[[], object]) -> float:
    since = time.process_time()
    work()
    return time.process_time() - since


def learn(cell: Cell, out: Path, found: Json, minutes: float, root: Path | None) -> None:
    """Train for as many scenes as those minutes of one core allow, by what a scene takes.

    Validations are of that time, and of fewer scenes where they would take more than a share of it.
    Once these numbers are settled they stay, and a training that was stopped goes on.
    """
    folder, one = out / cell.name, build(cell, root)
    plan, training = folder / "plan.json", one.recipe.training
    folder.mkdir(parents=True, exist_ok=True)
    if not plan.exists():
        settled = planned(found, 60 * min(minutes, MINUTES), training.batch_size)
        storage.replace_text(plan, json.dumps(settled) + "\n")
    settled = json.loads(plan.read_text())
    images = settled["images"]
    options: TrainOptions = replace(
        training, images=images, validate_every=-(-images // VALIDATIONS), keep="best"
    )
    estimator = one.recipe.estimator
    assert estimator is not None
    if "falling" in estimator.options:  # looks are hard for the last quarter
        updates = images // training.batch_size
        estimator = estimator.but(falling=max(1, 3 * updates // 4))
    recipe = replace(one.recipe, estimator=estimator)
    how = run.estimator(recipe, one.agent, one.problem.world)
    assert how is not None
    seed = one.recipe.problem.test_seed + 1
    validation = one.scenes(one.dataset.validation, settled["validated"], seed)
    log = Log(folder, cell.name, tracked=())
    try:
        trained = train(
            one.agent, one.problem, how, one.dataset, validation, folder, options, log=log
        )
    finally:
        log.close()
    told = {
        "images": trained.images,
        "best_images": trained.best_images,
        "cpu_seconds": trained.spent.cpu_seconds,
        "curve": trained.curve,
    }
    storage.replace_text(folder / "training.json", json.dumps(told) + "\n")


def planned(found: Json, seconds: float, batch: int) -> dict[str, int]:
    """How many images a training of so many seconds sees, and on how many it is validated."""
    chosen = VALIDATIONS * found["seconds"]
    validated = max(1, min(VALIDATED, int(CHOOSING * seconds / chosen)))
    left = seconds - validated * chosen
    updates = max(1, int(left / found["training_seconds"]) // batch)
    return {"images": updates * batch, "validated": validated}


def judge(cell: Cell, trained_on: Cell, out: Path, count: int, root: Path | None) -> None:
    """The error of trained weights on the first so many test scenes, with its interval."""
    one = build(cell, root)
    folder = out / trained_on.name
    state = storage.read(folder / "best.pt", torch.device("cpu"))["agent"]
    one.agent.load_state_dict(state)
    scenes = one.scenes(one.dataset.test, count, one.recipe.problem.test_seed)
    columns = evaluate(one.agent, one.problem.world, scenes)
    wrong = (~columns.correct[:, -1]).double()
    found = cluster_interval(wrong.numpy(), columns.index.numpy())
    told = {
        "trained_on": trained_on.canvas,
        "error": found.point,
        "low": found.low,
        "high": found.high,
        "n": len(scenes),
        "training": json.loads((folder / "training.json").read_text()),
        "made_with": made_with(torch.device("cpu"), 1, one.product),
    }
    path = out / cell.name / f"figures-{trained_on.canvas}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    storage.replace_text(path, json.dumps(told, indent=1) + "\n")


def sources(cell: Cell, out: Path) -> list[Cell]:
    """Whose finished weights a cell can answer with: its own, and those of its other canvases.

    A training that was made elsewhere may have left none here.
    """
    kin = [one for one in CELLS if one.agent == cell.agent]
    usable = kin if cell.who.moves else [cell]
    left = ("training.json", "best.pt")
    return [one for one in usable if all((out / one.name / file).exists() for file in left)]
