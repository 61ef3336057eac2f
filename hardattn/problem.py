"""What a scene's name stands for, and the one place where a problem is built from it.

Recipes and environments both build here, so that one name is one problem.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from hardattn import scenes
from hardattn.catch import ENDS, Catch, catch
from hardattn.scenes import MakeScenes, Scenes
from hardattn.scenes.canvas import Size
from hardattn.scenes.pairs import of_pair
from hardattn.sensors import Sensor
from hardattn.tasks import Classify, Cluster, Localise, Sequence as SequenceTask, Task
from hardattn.world import World

DRAWN = ("split", "index", "generator", "classes", "names")  # of scenes: nothing that one chooses


def of_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """What can be answered about a scene in which there is one image: its class."""
    return tuple(classes)


def of_sequence(classes: Sequence[str]) -> tuple[str, ...]:
    """The symbols of a `sequence`: the classes and the end."""
    return (*classes, "end")


def of_captions(classes: Sequence[str]) -> tuple[str, ...]:
    """The words of `captions`: the classes, sizes, relations, how it begins, and the end."""
    return (*classes, *scenes.WORDS)


def of_candidates(classes: Sequence[str], candidates: int = 20) -> tuple[str, ...]:
    """The sentences, or pictures, of `matching`."""
    return tuple(f"candidate {number}" for number in range(candidates))


def of_cells(classes: Sequence[str]) -> tuple[str, ...]:
    """The cells of a `search`, row by row."""
    return _grid(scenes.CELLS)


def of_places(classes: Sequence[str]) -> tuple[str, ...]:
    """The places of `localise`, row by row."""
    return _grid(scenes.PLACES)


def _grid(side: int) -> tuple[str, ...]:
    return tuple(f"row {row} column {column}" for row in range(side) for column in range(side))


def of_shapes(classes: Sequence[str]) -> tuple[str, ...]:
    """The shapes of `circle_square`."""
    return ("square", "circle")


def of_game(classes: Sequence[str]) -> tuple[str, ...]:
    """How a game ends, whatever the classes."""
    return ENDS


def _at_places(
    classes: int,
    image: Sequence[int],
    canvas: Size,
    zoom: int = 1,
    each: bool = False,
    bonus: float = 0.0,
) -> Localise:
    """The task of `localise`, whose places are as far apart as that scene lays them."""
    height, width = (zoom * side for side in image[-2:])
    down, across = scenes.apart(canvas, height, width)
    return Localise(classes, each, bonus, (down / height, across / width))


class SceneKind(NamedTuple):
    """All that hangs on the name of a scene."""

    make: Callable[..., Scenes]
    answers: Callable[..., tuple[str, ...]] = of_classes  # classes, options -> their names
    task: Callable[..., Task] = Classify  # what is asked of it, if nothing else is
    world: type[World] = World
    blank: bool = False  # whether pieces of other images could lie there, and do not
    cued: bool = False  # whether an agent must be told what it is to find
    beside: bool = True  # whether that can be told in planes beside what is seen
    boxed: bool = True  # whether anybody knows where the target is

    @property
    def options(self) -> tuple[str, ...]:
        """What can be set of its scenes."""
        return tuple(name for name in _takes(self.make) if name not in DRAWN)

    @property
    def asked(self) -> tuple[str, ...]:
        """What can be set of its task; nothing of a world that brings its own."""
        own = "task" not in _takes(self.world)
        return () if own else tuple(name for name in ("each", "bonus") if name in _takes(self.task))

    def answered(self, classes: Sequence[str], options: Mapping[str, Any]) -> tuple[str, ...]:
        """The names of all that can be answered; `len` of it is K."""
        return self.answers(classes, **_taken(self.answers, options))


SCENES: dict[str, SceneKind] = {
    "plain": SceneKind(scenes.plain, boxed=False),
    "translated": SceneKind(scenes.translated, blank=True),
    "cluttered": SceneKind(scenes.cluttered),
    "pair": SceneKind(scenes.pair, of_pair),
    "sequence": SceneKind(scenes.sequence, of_sequence, SequenceTask),
    "captions": SceneKind(scenes.captions, of_captions, SequenceTask),
    "matching": SceneKind(scenes.matching, of_candidates, cued=True, beside=False),
    "search": SceneKind(scenes.search, of_cells, cued=True),
    "localise": SceneKind(scenes.localise, of_places, _at_places),
    "majority": SceneKind(scenes.majority),
    "circle_square": SceneKind(scenes.circle_square, of_shapes),
    "catch": SceneKind(catch, of_game, world=Catch),
}
# What else may be asked than what a scene asks by itself.
ASKED: dict[str, Callable[..., Task] | None] = {"classify": None, "cluster": Cluster}


class Problem(NamedTuple):
    """A world, the scenes that are looked at in it, and the names of all that can be answered."""

    world: World
    make: MakeScenes
    answers: tuple[str, ...]


def problem(
    scene: str,
    sensor: Sensor,
    classes: Sequence[str],
    image: Sequence[int],
    told: bool = False,
    **settings: Any,
) -> Problem:
    """A row of SCENES, of a dataset with these classes and images of (C, H, W), through a sensor.

    settings: those of the scene, and of `world_of`. told: whether agents are told the cue of scenes
    that have one, beside the context. Raises ValueError for what does not go
    together.
    """
    kind = SCENES[scene]
    options = _taken(kind.make, settings)
    if missing := [name for name in _needs(kind.make) if name not in {*options, *DRAWN}]:
        raise ValueError(f"scene {scene!r} needs {missing[0]!r}")
    answers = kind.answered(classes, options)
    cues = len(classes) if told and kind.cued and kind.beside else 0
    of_data = {"classes": len(classes), "names": tuple(classes)}
    make = partial(kind.make, **options | _taken(kind.make, of_data))
    world = world_of(scene, sensor, len(answers), image, cues=cues, **settings)
    return Problem(world, make, answers)


def world_of(
    scene: str,
    sensor: Sensor,
    answers: int,
    image: Sequence[int],
    *,
    looks: int,
    first: str = "random",
    context: str = "none",
    reach: float | None = None,
    task: str = "classify",
    each: bool = False,
    bonus: float = 1.0,
    cues: int = 0,
    **options: Any,
) -> World:
    """The world of a problem with so many answers.

    looks, first, context, reach, cues: of the world. task: a row of ASKED; each, bonus: of the
    task, as far as it takes them. options: of the scene.
    """
    kind = SCENES[scene]
    for name in options:
        if name not in kind.options:
            could = ", ".join(kind.options) or "none"
            raise ValueError(f"scene {scene!r} takes no {name!r}; it takes: {could}")
    given: dict[str, Any] = {"looks": looks, "first": first, "context": context, "reach": reach}
    if cues:
        given["cues"] = cues
    asked = ASKED[task]
    if "task" in _takes(kind.world):
        build = asked or kind.task
        of_task = {"each": each, "bonus": bonus, "image": image} | options
        given["task"] = build(answers, **_taken(build, of_task))
    elif asked is not None:
        raise ValueError(f"scene {scene!r} is judged by how it ends: no task {task!r} is asked")
    return kind.world(sensor, **given)


def _takes(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def _needs(function: Callable[..., Any]) -> list[str]:
    empty = inspect.Parameter.empty
    return [name for name, one in _takes(function).items() if one.default is empty]


def _taken(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is given, what the function takes."""
    takes = _takes(function)
    return {name: value for name, value in given.items() if name in takes}
