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
from hardattn.sensors import Frames, Sensor
from hardattn.tasks import (
    Classify,
    Cluster,
    Find,
    Localise,
    Questions,
    Sequence as SequenceTask,
    Task,
)
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


def of_query(classes: Sequence[str]) -> tuple[str, ...]:
    """The places of a `query`, row by row, and that it is at none."""
    return (*_grid(scenes.SIDES), "absent")


def of_ways(classes: Sequence[str], ways: int = 3) -> tuple[str, ...]:
    """The classes of an episode of `few_shot`, by their columns."""
    return tuple(f"column {column}" for column in range(ways))


def of_shapes(classes: Sequence[str]) -> tuple[str, ...]:
    """The shapes of `circle_square`."""
    return ("square", "circle")


def of_game(classes: Sequence[str]) -> tuple[str, ...]:
    """How a game ends, whatever the classes."""
    return ENDS


def _of_boxes(
    task: type[Localise],
    apart: Callable[[Size, int, int], tuple[int, int]],
    classes: int,
    image: Sequence[int],
    canvas: Size,
    zoom: int = 1,
    each: bool = False,
    bonus: float = 0.0,
) -> Localise:
    """A task whose places are as far apart, in pixels down and across, as a scene lays them."""
    height, width = (zoom * side for side in image[-2:])
    down, across = apart(canvas, height, width)
    return task(classes, each, bonus, (down / height, across / width))


def of_masks(classes: Sequence[str], label: str = "class") -> tuple[str, ...]:
    """What may be at a place of `masks`."""
    return ("nothing", *classes) if label == "class" else ("nothing", "something")


def of_pasted(classes: Sequence[str]) -> tuple[str, ...]:
    """Where a place of `pasted` is from."""
    return ("this scene", "another")


def of_key_points(classes: Sequence[str], canvas: Size, spacing: int = 2) -> tuple[str, ...]:
    """The squares of `keypoints`, row by row."""
    rows, columns = scenes.cells(canvas, spacing)
    return tuple(f"row {row} column {column}" for row in range(rows) for column in range(columns))


def _at_every_place(
    answers: int, canvas: Size, spacing: int = 2, each: bool = False, bonus: float = 0.0
) -> Questions:
    """The task of `masks`: a question at every place."""
    rows, columns = scenes.cells(canvas, spacing)
    many = rows * columns * answers
    return Questions(many, answers, each, bonus, asked_at=(rows, columns))


def _of_points(
    answers: int, canvas: Size, spacing: int = 2, each: bool = False, bonus: float = 0.0
) -> Questions:
    """The task of `keypoints`: the place of each point."""
    many, layout = scenes.POINTS * answers, scenes.cells(canvas, spacing)
    return Questions(many, answers, each, bonus, answered_at=layout)


def class_name(classes: Sequence[str], image: Sequence[int]) -> tuple[int, ...]:
    """The shape of a cue that says a class, one-hot."""
    return (len(classes),)


def example(classes: Sequence[str], image: Sequence[int]) -> tuple[int, ...]:
    """The shape of a cue that is an image of the dataset."""
    return tuple(image)


class SceneKind(NamedTuple):
    """All that hangs on the name of a scene."""

    make: Callable[..., Scenes]
    answers: Callable[..., tuple[str, ...]] = of_classes  # classes, options -> their names
    task: Callable[..., Task] = Classify  # what is asked of it, if nothing else is
    world: type[World] = World
    blank: bool = False  # whether pieces of other images could lie there, and do not
    cue: Callable[..., tuple[int, ...]] | None = None  # the shape of one told beside
    cued: bool = False  # whether an agent must be told what it is to find
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

    def named(self, classes: Sequence[str], options: Mapping[str, Any]) -> int:
        """How many classes its scenes show; those of images that are turned are of their own."""
        return len(classes) * (2 if options.get("turns") else 1)

    def questions(self, answers: int, options: Mapping[str, Any]) -> int:
        """How many questions with so many answers each are answered at once."""
        task = self.task(answers, **_taken(self.task, {**options, "image": (1, 1, 1)}))
        return task.classes // task.choices


SCENES: dict[str, SceneKind] = {
    "plain": SceneKind(scenes.plain, boxed=False),
    "translated": SceneKind(scenes.translated, blank=True),
    "cluttered": SceneKind(scenes.cluttered),
    "pair": SceneKind(scenes.pair, of_pair),
    "sequence": SceneKind(scenes.sequence, of_sequence, SequenceTask),
    "captions": SceneKind(scenes.captions, of_captions, SequenceTask),
    "matching": SceneKind(scenes.matching, of_candidates, cued=True),
    "search": SceneKind(scenes.search, of_cells, cued=True, cue=class_name),
    "localise": SceneKind(scenes.localise, of_places, partial(_of_boxes, Localise, scenes.apart)),
    "majority": SceneKind(scenes.majority),
    "masks": SceneKind(scenes.masks, of_masks, _at_every_place),
    "pasted": SceneKind(scenes.pasted, of_pasted, _at_every_place),
    "keypoints": SceneKind(scenes.keypoints, of_key_points, _of_points),
    "query": SceneKind(
        scenes.query, of_query, partial(_of_boxes, Find, scenes.between), cued=True, cue=example
    ),
    "few_shot": SceneKind(scenes.few_shot, of_ways),
    "circle_square": SceneKind(scenes.circle_square, of_shapes),
    "clips": SceneKind(scenes.clips, scenes.of_clip),
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
    cues = kind.cue(classes, image) if told and kind.cue is not None else 0
    of_data = {"classes": len(classes), "names": tuple(classes)}
    make = partial(kind.make, **options | _taken(kind.make, of_data))
    named = kind.named(classes, settings)
    world = world_of(scene, sensor, len(answers), image, cues=cues, named=named, **settings)
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
    cues: int | tuple[int, ...] = 0,
    named: int = 0,
    **options: Any,
) -> World:
    """The world of a problem with so many answers.

    looks, first, context, reach, cues, named: of the world. task: a row of ASKED; each, bonus: of
    the task, as far as it takes them. options: of the scene.
    """
    kind = SCENES[scene]
    for name in options:
        if name not in kind.options:
            could = ", ".join(kind.options) or "none"
            raise ValueError(f"scene {scene!r} takes no {name!r}; it takes: {could}")
    given: dict[str, Any] = {"looks": looks, "first": first, "context": context, "reach": reach}
    if cues:
        given["cues"] = cues
    if "named" in _takes(kind.world):
        given["named"] = named
    if "frames" in options:
        given["frames"] = options["frames"]
        if isinstance(sensor, Frames):
            sensor = Frames(sensor.size, sensor.scales, options["frames"])
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
