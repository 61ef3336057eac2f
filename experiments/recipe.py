"""What a recipe says, in frozen dataclasses of plain values; and how it becomes live objects.

Nothing here imports torch before something is built, so that `--help` is quick. An option left at
None is not passed on: the function that it is for has its own default.
"""

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal


class UsageError(Exception):
    """A name or value that cannot be meant: one line, with the nearest right one.

    No ValueError, which the command line's parser would take for its own and frame.
    """


if TYPE_CHECKING:
    from hardattn.problem import Problem as Built

UNBOXED = ("plain",)  # whose rows of SCENES are not boxed; a copy, as those import torch
SCENE = ("canvas", "zoom", "zooms", "pieces", "piece", "answer", "digits", "gap")
SENSOR = ("size", "scales", "stride", "sigma", "cover", "rows", "columns")
ESTIMATOR = (
    *("samples", "reward_only", "temperature", "entropy", "soft", "trace", "ratio"),
    *("epochs", "discount", "population", "spread", "pretraining", "phases"),
)


@dataclass(frozen=True)
class Problem:
    """What is looked at, through what, and what is asked."""

    dataset: str = "digits"
    """digits, mnist, fashion_mnist, folder:PATH (of PATH/class/image) or hub:OWNER/NAME; of the
    last two @64 or @48x64 at the end resizes every image to that height and width."""
    scene: str = "plain"
    """plain, translated, cluttered, pair, sequence, localise, circle_square or catch."""
    canvas: int | None = None
    """Side of the canvas in pixels (all but plain)."""
    zoom: int | None = None
    """Pixels a side that each pixel of the image becomes."""
    pieces: int | None = None
    """How many crops of other images clutter the canvas (cluttered, pair)."""
    piece: int | None = None
    """Side of such a crop in pixels (cluttered, pair)."""
    zooms: tuple[int, ...] | None = None
    """Zooms of which each target gets one (translated, cluttered, pair)."""
    answer: str | None = None
    """What is asked of two images: pair or sum (pair)."""
    digits: int | None = None
    """The most images in a row (sequence)."""
    gap: int | None = None
    """The widest gap between them in pixels (sequence)."""
    sensor: str = "retina"
    """retina, gaussian_window, filterbank, affine, crop, cells, patches, pairs or whole."""
    size: int | None = None
    """Side of the glimpse in pixels (retina, gaussian_window, filterbank, affine, crop)."""
    scales: int | None = None
    """Concentric patches, each twice as wide (retina)."""
    stride: float | None = None
    """Pixels between the filters (gaussian_window)."""
    sigma: float | None = None
    """Width of the filters in pixels (gaussian_window)."""
    cover: float | None = None
    """Share of a side that an upright glimpse covers (affine, crop)."""
    rows: int | None = None
    """Rows of the grid (cells, patches, pairs)."""
    columns: int | None = None
    """Columns of the grid (cells, patches, pairs)."""
    looks: int = 6
    first: str = "random"
    """Where the first look falls: random, centre or target."""
    reach: float | None = None
    """How far a look may fall from the one before, in half-sides of the image; None: anywhere."""
    context: str = "none"
    """What the agent is told before it looks: none, coarse, whole, or target (for oracles)."""
    draw: str = "greedy"
    """How it looks when it is measured: greedy, or soft for soft attention."""
    task: Literal["classify", "cluster"] = "classify"
    """What is asked: which class; or which belong together, of which no label is told."""
    each: bool = True
    """Ask after every look and average; otherwise only after the last."""
    bonus: float = 0.0
    """Reward for a right answer, which only the looks can learn from."""
    test_draws: int = 1
    """Scenes that are made of each validation and test image."""
    test_seed: int = 1
    """Freezes the validation and test scenes."""

    def __post_init__(self) -> None:
        at_least(self, 1, "canvas", "zoom", "piece", "size", "scales", "looks", "test_draws")
        at_least(self, 1, "rows", "columns", "digits")
        at_least(self, 0, "pieces", "gap", "test_seed")
        positive(self, "stride", "sigma", "cover", "reach")
        finite(self, "stride", "sigma", "cover", "reach", "bonus")
        seedable(self, "test_seed")
        if self.scene in UNBOXED and "target" in (self.first, self.context):
            raise UsageError(
                f"nobody knows where the target is in {self.scene} scenes, so first and context "
                "cannot be 'target': choose others, or another scene"
            )

    def scenes(self) -> str:
        """Results with equal words here were measured on the same scenes."""
        parts = [f"{name} {value}" for name in SCENE if (value := getattr(self, name)) is not None]
        draws = f", {self.test_draws} scenes an image" if self.test_draws > 1 else ""
        scene = ", ".join([f"{self.dataset} {self.scene}", *parts])
        return f"{scene}{draws}, test seed {self.test_seed}"

    def build(self, classes: Sequence[str], image: Sequence[int]) -> "Built":
        """World, scenes and answers, of a dataset of these classes with images of (C, H, W)."""
        from hardattn.problem import problem

        sensor, settings = self._chosen()
        return problem(self.scene, sensor, classes, image, **settings)

    def world(self, answers: int, image: Sequence[int]) -> Any:
        """The World alone, for that many answers."""
        from hardattn.problem import world_of

        sensor, settings = self._chosen()
        return world_of(self.scene, sensor, answers, image, **settings)

    def without_strays(self, base: "Problem", said: Collection[str]) -> "Problem":
        """The same without inherited options that its scene or sensor does not take."""
        from hardattn.problem import SCENES
        from hardattn.sensors import SENSORS

        makers = {name: kind.make for name, kind in SCENES.items()}
        mine = without_strays(self, base, said, "scene", makers, SCENE)
        return without_strays(mine, base, said, "sensor", SENSORS, SENSOR)

    def _chosen(self) -> tuple[Any, dict[str, Any]]:
        """The sensor, and what else a problem is built from. Raises UsageError."""
        from hardattn.problem import ASKED, SCENES
        from hardattn.sensors import SENSORS
        from hardattn.world import CONTEXTS, FIRST_LOOKS

        kind = choose("scene", SCENES, self.scene)
        if kind.cued:
            raise UsageError(
                f"scene {self.scene!r} names what is to be found, and no agent here is told: it is "
                "an environment, hardattn/DigitsSearch-v0"
            )
        options = bind("scene", {self.scene: kind.make}, self.scene, self, SCENE).keywords
        sensor = bind("sensor", SENSORS, self.sensor, self, SENSOR)()
        choose("first", FIRST_LOOKS, self.first)
        choose("context", CONTEXTS, self.context)
        choose("draw", dict.fromkeys(("greedy", "soft")), self.draw)
        choose("task", ASKED, self.task)
        others = ("looks", "first", "context", "reach", "task", "each", "bonus")
        return sensor, options | {name: getattr(self, name) for name in others}


@dataclass(frozen=True)
class Learning:
    """How the weights are found."""

    estimator: str = "learned_baseline"
    """A row of hardattn.estimators.ESTIMATORS."""
    samples: int | None = None
    """Episodes a scene (leave_one_out, vimco, unordered_set, wake_sleep, ...)."""
    reward_only: bool | None = None
    """Let looks learn from the reward alone, as RAM was published (score functions)."""
    temperature: float | None = None
    """Of the relaxation (gumbel_softmax, straight_through, rebar, relax, variational_gumbel)."""
    entropy: float | None = None
    """Weight of the entropy of the looks (entropy_bonus, moving_average, a2c, ppo)."""
    soft: float | None = None
    """Share of episodes with the mean look (moving_average)."""
    trace: float | None = None
    """Lambda of the generalised advantage (a2c, ppo)."""
    ratio: float | None = None
    """How far a ratio of probabilities may go from 1 (ppo)."""
    epochs: int | None = None
    """Updates from the same looks (ppo)."""
    discount: float | None = None
    """Of later gains (per_look_gain)."""
    population: int | None = None
    """Weights tried at each update (snes)."""
    spread: float | None = None
    """Standard deviation of the weights tried, at first (snes)."""
    phases: tuple[int, int] | None = None
    """Updates of the answer alone, then of the selection alone (three_phases)."""
    pretraining: int | None = None
    """Updates by the policy's own draws, before those of the guide (variational_pathwise)."""
    images: int = 1_000_000
    """Scenes looked at in training."""
    batch: int = 256
    labels: float | None = None
    """Learn from this share of the training images alone, class by class (by default from all)."""
    optimiser: Literal["adam", "adamw", "sgd", "sam"] = "adam"
    """sam: AdamW's step by a gradient taken a little uphill; two passes an update."""
    lr: float = 1e-3
    momentum: float = 0.9
    """Of SGD; Adam's first beta."""
    weight_decay: float = 0.0
    """A penalty in the gradient of adam and sgd; apart from it in adamw and sam."""
    rho: float | None = None
    """How far uphill, in the norm of all weights (sam; by default 0.05)."""
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    warmup: int = 200
    """Updates of growing learning rate."""
    clip: float = float("inf")
    """Largest norm of the gradient."""
    curriculum: float = 0.0
    """Share of training over which the looks grow from one to all; 0: all from the start."""
    validate_every: int = 100_000
    """Scenes between validations, which are also checkpoints."""
    keep: Literal["best", "last"] = "best"
    """Which weights are measured: of the lowest validation error, or the last."""

    def __post_init__(self) -> None:
        at_least(self, 1, "images", "batch", "validate_every")
        at_least(self, 2, "samples", "population")
        at_least(self, 1, "epochs")
        at_least(self, 0, "weight_decay", "warmup", "momentum", "pretraining")
        positive(self, "lr", "clip", "rho", "labels")
        finite(self, "lr", "momentum", "weight_decay", "rho")
        if self.labels is not None and not self.labels <= 1:
            raise UsageError(f"labels is a share of the images, at most 1, not {self.labels}")
        if self.rho is not None and self.optimiser != "sam":
            raise UsageError(f"optimiser {self.optimiser!r} takes no rho: that is for sam")
        if self.momentum >= 1:
            raise UsageError(f"momentum must be below 1, not {self.momentum}")
        if not 0 <= self.curriculum <= 1:
            raise UsageError(f"curriculum must be between 0 and 1, not {self.curriculum}")

    def without_strays(self, base: "Learning", said: Collection[str]) -> "Learning":
        """The same without inherited options that its estimator does not take."""
        return without_strays(self, base, said, "estimator", _estimators(), ESTIMATOR)

    def gradient(self, agent: Any, world: Any) -> Callable[..., Any]:
        """The estimator with its options; made for this agent and world if it is a module."""
        bound = bind("estimator", _estimators(), self.estimator, self, ESTIMATOR)
        return bound(agent, world) if isinstance(bound.func, type) else bound


def _estimators() -> dict[str, Callable[..., Any]]:
    from hardattn.estimators import ESTIMATORS

    return {name: row.make for name, row in ESTIMATORS.items()}


@dataclass(frozen=True)
class Recipe:
    """A result to be had again: what to do, how long it takes, what number to expect."""

    title: str
    about: str
    expect: str = "not measured yet"
    """What the committed result says: the error, of how many seeds, on which machine."""
    minutes: float = 0.0
    """Of training, on a core of that machine; 0 if it was not measured."""
    problem: Problem = field(default_factory=Problem)
    agent: Any = None
    learning: Any = field(default_factory=Learning)
    trainer: str = "hardattn"
    """By whom the weights are found: a row of hardattn.experiments.trainers.TRAINERS."""

    def settings(self) -> dict[str, Any]:
        """Everything that the result depends on, flat: {"dataset": ..., "std": ..., "lr": ...}."""
        parts = (self.problem, self.agent, self.learning)
        flat = {"agent": type(self.agent).__name__}
        for part in parts:
            flat.update(dataclasses.asdict(part))
        return flat


@dataclass(frozen=True)
class Run:
    """How and where a recipe is run; nothing here changes what it means."""

    seed: int = 0
    """Of the weights, the order of the images, the scenes and the looks."""
    device: str = "auto"
    """auto (the GPU where there is one), cpu, cuda, cuda:1, ..."""
    threads: int = 1
    """CPU threads."""
    out: Path = Path("runs")
    """The folder of all runs."""
    root: Path | None = None
    """Where datasets lie; else $HARDATTN_DATA, else ~/.cache/hardattn."""
    again: bool = False
    """Begin anew, although there is a finished or a stopped run; --again alone will do."""

    def __post_init__(self) -> None:
        at_least(self, 1, "threads")
        at_least(self, 0, "seed")
        seedable(self, "seed")


def choose(what: str, table: dict[str, Any], name: str) -> Any:
    """`table[name]`, or a UsageError with the nearest name."""
    if name in table:
        return table[name]
    raise UsageError(f"no {what} is called {name!r}: {nearest(name, table)}")


def nearest(name: str, names: Iterable[str]) -> str:
    """Say "perhaps X", or all there is to choose from."""
    names = list(names)
    near = difflib.get_close_matches(name, names, n=1)
    return f"perhaps {near[0]}" if near else f"choose from {', '.join(names)}"


def bind(
    what: str, table: dict[str, Any], name: str, given: Any, options: tuple[str, ...]
) -> "partial[Any]":
    """`table[name]` with those options of `given` that were set; refuses one that it lacks."""
    function = choose(what, table, name)
    takes = inspect.signature(function).parameters
    values = {each: getattr(given, each) for each in options if getattr(given, each) is not None}
    for each in values:
        if each not in takes:
            could = ", ".join(option for option in options if option in takes) or "none"
            raise UsageError(f"{what} {name!r} takes no {each!r}; of its options it takes: {could}")
    for each in options:
        if each in takes and takes[each].default is inspect.Parameter.empty and each not in values:
            raise UsageError(f"{what} {name!r} needs {each!r}: give --{each}")
    return partial(function, **values)


def without_strays(
    given: Any,
    base: Any,
    said: Collection[str],
    what: str,
    table: Mapping[str, Any],
    options: tuple[str, ...],
) -> Any:
    """The same without options of the row that `base` names, where another one was chosen.

    An option that the row of the table takes stays, and so does one in `said`: if that is not
    taken, it is for `bind` to refuse.
    """
    name = getattr(given, what)
    if name == getattr(base, what) or name not in table:
        return given
    takes = inspect.signature(table[name]).parameters
    strays = [each for each in options if each not in takes and each not in said]
    return dataclasses.replace(given, **dict.fromkeys(strays))


def at_least(config: Any, least: int, *names: str) -> None:
    """Raise UsageError if one of these fields is set to less."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value >= least:
            raise UsageError(f"{name} must be at least {least}, not {value}")


def positive(config: Any, *names: str) -> None:
    """Raise UsageError if one of these fields is set to zero, less, or NaN."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value > 0:
            raise UsageError(f"{name} must be positive, not {value}")


def seedable(config: Any, name: str) -> None:
    """Raise UsageError if this field is too large for a seed."""
    if getattr(config, name) >= 2**62:
        raise UsageError(f"{name} must be below 2**62, not {getattr(config, name)}")


def finite(config: Any, *names: str) -> None:
    """Raise UsageError if one of these fields is set to infinity or NaN."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not abs(value) < float("inf"):
            raise UsageError(f"{name} must be a finite number, not {value}")
