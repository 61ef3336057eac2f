"""What a recipe says, in frozen dataclasses of plain values; and how it becomes live objects.

Nothing here imports torch before something is built, so that `--help` is quick. An option left at
None is not passed on: the function that it is for has its own default.
"""

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal


class UsageError(Exception):
    """A name or value that cannot be meant: one line, with the nearest right one.

    No ValueError, which the command line's parser would take for its own and frame.
    """


@dataclass(frozen=True)
class Problem:
    """What is looked at, through what, and what is asked."""

    dataset: str = "digits"
    """digits, mnist, fashion_mnist, folder:PATH or hub:OWNER/NAME."""
    scene: str = "plain"
    """plain, translated or cluttered."""
    canvas: int | None = None
    """Side of the canvas in pixels (translated, cluttered)."""
    zoom: int | None = None
    """Pixels a side that each pixel of the image becomes."""
    pieces: int | None = None
    """How many crops of other images clutter the canvas (cluttered)."""
    piece: int | None = None
    """Side of such a crop in pixels (cluttered)."""
    sensor: str = "retina"
    """retina, gaussian_window or whole."""
    size: int | None = None
    """Side of the glimpse in pixels (retina, gaussian_window)."""
    scales: int | None = None
    """Concentric patches, each twice as wide (retina)."""
    stride: float | None = None
    """Pixels between the filters (gaussian_window)."""
    sigma: float | None = None
    """Width of the filters in pixels (gaussian_window)."""
    looks: int = 6
    first: str = "random"
    """Where the first look falls: random, centre or target."""
    context: str = "none"
    """What the agent is told before it looks: none, or target (for oracles)."""
    each: bool = True
    """Ask after every look and average; otherwise only after the last."""
    bonus: float = 0.0
    """Reward for a right answer, which only the looks can learn from."""
    test_draws: int = 1
    """Scenes that are made of each validation and test image."""
    test_seed: int = 1
    """Freezes the validation and test scenes."""

    def __post_init__(self) -> None:
        _at_least(self, 1, "canvas", "zoom", "piece", "size", "scales", "looks", "test_draws")
        _at_least(self, 0, "pieces", "test_seed")
        _positive(self, "stride", "sigma")
        _finite(self, "stride", "sigma", "bonus")

    def scenes(self) -> str:
        """Results with equal words here were measured on the same scenes."""
        names = ("canvas", "zoom", "pieces", "piece")
        parts = [f"{name} {value}" for name in names if (value := getattr(self, name)) is not None]
        draws = f", {self.test_draws} scenes an image" if self.test_draws > 1 else ""
        scene = ", ".join([f"{self.dataset} {self.scene}", *parts])
        return f"{scene}{draws}, test seed {self.test_seed}"

    def maker(self) -> Callable[..., Any]:
        """The function that makes scenes, with this problem's options."""
        from hardattn.scenes import SCENES

        return bind("scene", SCENES, self.scene, self, ("canvas", "zoom", "pieces", "piece"))

    def world(self, classes: int) -> Any:
        """The World, for that many classes."""
        from hardattn.sensors import SENSORS
        from hardattn.tasks import Classify
        from hardattn.world import CONTEXTS, FIRST_LOOKS, World

        options = ("size", "scales", "stride", "sigma")
        sensor = bind("sensor", SENSORS, self.sensor, self, options)()
        choose("first", FIRST_LOOKS, self.first)
        choose("context", CONTEXTS, self.context)
        task = Classify(classes, self.each, self.bonus)
        return World(sensor, task, self.looks, self.first, self.context)


@dataclass(frozen=True)
class Ram:
    """RAM (Mnih et al. 2014), or its observer under a scripted control."""

    core: Literal["rnn", "gru", "lstm"] = "rnn"
    hidden: int = 256
    what: int = 128
    """Units between the glimpse and the features."""
    where: int = 128
    """Units between the place and the features."""
    std: float = 0.17
    """Standard deviation of the Gaussian policy, in half-sides of the image."""
    joint: bool = False
    """Let the policy's gradient train the core as well."""
    script: str | None = None
    """random, centre, raster or oracle look instead of the locator."""

    def __post_init__(self) -> None:
        _at_least(self, 1, "hidden", "what", "where")
        _positive(self, "std")
        _finite(self, "std")

    def build(self, glimpse: tuple[int, ...], world: Any) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import RAM, SCRIPTS, Scripted

        options = {k: v for k, v in dataclasses.asdict(self).items() if k != "script"}
        agent = RAM(glimpse, world.task.classes, **options)
        if self.script is None:
            return agent
        choose("script", SCRIPTS, self.script)
        return Scripted(agent, self.script, world.looks)


@dataclass(frozen=True)
class FullView:
    """A classifier that sees everything at once."""

    net: str = "cnn"
    """mlp, conv_2014 or cnn."""

    def build(self, glimpse: tuple[int, ...], world: Any) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn import agents

        choose("net", agents.NETS, self.net)
        return agents.FullView(glimpse, world.task.classes, net=self.net)


@dataclass(frozen=True)
class Learning:
    """How the weights are found."""

    estimator: str = "learned_baseline"
    """reinforce, learned_baseline, self_critical, leave_one_out or pathwise."""
    samples: int | None = None
    """Episodes a scene (leave_one_out)."""
    reward_only: bool | None = None
    """Let looks learn from the reward alone, as RAM was published (score functions)."""
    images: int = 1_000_000
    """Scenes looked at in training."""
    batch: int = 256
    optimiser: Literal["adam", "sgd"] = "adam"
    lr: float = 1e-3
    momentum: float = 0.9
    """Of SGD; Adam's first beta."""
    weight_decay: float = 0.0
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    warmup: int = 200
    """Updates of growing learning rate."""
    clip: float = float("inf")
    """Largest norm of the gradient."""
    validate_every: int = 100_000
    """Scenes between validations, which are also checkpoints."""

    def __post_init__(self) -> None:
        _at_least(self, 1, "images", "batch", "validate_every")
        _at_least(self, 2, "samples")
        _at_least(self, 0, "weight_decay", "warmup", "momentum")
        _positive(self, "lr", "clip")
        _finite(self, "lr", "momentum", "weight_decay")
        if self.momentum >= 1:
            raise UsageError(f"momentum must be below 1, not {self.momentum}")

    def gradient(self) -> Callable[..., Any]:
        """The estimator, with its options."""
        from hardattn.estimators import ESTIMATORS

        return bind("estimator", ESTIMATORS, self.estimator, self, ("samples", "reward_only"))


@dataclass(frozen=True)
class Recipe:
    """A result to be had again: what to do, how long it takes, what number to expect."""

    title: str
    about: str
    expect: str
    """The number that this recipe gave, and where it was measured."""
    minutes: float
    """On one core of the machine that `expect` names."""
    problem: Problem = field(default_factory=Problem)
    agent: Ram | FullView = field(default_factory=Ram)
    learning: Learning = field(default_factory=Learning)

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

    def __post_init__(self) -> None:
        _at_least(self, 1, "threads")
        _at_least(self, 0, "seed")


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
) -> Callable[..., Any]:
    """`table[name]` with those options of `given` that were set; refuses one that it lacks."""
    function = choose(what, table, name)
    takes = inspect.signature(function).parameters
    values = {each: getattr(given, each) for each in options if getattr(given, each) is not None}
    for each in values:
        if each not in takes:
            could = ", ".join(option for option in options if option in takes) or "none"
            raise UsageError(f"{what} {name!r} takes no {each!r}; of its options it takes: {could}")
    return partial(function, **values)


def _at_least(config: Any, least: int, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and not value >= least:
            raise UsageError(f"{name} must be at least {least}, not {value}")


def _positive(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and not value > 0:
            raise UsageError(f"{name} must be positive, not {value}")


def _finite(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and not abs(value) < float("inf"):
            raise UsageError(f"{name} must be a finite number, not {value}")
