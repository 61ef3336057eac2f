"""A training to be measured, which older versions of this project know as well.

Run as a program it does what it is asked, a line of JSON after another: see `versions`, which runs
it in the checkout of another commit. So it asks only for what has been there for long, under names
that have not changed, and for nothing of this folder.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import hardattn  # noqa: F401  comes before torch

# isort: split
import torch

from hardattn.agents import DRAM, RAM, DrawReader, FullView
from hardattn.data import Dataset, Split
from hardattn.data.memory import peak
from hardattn.device import tune
from hardattn.envs import GlimpseVectorEnv, Problem as FacedProblem
from hardattn.estimators.relaxed import pathwise
from hardattn.estimators.score_function import learned_baseline
from hardattn.evaluation.evaluate import evaluate
from hardattn.problem import Problem
from hardattn.scenes import cluttered, plain
from hardattn.sensors import Filterbank, Retina, Whole
from hardattn.tasks import Classify
from hardattn.training.log import Log
from hardattn.training.loop import Training, train
from hardattn.training.options import TrainOptions
from hardattn.world import World

SIDE, GLIMPSE, LOOKS, CLASSES = 28, 8, 6, 10
IMAGES = 10_000  # random ones
NAMES = tuple(map(str, range(CLASSES)))
Shape = tuple[int, int, int]


class Kind(NamedTuple):
    """An agent, and how it looks and learns."""

    make: Callable[[tuple[int, ...], World, Shape], Any]
    sensor: Callable[[], Any]
    estimator: Callable[..., Any] = learned_baseline
    looks: int = LOOKS
    context: str = "none"
    first: str = "random"


def _dram(glimpse: tuple[int, ...], world: World, image: Shape) -> DRAM:
    return DRAM(glimpse, CLASSES, context=world.context_shape(image))


KINDS: dict[str, Kind] = {
    "ram": Kind(lambda glimpse, *_: RAM(glimpse, CLASSES), partial(Retina, GLIMPSE)),
    "dram": Kind(_dram, partial(Retina, GLIMPSE), context="coarse"),
    "draw": Kind(
        lambda glimpse, *_: DrawReader(glimpse, CLASSES), partial(Filterbank, GLIMPSE), pathwise
    ),
    "cnn": Kind(
        lambda glimpse, *_: FullView(glimpse, CLASSES, net="cnn"), Whole, looks=1, first="centre"
    ),
}


class Mute(Log):
    """Tells all that is told between validations, and of these nothing."""

    def validation(self, *given: object, **named: object) -> None:
        """Nothing."""


class Learner:
    """One agent that learns from random pixels: of MNIST's size, or lying on a canvas."""

    def __init__(
        self,
        agent: str = "ram",
        batch: int = 128,
        canvas: int | None = None,
        device: str = "cpu",
        updates: int = 20,
        capture: bool | None = None,
        **options: Any,
    ):
        # Not told to older versions, which do not know of it.
        self.how: dict[str, Any] = {} if capture is None else {"capture": capture}
        self.kind, self.batch, self.updates = KINDS[agent], batch, updates
        self.device = torch.device(device)
        image = (1, canvas or SIDE, canvas or SIDE)
        draw = torch.Generator().manual_seed(0)
        pixels = torch.randint(256, (IMAGES, 1, SIDE, SIDE), generator=draw)
        images, labels = pixels.to(torch.uint8), torch.arange(IMAGES) % CLASSES
        split = Split(images, labels).to(self.device)
        self.dataset = Dataset("random", split, split, split, NAMES)
        task, kind = Classify(CLASSES), self.kind
        world = World(kind.sensor(), task, kind.looks, kind.first, kind.context)
        make = plain if canvas is None else partial(cluttered, canvas=canvas)
        self.problem = Problem(world, make, NAMES)
        torch.manual_seed(0)
        glimpse = world.sensor.shape(image)
        self.agent = kind.make(glimpse, world, image).to(self.device)
        self.options = TrainOptions(images=updates * batch, batch_size=batch, **options)
        self.begun: Training | None = None

    def scenes(self, count: int) -> Any:
        """The first so many."""
        index = torch.arange(count, device=self.device)
        draw = torch.Generator(self.device).manual_seed(1)
        return self.problem.make(self.dataset.train, index, draw)

    def whole(self) -> float:
        """CPU seconds an image of a training with all that there is: scenes, log, verdicts.

        Validation and checkpoints are not counted, as by the training's own clock.
        """
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            log = Mute(folder, quiet=True)
            try:
                trained: Any = train(
                    self.agent,
                    self.problem,
                    self.kind.estimator,
                    self.dataset,
                    self.scenes(2),
                    folder,
                    self.options,
                    log=log,
                )
            finally:
                log.close()
        # The class of this was renamed, its field was not.
        return float(trained.spent.cpu_seconds) / (self.updates * self.batch)

    def update(self) -> None:
        """One update, of a training that goes on from call to call."""
        if self.begun is None:
            given = (self.agent, self.problem, self.kind.estimator, self.dataset)
            self.begun = Training(*given, Path("."), self.options, 0, **self.how)
            self.agent.train()
        self.begun.done %= self.updates  # it is as if it had just begun
        self.begun.update()

    def look(self, scenes: Any) -> Any:
        """The columns of these scenes, as in use."""
        return evaluate(self.agent, self.problem.world, scenes)


def seconds(learner: Learner, least: float) -> float:
    """CPU seconds an image of updates."""
    learner.update()
    calls, since = 0, time.process_time()
    while calls < 1 or time.process_time() - since < least:
        learner.update()
        calls += 1
    return (time.process_time() - since) / (calls * learner.batch)


def vector(count: int, least: float) -> float:
    """CPU seconds a step of an environment, of so many as torch tensors."""
    env = GlimpseVectorEnv(_problem_of_faces(), count, tensors=True)
    env.reset(seed=0)
    draw = torch.Generator().manual_seed(0)
    action = {
        "location": torch.empty(count, 2).uniform_(-1, 1, generator=draw),
        "answer": torch.randint(CLASSES, (count,), generator=draw),
    }
    steps, since = 0, time.process_time()
    while steps < 1 or time.process_time() - since < least:
        for _ in range(LOOKS):
            env.step(action)
        steps += LOOKS
    return (time.process_time() - since) / (steps * count)


def _problem_of_faces() -> Any:
    one = Learner("ram")
    world = World(Retina(GLIMPSE), Classify(CLASSES, bonus=1.0), LOOKS)
    return FacedProblem(world, plain, one.dataset.train, NAMES)


class Worker:
    """Does what it is asked; learners stay from one question to the next."""

    def __init__(self) -> None:
        self.learners: dict[str, Learner] = {}

    def answer(self, asked: dict[str, Any]) -> float:
        """The figure that is asked for."""
        asked = dict(asked)
        what, least = asked.pop("what"), asked.pop("least", 0.0)
        if what == "before":
            return peak()
        if what == "vector":
            return vector(asked["count"], least)
        key = json.dumps(asked)
        if key not in self.learners:
            self.learners[key] = Learner(**asked)
        learner = self.learners[key]
        if what == "whole":
            return learner.whole()
        if what == "update":
            return seconds(learner, least)
        if what == "peak":
            learner.update()
            return peak()
        raise ValueError(f"nobody knows how to measure {what!r}")


if __name__ == "__main__":
    tune(threads=1)
    worker = Worker()
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), flush=True)
