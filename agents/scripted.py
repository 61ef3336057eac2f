"""Controls: somebody else's eyes for an agent that answers.

What a learned policy is worth can only be said beside these. Each is trained as any agent is, and
then answers as well as its looks allow.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hardattn.distributions import Both, Fixed, Places, Somewhere
from hardattn.rollout import Decision
from hardattn.sensors import Grid, Sensor
from hardattn.world import Observation

# What has been seen, the context, the number of looks -> over points (x, y).
Script = Callable[[Observation, Tensor, int], Places]


def random(seen: Observation, context: Tensor, looks: int) -> Places:
    """Anywhere, uniformly."""
    return Somewhere(seen.step)


def centre(seen: Observation, context: Tensor, looks: int) -> Places:
    """The centre of the image, always."""
    return Fixed(seen.step.new_zeros(seen.step.shape[0], 2))


def raster(seen: Observation, context: Tensor, looks: int) -> Places:
    """Line by line over the smallest grid that has a cell for every look, whatever is seen.

    Look t of T goes to cell t of a grid of ceil(T / ceil(sqrt(T))) rows; the first look, which
    would be cell 0's, is the world's to place.
    """
    columns = math.ceil(looks**0.5)
    rows = -(-looks // columns)
    cell = torch.round(seen.step * looks) + 1
    row, column = torch.div(cell, columns, rounding_mode="floor"), cell.remainder(columns)
    x, y = (column + 0.5) / columns * 2 - 1, (row + 0.5) / rows * 2 - 1
    return Fixed(torch.stack([x, y], 1))


def oracle(seen: Observation, context: Tensor, looks: int) -> Places:
    """The centre of the target's box, which only a world with context "target" tells."""
    if context.shape[1:] != (2,):
        raise ValueError('the oracle needs a world that tells it the target: context="target"')
    return Fixed(context)


SCRIPTS: dict[str, Script] = {
    "random": random,
    "centre": centre,
    "raster": raster,
    "oracle": oracle,
}


class Scripted(nn.Module):
    """An agent whose looking is replaced by a script, and whose answering is kept.

    One that also acts (`Both`) goes on acting.
    observer: any agent; what an oracle is told, it is not. looks: of the world, for scripts that
    plan. sensor: of the world, where its places are not points: a script's points become the
    places that lie there. share: of the cells of a grid, where places are masks: random takes as
    many anywhere, any other script those that are nearest to its point.
    """

    def __init__(
        self,
        observer: Any,
        script: str,
        looks: int,
        sensor: Sensor | Grid | None = None,
        share: float | None = None,
    ):
        super().__init__()
        self.sensor, self.share = sensor, share
        if script not in SCRIPTS:
            raise ValueError(f"no script {script!r}: choose one of {', '.join(SCRIPTS)}")
        if share is not None and not (isinstance(sensor, Grid) and 0 < share <= 1):
            raise ValueError(f"a share is of the cells of a grid, above 0 and up to 1, not {share}")
        self.observer, self.script, self.looks = observer, script, looks

    def start(self, context: Tensor) -> tuple[Any, Tensor]:
        told = context[:, :0] if self.script == "oracle" else context
        return self.observer.start(told), context

    def step(self, state: tuple[Any, Tensor], seen: Observation) -> tuple[Any, Decision]:
        inner, context = state
        inner, decision = self.observer.step(inner, seen)
        location = SCRIPTS[self.script](seen, context, self.looks)
        if self.share is not None:
            location = self._masks(location)
        elif self.sensor is not None:
            at = self.sensor.at
            if isinstance(location, Somewhere):
                location = Somewhere(location.like, at=at, places=self.sensor.places)
            else:
                location = Fixed(at(location.mode))
        if isinstance(decision.location, Both):
            location = Both(location, decision.location.second)
        return (inner, context), decision._replace(location=location)

    def _masks(self, location: Places) -> Places:
        """From points to masks of the share of the cells."""
        assert isinstance(self.sensor, Grid) and self.share is not None
        grid, cells = self.sensor, self.sensor.rows * self.sensor.columns
        count = max(1, round(self.share * cells))

        def foremost(rank: Tensor) -> Tensor:
            chosen = rank.topk(count).indices
            return grid.over(torch.zeros_like(rank).scatter(1, chosen, 1.0))

        if isinstance(location, Somewhere):
            return Somewhere(location.like, cells, foremost, grid.places)
        point = location.mode
        return Fixed(foremost(-torch.cdist(point, grid.centres(point))))
