"""A world: through what one looks, what is asked, how often; and the one place of observation."""

import copy
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.data.memory import at_once
from hardattn.rng import Generator, uniform
from hardattn.scenes import Scenes
from hardattn.scenes.sprites import Kind, Sprites, Stage
from hardattn.sensors import SIGHTS, Sensor, sight
from hardattn.sensors.grid import Grid
from hardattn.tasks import Task

COARSE = 12  # pixels a side of a coarse view, at most
SURVEY = 125  # and of a survey
FEATURES = 16  # channels of what networks make of a whole image, which take more than itself


class Observation(NamedTuple):
    """What an agent is shown, in training, in evaluation and behind an environment's face."""

    glimpse: Tensor  # (B, ...) what the sensor saw
    location: Tensor  # (B, P) where
    step: Tensor  # (B,) how many looks are over, in [0, 1]


def nothing(scenes: Scenes) -> Tensor:
    """No context: (B, 0)."""
    return scenes.box[:, 0, :0]


def target_centre(scenes: Scenes) -> Tensor:
    """The centre of the first target's box, (B, 2): what only an oracle is told."""
    return scenes.centre


def image_centre(scenes: Scenes) -> Tensor:
    """The centre of the image, (B, 2)."""
    return torch.zeros_like(scenes.centre)


def coarse(scenes: Scenes) -> Tensor:
    """The image averaged down to at most COARSE pixels a side: (B, C, h, w)."""
    _, height, width = scenes.shape
    size, many = (min(COARSE, height), min(COARSE, width)), at_once(scenes.shape)
    parts = [scenes.slice(at, at + many) for at in range(0, len(scenes), many)] or [scenes]
    return torch.cat([F.adaptive_avg_pool2d(whole(part), size) for part in parts])


def survey(scenes: Scenes) -> Tensor:
    """The image averaged down to at most SURVEY pixels a side, without being painted: (B, C, h, w).

    Each pixel of the image counts in one of the view, which are as equal in size as can be.
    """
    _, height, width = scenes.shape
    picture = scenes.picture
    unpainted = Sprites.of(picture) if isinstance(picture, Tensor) else picture
    return unpainted.averaged(min(SURVEY, height), min(SURVEY, width)) / 255.0


def whole(scenes: Scenes) -> Tensor:
    """The image itself, in [0, 1]: (B, C, H, W)."""
    return scenes.image.to(torch.get_default_dtype()) / 255.0


def cue(scenes: Scenes) -> Tensor:
    """What a scene's task is about, as far as it is told: (B, D)."""
    return scenes.cue


def with_cue(context: Tensor, told: Tensor) -> Tensor:
    """(B, n) or (B, C, h, w) contexts, (B, D) cues -> both: more numbers, or a plane for each."""
    if context.dim() == 2:
        return torch.cat([told, context], 1)
    planes = told[:, :, None, None].expand(-1, -1, *context.shape[2:])
    return torch.cat([planes, context], 1)


CONTEXTS: dict[str, Callable[[Scenes], Tensor]] = {
    "none": nothing,
    "target": target_centre,
    "coarse": coarse,
    "survey": survey,
    "whole": whole,
    "cue": cue,
}
FIRST_LOOKS: dict[str, Callable[[Scenes], Tensor] | None] = {
    "random": None,
    "centre": image_centre,
    "target": target_centre,
}


class World:
    """T looks through a sensor at a scene, and a task.

    first: where the first look falls, which no agent decides: uniform over the image ("random",
    as in Mnih et al. 2014), or a row of FIRST_LOOKS. context: what the agent is told before it
    looks, a row of CONTEXTS. Both are a world's to say, because an agent sees neither image nor
    target. reach: how far a look may fall from the one before, in half-sides of the image (on a
    circle, where the image is square); one that is asked for further away falls on the way there.
    None: anywhere. cues: how many numbers of a scene's cue come before that context, see
    `with_cue`; or the shape of which they are, where a cue is a picture. frames: how many stand
    side by side in an image, of which one is looked at. named: how many classes scenes show, of
    which an answer may be none; 0 where nobody said it.

    A world that changes while it is looked at overrides `advance`, one in which looking itself is
    judged `answers` or `outcome`, and with them `judged_at_end`.
    """

    changes = False  # whether scenes change while they are looked at
    asks = True  # whether what an agent answers counts

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = vars(cls)
        if ("answers" in own or "outcome" in own) and "judged_at_end" not in own:
            raise TypeError(
                f"{cls.__name__} judges in its own way, so it must say by judged_at_end whether "
                "all hangs on the answer at the last look"
            )

    def __init__(
        self,
        sensor: Sensor,
        task: Task,
        looks: int,
        first: str = "random",
        context: str = "none",
        reach: float | None = None,
        cues: int | tuple[int, ...] = 0,
        frames: int = 1,
        named: int = 0,
    ):
        if looks < 1:
            raise ValueError(f"a world needs at least one look, not {looks}")
        if reach is not None and not reach > 0:
            raise ValueError(f"the reach of a look must be positive, not {reach}")
        if reach is not None and sensor.places != 2:
            raise ValueError(f"a reach is for places that are points, not for {sensor.places}")
        self.sensor, self.task, self.looks = sensor, task, looks
        self.first_name, self.context_name, self.reach = first, context, reach
        if (shown := getattr(sensor, "frames", frames)) != frames:
            raise ValueError(f"a sensor of {shown} frames looks at no clip of {frames}")
        self.cue_shape = (cues,) if isinstance(cues, int) else tuple(cues)
        self.cues, self.frames, self.named = math.prod(self.cue_shape), frames, named
        self.places = sensor.places  # P, the numbers that name a place
        self.horizon = looks  # the looks that `Observation.step` counts as 1

    @property
    def of_cells(self) -> bool:
        """Whether places are cells of a grid, not points."""
        return isinstance(self.sensor, Grid)

    def upto(self, looks: int) -> "World":
        """The same world, which ends after so many looks; its time runs no faster."""
        if not 1 <= looks <= self.horizon:
            raise ValueError(f"a world of {self.horizon} looks cannot end after {looks}")
        shorter = copy.copy(self)
        shorter.looks = looks
        return shorter

    @property
    def judged_at_end(self) -> bool:
        """Whether all hangs on the answer at the last look, which the task alone judges."""
        return self.task.last_only

    def sees(self, image: tuple[int, int, int]) -> str:
        """What an agent may see of images of (C, H, W): the class in which it may be compared."""
        if "target" in (self.context_name, self.first_name):
            return "is told where the target is"
        never, coarsely, everything = SIGHTS
        views = {"coarse": COARSE, "survey": SURVEY}
        told = {"whole": everything}.get(self.context_name, never)
        if (view := views.get(self.context_name)) is not None:
            told = everything if max(image[1:]) <= view else coarsely
        shown = sight(self.sensor, image, 1 if self.changes else self.horizon)
        return max(told, shown, key=SIGHTS.index)

    def at_once(self, scenes: Scenes) -> int:
        """How many of these scenes to look at at a time: `memory.at_once` of what is seen of each.

        That is all of it, or, of scenes that nobody has painted, as much as falls into windows;
        where one look shows everything, what a network makes of it.
        """
        windows = self.sensor.by_windows and self.context_name not in ("coarse", "whole")
        if windows and not isinstance(scenes.picture, Tensor):
            shape = self.sensor.shape(scenes.shape)
            if self.context_name == "survey":  # whose features take more than itself
                shape = max(shape, (FEATURES, SURVEY, SURVEY), key=math.prod)
            return at_once(shape)
        shape = tuple(scenes.shape)
        if self.sensor.everything:
            shape = max(shape, (FEATURES, *shape[1:]), key=math.prod)
        return at_once(shape)

    def open(self, scenes: Scenes) -> Any:
        """What the sensor keeps of the scenes for one episode."""
        return self.sensor.open(scenes.picture if self.sensor.by_windows else scenes.image)

    def context(self, scenes: Scenes) -> Tensor:
        """What agents are told before the first look, (B, ...); (B, 0) for nothing."""
        told = CONTEXTS[self.context_name](scenes)
        return with_cue(told, scenes.cue.to(told.dtype)) if self.cues else told

    def check(self, scenes: Scenes) -> None:
        """Raise ValueError where the target's place is told and scenes have no box of it.

        Reads the boxes, for which a GPU is waited for: to be asked before training, not in it.
        """
        told = "target" in (self.context_name, self.first_name)
        if told and bool(scenes.box[:, 0].isnan().any()):
            raise ValueError(
                "this world tells where the target is (first or context 'target'), and there are "
                "scenes without a box of it: tell something else, or take scenes that place it"
            )

    def context_shape(self, image: tuple[int, int, int], cue: int = 0) -> tuple[int, ...]:
        """The shape of one context, for images of (C, H, W) and cues of so many numbers."""
        # Nothing on a canvas of that size, which is painted only where all of it is told.
        dot = torch.zeros(1, image[0], 1, 1, dtype=torch.uint8)
        stage = Stage(dot, [Kind(1, 1, 1)], *image[1:])
        nought = torch.zeros(1, 1, 2, dtype=torch.int32)
        blank = Sprites(nought[..., 0], nought, nought, stage)
        nowhere = torch.zeros(1, dtype=torch.int64)
        scene = Scenes(
            blank, nowhere, torch.zeros(1, 1, 4), nowhere, torch.zeros(1, cue or self.cues)
        )
        return tuple(self.context(scene).shape[1:])

    def first(self, scenes: Scenes, generator: Generator | None = None) -> Tensor:
        """The first place, (B, P). Drawn where the generator lives, then moved to the scenes."""
        point = FIRST_LOOKS[self.first_name]
        if point is not None:
            return self.sensor.at(point(scenes))
        device = scenes.box.device if generator is None else generator.device
        drawn = uniform(-1.0, 1.0, (len(scenes), 2), generator, device)
        return self.sensor.at(drawn.to(scenes.box))

    def place(self, location: Tensor, before: Tensor | None = None) -> Tensor:
        """Where a look falls: the place nearest to the (..., P) that was asked for, and within
        reach of the place before, if there is one.
        """
        place = self.sensor.bound(location)
        if self.reach is None or before is None:
            return place
        move = place - before
        far = torch.linalg.vector_norm(move, dim=-1, keepdim=True)
        return before + move * (self.reach / far.clamp_min(self.reach))

    def path(self, location: Tensor) -> Tensor:
        """(T, B, P) locations as drawn -> the places where the looks of an episode fell."""
        if self.reach is None:
            return self.place(location)
        places = [self.place(location[0])]
        for asked in location[1:]:
            places.append(self.place(asked, places[-1]))
        return torch.stack(places)

    def point(self, place: Tensor) -> Tensor:
        """(..., P) places -> (..., 2), their centres in the coordinates of boxes."""
        return self.sensor.point(place)

    def advance(self, view: Any, place: Tensor) -> Any:
        """The scenes after a decision to look at these places, and before that look."""
        return view

    def observe(self, view: Any, place: Tensor, look: int) -> Observation:
        """The observation at look number `look`, counted from 0. Nobody else makes one.

        place: (B, P), where the look falls, as `place` says.
        """
        step = place.new_full(place.shape[:1], look / self.horizon)
        return Observation(self.sensor.look(view, place), place, step)

    def answers(self, view: Any, logits: Tensor) -> Tensor:
        """(T, B, K) what the agent answered -> what counts as the answer, here the same.

        view: as in `outcome`.
        """
        return logits

    def outcome(
        self, view: Any, logits: Tensor, target: Tensor, final: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(T, B, K) answers, targets, (T, B) 1.0 at the last look -> reward, loss: (T, B).

        view: the scenes as they are after the last look.
        """
        return self.task(self.answers(view, logits), target, final, self.looks)
