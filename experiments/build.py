"""How a recipe becomes live objects."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from torch import nn

from hardattn.agents import PATH, SCRIPTS, Scripted, Told
from hardattn.agents.told import inner, planed
from hardattn.estimators import Loss
from hardattn.problem import ASKED, SCENES, Problem as Built, problem, world_of
from hardattn.rollout import Agent
from hardattn.sensors import Sensor
from hardattn.world import World

from .kinds import Settings
from .options.option import choose
from .options.tables import imported, options_of, own, row
from .options.wording import plugs_in
from .recipe import PLAIN, ProblemOptions, Spec, UsageError

Shape = tuple[int, ...]
Image = tuple[int, int, int]
Estimator = Callable[..., Loss]


class Learner(nn.Module, Agent):
    """What is trained and measured: a module with the two methods of an agent.

    So it is called by those who take one; agents inherit nothing.
    """


def built(given: ProblemOptions, classes: Sequence[str], image: Sequence[int]) -> Built:
    """World, scenes and answers, of a dataset of these classes with images of (C, H, W)."""
    sensor, settings = _chosen(given)
    return problem(given.scene.name, sensor, classes, image, told=True, **settings)


def world(given: ProblemOptions, answers: int, image: Sequence[int], named: int = 0) -> World:
    """The World alone, for that many answers, of scenes that show so many classes."""
    sensor, settings = _chosen(given)
    return world_of(given.scene.name, sensor, answers, image, named=named, **settings)


def _chosen(given: ProblemOptions) -> tuple[Sensor, Settings]:
    """The sensor, and what else a problem is built from. Raises UsageError."""
    choose("scene", SCENES, given.scene.name)
    choose("task", ASKED, given.task)
    sensor = made("sensor", given.sensor)()
    names = ("looks", "first", "context", "reach", "task", "each", "bonus")
    return sensor, given.scene.options | {name: getattr(given, name) for name in names}


def made(part: str, spec: Spec) -> "partial[Any]":
    """The row of a spec with its options. Raises UsageError for one that it does not take."""
    found = row(part, spec.name)
    takes = inspect.signature(found).parameters
    passes_on = any(each.kind is each.VAR_KEYWORD for each in takes.values())
    for name in spec.options:
        if name not in takes and not passes_on:
            raise UsageError(f"{part} {spec.name!r} takes no {name!r}")
    return partial(found, **spec.options)


def told(function: Callable[..., object], world: World, image: Image) -> Settings:
    """What an agent takes from its world, by the names of its arguments."""
    sensor: Any = world.sensor
    there: Settings = {
        "context": lambda: inner(world.context_shape(image), world.cue_shape),
        "cue": lambda: world.cue_shape if world.cues else None,
        "looks": lambda: world.looks,
        "reach": lambda: world.reach,
        "grid": lambda: (sensor.rows, sensor.columns),
        "zoom": lambda: getattr(sensor, "cover", None),
        "places": lambda: sensor.places,
        "frames": lambda: world.frames,
        "window": lambda: tuple(getattr(sensor, "size", side) / side for side in image[1:]),
        "layout": lambda: world.task.layout or None,
        "named": lambda: world.named or None,
        "extent": lambda: tuple(
            one / side for one, side in zip(sensor.wide(image), image[1:], strict=True)
        ),
    }
    takes = inspect.signature(function).parameters
    found = {name: value() for name, value in there.items() if name in takes}
    return {name: value for name, value in found.items() if value is not None}


def agent(spec: Spec, glimpse: Shape, world: World, image: Image) -> Learner:
    """The agent, for glimpses of that shape; or its observer, under a script."""
    options = dict(spec.options)
    script, share = options.pop("script", None), options.pop("share", None)
    for part in PLAIN.keys() & options.keys():
        held = options[part]
        options[part] = made(part, held if isinstance(held, Spec) else Spec(held))
    for name, option in options_of("agent", spec.name).items():
        if plugs_in(option, options.get(name)):
            options[name] = imported(name, options[name], own(options[name]))
    function = made("agent", Spec(spec.name, **options))
    # One that takes a cue is told it as it is, any other beside what it sees.
    beside = world.cues and "cue" not in inspect.signature(function.func).parameters
    seen = planed(glimpse, world.cue_shape) if beside else glimpse
    found = function(seen, world.task.classes, **told(function.func, world, image))
    scripted = found if script is None else _scripted(found, script, world, share)
    return cast(Learner, Told(scripted, world.cue_shape) if beside else scripted)


def _scripted(found: Any, script: str, world: World, share: float | None) -> Scripted:
    """An agent's observer under a script."""
    if not script.startswith(PATH):
        choose("script", SCRIPTS, script)
    sensor = None if world.sensor.places == 2 else world.sensor
    shown = world.first_name == "target" and world.context_name != "target"
    return Scripted(found, script, world.looks, sensor, share, shown)


def estimator(spec: Spec | None, agent: Agent, world: World) -> Estimator:
    """The estimator with its options; made for this agent and world if it is a module."""
    assert spec is not None, "of a trainer that has none"
    found = made("estimator", spec)
    return found(agent, world) if inspect.isclass(found.func) else found
