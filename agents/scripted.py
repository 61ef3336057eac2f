"""Controls: somebody else's eyes for an agent that answers.

What a learned policy is worth can only be said beside these. Each is trained as any agent is, and
then answers as well as its looks allow.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hardattn.distributions import Delta, LocationDistribution, Product, Uniform
from hardattn.evaluation.swap import raster_point
from hardattn.rollout import Decision
from hardattn.sensors import Grid, Sensor, Zoom
from hardattn.world import Observation

# What has been seen, the context or what an oracle is told, the number of looks -> over (x, y).
Script = Callable[[Observation, Tensor, int], LocationDistribution]


def random(seen: Observation, context: Tensor, looks: int) -> LocationDistribution:
    """Anywhere, uniformly."""
    return Uniform(seen.step)


def centre(seen: Observation, context: Tensor, looks: int) -> LocationDistribution:
    """The centre of the image, always."""
    return Delta(seen.step.new_zeros(seen.step.shape[0], 2))


def raster(seen: Observation, context: Tensor, looks: int) -> LocationDistribution:
    """Line by line over the smallest grid that has a cell for every look, whatever is seen.

    See `hardattn.evaluation.swap.raster_point`. The first look, which would be cell 0's, is the
    world's to place.
    """
    return Delta(raster_point(torch.round(seen.step * looks) + 1, looks))


def oracle(seen: Observation, context: Tensor, looks: int) -> LocationDistribution:
    """The centre of the target's box, which only a world with target as context or first tells."""
    if context.shape[1:] != (2,):
        raise ValueError(
            'the oracle needs a world that tells it the target: context="target", or first="target"'
        )
    return Delta(context)


SCRIPTS: dict[str, Script] = {
    "random": random,
    "centre": centre,
    "raster": raster,
    "oracle": oracle,
}
PATH = "path:"  # what a script begins with that is a row of points: path:x,y,x,y,...


def along(points: Tensor) -> Script:
    """One point after another, (T - 1, 2), whatever is seen."""

    def look(seen: Observation, context: Tensor, looks: int) -> LocationDistribution:
        done = torch.round(seen.step * looks).long().clamp(max=len(points) - 1)
        return Delta(points.to(seen.step)[done])

    return look


def script_of(name: str, looks: int) -> Script:
    """A row of SCRIPTS, or `along` the points of "path:x,y,...", one for each look but the first.

    Raises ValueError for any other name.
    """
    if not name.startswith(PATH):
        if name not in SCRIPTS:
            raise ValueError(
                f"no script {name!r}: choose one of {', '.join(SCRIPTS)}, or {PATH}x,y,x,y,..."
            )
        return SCRIPTS[name]
    wanted = f"a path of {looks} looks has {looks - 1} points after the first, {PATH}x,y,x,y,..."
    try:
        numbers = torch.tensor([float(word) for word in name.removeprefix(PATH).split(",")])
    except ValueError as fault:
        raise ValueError(f"{wanted}: not {name!r}") from fault
    if len(numbers) != 2 * (looks - 1) or not (numbers.abs() <= 1).all():
        raise ValueError(f"{wanted}, in [-1, 1]: not {name!r}")
    return along(numbers.view(-1, 2))


class Scripted(nn.Module):
    """An agent whose looking is replaced by a script, and whose answering is kept.

    One that also acts (`Product`) goes on acting. A script's points become the places that lie
    there; where places are masks, random takes its share of the cells anywhere, any other script
    those that are nearest to its point.

    Args:
        observer: Any agent; what an oracle is told by the context, it is not.
        script: Who looks instead: random, centre, raster, oracle, or path:x,y,x,y,...
        looks: Of the world, for scripts that plan.
        sensor: Of the world, where its places are not points.
        share: Of the cells of a grid, which a script selects; of the image's width, which its looks
            have, where they can zoom.
        shown: An oracle is not told where the target is: the world's first look falls on it. The
            context is then the observer's.
    """

    def __init__(
        self,
        observer: Any,
        script: str,
        looks: int,
        sensor: Sensor | Grid | None = None,
        share: float | None = None,
        shown: bool = False,
    ):
        super().__init__()
        self.sensor, self.share = sensor, share
        self.shown = shown and script == "oracle"
        if share is not None and not (isinstance(sensor, Grid | Zoom) and 0 < share <= 1):
            raise ValueError(
                "a share is of the cells of a grid, or of the image's width in a look that zooms, "
                f"above 0 and up to 1, not {share}"
            )
        if isinstance(sensor, Zoom) and share is not None:
            self.sensor, self.share = Zoom(sensor.size, share), None
        self.observer, self.script, self.looks = observer, script, looks
        self.look = script_of(script, looks)

    def start(self, context: Tensor) -> tuple[Any, Tensor]:
        if self.shown:
            return self.observer.start(context), context.new_zeros(len(context), 2)
        told = context[:, :0] if self.script == "oracle" else context
        return self.observer.start(told), context

    def step(self, state: tuple[Any, Tensor], seen: Observation) -> tuple[Any, Decision]:
        inner, context = state
        if self.shown:
            place = seen.location if self.sensor is None else self.sensor.point(seen.location)
            context = torch.where(seen.step[:, None] > 0, context, place.to(context))
        inner, decision = self.observer.step(inner, seen)
        location = self.look(seen, context, self.looks)
        if self.share is not None:
            location = self._masks(location)
        elif self.sensor is not None:
            at = self.sensor.at
            if isinstance(location, Uniform):
                location = Uniform(location.like, at=at, places=self.sensor.places)
            else:
                location = Delta(at(location.mode))
        if isinstance(decision.location, Product):
            location = Product(location, decision.location.second)
        return (inner, context), decision._replace(location=location)

    def _masks(self, location: LocationDistribution) -> LocationDistribution:
        """From points to masks of the share of the cells."""
        assert isinstance(self.sensor, Grid) and self.share is not None
        grid, cells = self.sensor, self.sensor.rows * self.sensor.columns
        count = max(1, round(self.share * cells))

        def foremost(rank: Tensor) -> Tensor:
            chosen = rank.topk(count).indices
            return grid.over(torch.zeros_like(rank).scatter(1, chosen, 1.0))

        if isinstance(location, Uniform):
            return Uniform(location.like, cells, foremost, grid.places)
        point = location.mode
        return Delta(foremost(-torch.cdist(point, grid.centres(point))))


class Following(nn.Module):
    """An agent that looks where a path goes, whatever it sees, and answers as it does.

    It goes on stopping, and one that also acts (`Product`) acting.
    path: (T, B, P) of a world of T looks, or (T, 1, P) for all alike; the first row, which is the
    world's, is not read. B says what it may be shown: these scenes and no others.
    """

    def __init__(self, observer: Any, path: Tensor):
        super().__init__()
        self.observer, self.path = observer, path

    def start(self, context: Tensor) -> Any:
        return self.observer.start(context)

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        state, decision = self.observer.step(state, seen)
        looks, row = len(self.path), torch.arange(len(seen.step), device=seen.step.device)
        look = (torch.round(seen.step * looks).long() + 1).clamp(max=looks - 1)
        location: LocationDistribution = Delta(self.path.expand(-1, len(row), -1)[look, row])
        if isinstance(decision.location, Product):
            location = Product(location, decision.location.second)
        return state, decision._replace(location=location)
