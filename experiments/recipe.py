"""What a recipe says, as plain values; and how a command line, or a file, says it.

Nothing here imports torch, so that recipes can be listed, and told of, quickly. What can be set of
a row of a table is the row's to say: see `options`.
"""

import dataclasses
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from hardattn.report import format_1
from hardattn.training.options import TrainOptions

from .kinds import Settings, Value
from .options import tables, wording
from .options.option import Option, UsageError as UsageError, fields_of
from .options.space import Space
from .options.tables import PARTS
from .options.wording import check

OWN = "folder:"  # how the names of datasets begin beside which a file of boxes may lie
UNBOXED = ("plain",)  # whose rows of SCENES are not boxed; a copy, as those import torch
# Agents whose name in settings is not that of their row, written as a class is.
SAID = {"draw": "DrawReader", "temporal": "TemporalRam", "kalman": "KalmanRam"}
# What options were called when the first results were told which scenes they were measured on.
WORDS = {"distractors": "pieces", "distractor_size": "piece"}
PLAIN = {"block": "none", "head": "mean"}  # the rows of those who name none


class Spec:
    """A row of a table, by name, with those of its options that are not as by default."""

    def __init__(self, name: str, /, **options: Any):
        self.name, self.options = name, options

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        told = [repr(self.name), *(f"{name}={value!r}" for name, value in self.options.items())]
        return f"Spec({', '.join(told)})"

    def get(self, option: str, default: Any = None) -> Any:
        """An option that was set."""
        return self.options.get(option, default)

    def but(self, **options: Any) -> "Spec":
        """The same row with these options set anew."""
        return Spec(self.name, **self.options | options)

    def without(self, *names: str) -> "Spec":
        """The same row with these options as by default."""
        return Spec(self.name, **{k: v for k, v in self.options.items() if k not in names})


@dataclass(frozen=True)
class ProblemOptions:
    """What is looked at, through what, and what is asked."""

    dataset: str = "digits"
    """digits, mnist or fashion_mnist, or images of one's own, by where they lie.

    These are folder:PATH (of PATH/class/image), hub:OWNER/NAME or array:PATH (of train_images.npy
    and so on). Of a folder or the hub @64 or @48x64 at the end resizes every image to that height
    and width, @64:letterbox, @64:crop or @pad says by which rule, and @boxes=FILE says where
    targets are."""
    train_fraction: float | None = None
    """Learn from this share of the training images alone, class by class (by default from all)."""
    test_fraction: float | None = None
    """Validate and test on this share of their images alone, class by class (by default on all)."""
    normalise: bool = False
    """Show the agent every channel with mean 0 and spread 1 of the training images. Both are kept
    with its weights, so that whoever has these shows it images as they are."""
    scene: Spec = field(default_factory=lambda: Spec("plain"))
    """What an image becomes before anyone looks."""
    sensor: Spec = field(default_factory=lambda: Spec("retina"))
    """What it is looked at through."""
    looks: int = 6
    """How many."""
    first: str = "random"
    """Where the first look falls: random, centre or target."""
    reach: float | None = None
    """How far a look may fall from the one before, in half-sides of the image; None: anywhere."""
    context: str = "none"
    """What the agent is told before it looks: none, coarse, whole, or target (for oracles)."""
    draw: Literal["greedy", "soft"] = "greedy"
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
        unknown = self.scene.name in UNBOXED and not self.dataset.startswith(OWN)
        if unknown and "target" in (self.first, self.context):
            raise UsageError(
                f"nobody knows where the target is in {self.scene.name} scenes, so first and "
                "context cannot be 'target': choose others, or another scene"
            )

    def scenes(self) -> str:
        """Results with equal words here were measured on the same scenes."""
        told = {WORDS.get(name, name): value for name, value in self.scene.options.items()}
        order = ("canvas", "zoom", "zooms", "pieces", "piece", "answer", "digits", "gap")
        names = [*filter(told.get, order), *(name for name in told if name not in order)]
        parts = [f"{name} {told[name]}" for name in names]
        draws = f", {self.test_draws} scenes an image" if self.test_draws > 1 else ""
        share = f", {self.test_fraction:.3g} of the images" if self.test_fraction else ""
        scene = ", ".join([f"{self.dataset} {self.scene.name}", *parts])
        return f"{scene}{share}{draws}, test seed {self.test_seed}"


@dataclass(frozen=True)
class RunOptions:
    """How and where a recipe is run; nothing here changes what it means."""

    seed: int = 0
    """Of the weights, the order of the images, the scenes and the looks."""
    seeds: str | None = None
    """Several, such as 0:8 of 0 to 7, that are trained as one; each has its folder and result."""
    device: str = "auto"
    """auto (the GPU where there is one), cpu, cuda, cuda:1, ..."""
    threads: int = 1
    """CPU threads."""
    capture: bool | None = None
    """Whether updates are launched as CUDA graphs; by default where they can be."""
    out: Path = Path("runs")
    """The folder of all runs."""
    root: Path | None = None
    """Where datasets lie; else $HARDATTN_DATA, else ~/.cache/hardattn."""
    track: tuple[str, ...] = ("tensorboard",)
    """Who is told how it goes: tensorboard, csv, wandb, mlflow, several of them; or none, alone."""
    again: bool = False
    """Begin anew, although there is a finished or a stopped run; --again alone will do."""
    validate_only: bool = False
    """Leave the test images alone, as a trial of a search does; --validate-only alone will do."""


def fields(kind: type) -> Mapping[str, Option]:
    """The fields of a record that are plain values."""
    return _fields(cast(Hashable, kind))


@cache
def _fields(kind: Hashable) -> Mapping[str, Option]:
    assert isinstance(kind, type)
    rows = [each.name for each in dataclasses.fields(kind) if each.type in (Spec, "Spec")]
    found = fields_of(kind, rows)
    return {name: option._replace(listed=True) for name, option in found.items()}


class Flag(NamedTuple):
    """One thing that can be set of a recipe."""

    name: str
    """Of the setting, and with dashes of the flag: that of the option, but with the part's before
    it where an earlier part has one of that name."""
    part: str
    """One of PARTS; or problem, training."""
    option: Option
    value: Value
    """As the recipe has it; by default the option's default."""
    given: bool
    """Whether the recipe says so."""


@dataclass(frozen=True)
class Recipe:
    """A result to be had again: what to do, how long it takes, what number to expect."""

    title: str
    about: str
    expect: str = "not measured yet"
    """What the committed result says: the error, of how many seeds, on which machine."""
    minutes: float = 0.0
    """Of training, on a core of that machine; 0 if it was not measured."""
    problem: ProblemOptions = field(default_factory=ProblemOptions)
    agent: Any = None
    """A Spec; or a record of plain values, for a trainer that builds its own."""
    estimator: Spec | None = field(default_factory=lambda: Spec("learned_baseline"))
    """None for a trainer that has no choice of it."""
    training: Any = field(default_factory=lambda: TrainOptions(images=1_000_000))
    trainer: str = "hardattn"
    """By whom the weights are found: a row of hardattn.experiments.trainers.trainer.TRAINERS."""
    space: Space = ()
    """What `hardattn sweep --search` may change, and from where to where."""
    controls: tuple[str, ...] = ()
    """Recipes of the same network without attention, or whose looks nobody learned. Of recipes
    that ask which class a digit is, reports find them by their settings."""

    def specs(self) -> dict[str, Spec]:
        """The rows of which it is made, by part."""
        found = {"scene": self.problem.scene, "sensor": self.problem.sensor}
        if isinstance(self.agent, Spec):
            found["agent"] = self.agent
        if self.estimator is not None:
            found["estimator"] = self.estimator
        if isinstance(self.agent, Spec):
            given = tables.given_to("agent", self.agent.name)
            for part in ("block", "head"):
                if part in given:
                    held = self.agent.get(part, PLAIN[part])
                    found[part] = held if isinstance(held, Spec) else Spec(held)
        return found

    def having(self, part: str, spec: Spec, **problem: Any) -> "Recipe":
        """The same with another row for a part; a scene may need other fields of the problem."""
        if part in ("scene", "sensor"):
            changes: Settings = {part: spec, **problem}
            return dataclasses.replace(self, problem=dataclasses.replace(self.problem, **changes))
        if part in PLAIN:
            return dataclasses.replace(self, agent=self.agent.but(**{part: spec}))
        whole: Settings = {part: spec}
        return dataclasses.replace(self, **whole)

    def flags(self) -> Iterator[Flag]:
        """All that can be set of it, beside which rows it is made of."""
        own = {"problem": self.problem, "agent": self.agent, "training": self.training}
        records = {part: one for part, one in own.items() if not isinstance(one, Spec)}
        known = {*PARTS, *fields(RunOptions)}
        known |= {name for record in records.values() for name in fields(type(record))}
        specs, last = self.specs(), ("training",)
        for part in [each for each in records if each not in last] + [*specs, *last]:
            if part in records:
                for name, option in fields(type(records[part])).items():
                    yield Flag(name, part, option, getattr(records[part], name), True)
                continue
            spec = specs[part]
            for name, option in tables.options_of(part, spec.name).items():
                flat = f"{part}_{name}" if name in known else name
                known.add(flat)
                value = spec.get(name, None if option.needed else option.default)
                yield Flag(flat, part, option, value, name in spec.options)

    def settings(self) -> Settings:
        """Everything that the result depends on, flat: {"dataset": ..., "std": ..., "lr": ...}.

        An option of a row that the recipe does not set is as by default, and left out; those of an
        agent are all there.
        """
        specs = self.specs()
        flat: Settings = {"agent": type(self.agent).__name__}
        flat |= {part: spec.name for part, spec in specs.items()}
        if "agent" in specs:
            flat["agent"] = said(specs["agent"].name)
        if self.estimator is None:
            hidden = [f for f in dataclasses.fields(self.training) if not f.init]
            flat |= {each.name: getattr(self.training, each.name) for each in hidden}
        return flat | {
            flag.name: flag.value for flag in self.flags() if flag.given or flag.part == "agent"
        }

    def changed(self, values: Settings) -> "Recipe":
        """The same with these flags set. Raises UsageError for a value that cannot be meant."""
        sets: dict[str, Settings] = {}
        for flag in self.flags():
            if flag.name in values:
                value = values[flag.name]
                check(flag.option, value)
                sets.setdefault(flag.part, {})[flag.option.name] = value
        recipe = self
        for part in ("training", "problem"):
            if part in sets:
                record = dataclasses.replace(getattr(recipe, part), **sets[part])
                recipe = dataclasses.replace(recipe, **{part: record})
        if "agent" in sets and not isinstance(self.agent, Spec):
            agent = dataclasses.replace(self.agent, **sets.pop("agent"))
            recipe = dataclasses.replace(recipe, agent=agent)
        for part, spec in recipe.specs().items():
            if part in sets:
                # None is as by default.
                unset = [name for name, value in sets[part].items() if value is None]
                recipe = recipe.having(part, spec.but(**sets[part]).without(*unset))
        return recipe

    def complete(self) -> "Recipe":
        """The same. Raises UsageError for what does not go together, or is missing."""
        for flag in self.flags():
            if flag.option.needed and not flag.given:
                row = self.specs()[flag.part].name
                word = flag.name.replace("_", "-")
                raise UsageError(f"{flag.part} {row!r} needs {flag.option.name!r}: give --{word}")
        if isinstance(self.training, TrainOptions):
            _agree(self.training)
        for name in ("train_fraction", "test_fraction"):
            share = getattr(self.problem, name)
            if share is not None and share > 1:
                raise UsageError(f"{name} is a share of the images, at most 1, not {share}")
        return self


def _agree(training: TrainOptions) -> None:
    """Raise UsageError for settings of the training loop that do not go together."""
    if training.rho is not None and training.optimizer != "sam":
        raise UsageError(f"optimizer {training.optimizer!r} takes no rho: that is for sam")
    if training.momentum >= 1:
        raise UsageError(f"momentum must be below 1, not {training.momentum}")
    for word in training.augment or ():
        from hardattn.scenes.augment import parsed

        try:
            parsed(word)
        except ValueError as fault:
            raise UsageError(str(fault)) from fault
    for name in ("curriculum", "growing", "led"):
        if not 0 <= getattr(training, name) <= 1:
            raise UsageError(f"{name} must be between 0 and 1, not {getattr(training, name)}")


def said(row: str) -> str:
    """What an agent is called in settings: dt_ram -> DtRam; package.module:Name as it is."""
    return row if ":" in row else SAID.get(row, row.title().replace("_", ""))


def choose_rows(
    recipe: Recipe, names: Mapping[str, str], problem: Settings | None = None
) -> Recipe:
    """The same made of other rows; of the options that were set those stay that these take, too.

    names: by part. problem: fields of the problem, which go with the scene or not. Raises
    UsageError.
    """
    for part in PARTS:
        if part not in names:
            continue
        before = recipe.specs().get(part)
        if before is None:
            raise UsageError(f"the recipe has no {part} to choose")
        takes = tables.options_of(part, names[part])
        if names[part] == before.name:
            continue
        kept = {name: value for name, value in before.options.items() if name in takes}
        if part == "agent":
            kept |= {one: before.options[one] for one in PLAIN if one in before.options}
        fields_too = problem or {} if part == "scene" else {}
        recipe = recipe.having(part, Spec(names[part], **kept), **fields_too)
    return recipe


def from_settings(
    given: Settings, where: object, title: str = "", of: Recipe | None = None
) -> Recipe:
    """The recipe with these settings; what they do not name is as by default.

    of: the recipe of a trainer that builds its own agents, as by default. Raises UsageError, which
    says where.
    """
    left = format_1.settings(dict(given))
    agent = str(left.pop("agent", ""))
    if of is None:
        agents = {said(name): name for name in tables.rows("agent")}
        if agent not in agents and ":" not in agent and agent not in agents.values():
            raise UsageError(f"{where}: no recipe of this version has an agent {agent!r}")
        of = Recipe(title=title, about="", agent=Spec(agents.get(agent, agent)))
    recipe = dataclasses.replace(of, title=title)
    names = {part: left.pop(part) for part in PARTS if part in left}
    # Whether a scene goes with the rest of a problem is asked once all is there.
    problem = dataclasses.replace(recipe.problem, scene=Spec(names.pop("scene", "plain")))
    recipe = choose_rows(dataclasses.replace(recipe, problem=problem), names)
    values, named = {}, set(left)
    for flag in recipe.flags():
        value = left.pop(flag.name, None)
        if value is not None or (flag.given and flag.name in named):
            values[flag.name] = as_told(flag.option, value)
    if strange := sorted(name for name, value in left.items() if value is not None):
        raise UsageError(f"{where}: no recipe of this version has {', '.join(strange)}")
    return recipe.changed(values)


def as_told(option: Option, value: Value) -> Value:
    """A value as it was before JSON had it: see `hardattn.experiments.records.claim.plain`."""
    if isinstance(value, str) and value in ("inf", "-inf", "nan") and not option.choices:
        return float(value)
    return wording.plain(value)
