"""Looks that nobody learned, for an observer that is to answer before its policy learns.

A policy is paid by what the observer makes of its looks, and an observer that knows nothing makes
the same of all. So the observer may be warmed up on looks that fall anywhere, or on looks that are
guided to the target (Lindsey 2017, arXiv:1712.05652; Saccader, Elsayed et al. 2019,
arXiv:1908.07644, finds it necessary).
"""

from typing import Any

import torch
from torch import Tensor, nn

from hardattn.distributions import LocationDistribution, Product, Uniform
from hardattn.rollout import Agent, Decision
from hardattn.scenes import Scenes
from hardattn.world import Observation, World

SPREAD = 0.2  # of guided looks around the target, in half-sides of the image


class Around(LocationDistribution):
    """A target's centre, of several one drawn at each look, and Gaussian noise: (B, M, 4) boxes.

    Nobody learns from it, so no more is told of its density than that it depends on no weight:
    `log_prob` and `entropy` are 0. world: whose cell there is the place, where places are cells.
    """

    arg_constraints = {}

    def __init__(self, box: Tensor, spread: float = SPREAD, world: World | None = None):
        self.box, self.spread, self.world = box, spread, world
        width = 2 if world is None else world.places
        super().__init__(box.shape[:1], torch.Size([width]), validate_args=False)

    @property
    def mode(self) -> Tensor:
        raise NotImplementedError("looks that are led to one of several targets have no mode")

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        noise = self.box.new_empty(self.box.shape[:2]).uniform_(generator=generator)
        which = noise.masked_fill(self.box.isnan().any(-1), -1.0).argmax(1)
        box = self.box[torch.arange(len(which), device=which.device), which]
        centre = (box[:, :2] + box[:, 2:]) / 2
        point = centre + self.spread * torch.empty_like(centre).normal_(generator=generator)
        return point if self.world is None else self.world.sensor.at(point)

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.zeros_like(value[:, 0])

    def entropy(self) -> Tensor:
        return self.box.new_zeros(self.batch_shape)


def boxed(scenes: Scenes) -> None:
    """Raise ValueError where nobody knows the place of a target. Reads the boxes."""
    if bool(scenes.box.isnan().all(-1).all(-1).any()):
        raise ValueError(
            "looks are to be led to targets, and there are scenes without a box of one: use "
            "led_by='random', or scenes that place their target"
        )


class Led(nn.Module):
    """An agent whose looks are led, so that its answers and its critic learn, and its policy rests.

    by: "random", anywhere, as the script of that name; or "target", around it, which is privileged:
    whoever was trained so has been told where the target was. What an agent does beside looking
    (`Product`) it goes on doing.

    world: in which it looks; where places are cells of a grid, looks are led to cells.
    """

    def __init__(self, agent: Agent, scenes: Scenes, by: str, world: World | None = None):
        super().__init__()
        self.agent, self.scenes, self.by = agent, scenes, by
        self.grid = world if world is not None and world.of_cells else None

    def start(self, context: Tensor) -> Any:
        return self.agent.start(context)

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        state, decision = self.agent.step(state, seen)
        times = len(seen.step) // len(self.scenes)
        grid = self.grid
        place: LocationDistribution = Uniform(seen.step)
        if self.by == "target":
            box = self.scenes.box.repeat_interleave(times, 0).to(seen.location)
            place = Around(box, world=grid)
        elif grid is not None:
            place = Uniform(seen.step, at=grid.sensor.at, places=grid.places)
        if isinstance(decision.location, Product):
            place = Product(place, decision.location.second)
        return state, decision._replace(location=place)
