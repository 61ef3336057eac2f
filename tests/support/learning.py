"""Problems that are learned in seconds where looking matters, and the control that looks anywhere.

`Lesson` is what an agent learns: in its test file there is a table of them, with what was found.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hardattn.distributions import Delta
from hardattn.estimators import ESTIMATORS, Loss
from hardattn.evaluation.evaluate import Columns, evaluate
from hardattn.rollout import Decision, rollout, sample
from hardattn.scenes import Scenes
from hardattn.sensors import Retina, Sensor
from hardattn.tasks import Classify
from hardattn.training.loop import looks_after
from hardattn.world import Observation, World

CLASSES = 4
CLOSE = Retina(2, 4)  # from the middle of 16 x 16 it sees all, and of textures no more than a blot


def textures(count: int, generator: torch.Generator, side: int = 16, block: int = 6) -> Scenes:
    """A block anywhere, striped across, striped down, checked or grey: alike, but seen close."""
    target = torch.randint(CLASSES, (count,), generator=generator)
    corner = torch.randint(side - block + 1, (count, 2), generator=generator)
    line = torch.arange(side)
    y, x = line[:, None].expand(side, side), line.expand(side, side)
    texture = torch.stack([y % 2 * 255, x % 2 * 255, (x + y) % 2 * 255, torch.full_like(x, 128)])
    within = (line >= corner[..., None]) & (line < corner[..., None] + block)
    image = texture[target] * (within[:, 1, :, None] & within[:, 0, None, :])
    return _scenes(image.to(torch.uint8), target, corner, side, block)


def holes(count: int, generator: torch.Generator, side: int = 32, block: int = 8) -> Scenes:
    """A bright block anywhere, of which one quarter is dark: which one?"""
    target = torch.randint(CLASSES, (count,), generator=generator)
    corner = torch.randint(side - block + 1, (count, 2), generator=generator)
    offset = torch.arange(side) - corner[..., None]
    within, half = (offset >= 0) & (offset < block), offset >= block // 2
    quarter = half[:, 1, :, None] * 2 + half[:, 0, None, :]
    image = within[:, 1, :, None] & within[:, 0, None, :] & (quarter != target[:, None, None])
    return _scenes(image.to(torch.uint8) * 255, target, corner, side, block)


def _scenes(image: Tensor, target: Tensor, corner: Tensor, side: int, block: int) -> Scenes:
    box = torch.cat([corner, corner + block], 1) / side * 2 - 1
    return Scenes(image[:, None], target, box[:, None], torch.arange(len(target)))


class Elsewhere(nn.Module):
    """The control: the same observer, whose looks fall anywhere."""

    def __init__(self, agent: Any, sensor: Sensor):
        super().__init__()
        self.agent, self.sensor = agent, sensor
        self.start = agent.start

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        state, decision = self.agent.step(state, seen)
        anywhere = torch.rand(len(seen.step), 2) * 2 - 1
        return state, decision._replace(location=Delta(self.sensor.at(anywhere)), halt=None)


def answering(
    agent: Any, world: World, scenes: Scenes, generator: torch.Generator | None = None
) -> Loss:
    """A planted bug: the answers are taught, and where to look is not."""
    path = rollout(agent, world, scenes, sample, generator)
    return Loss(path.loss.sum(0).mean(), path, torch.zeros_like(path.loss))


@dataclass(frozen=True)
class Lesson:
    """An agent, a problem, and how the one learns the other; `control`: how the control does."""

    kind: Any
    options: dict[str, Any]
    estimator: str = "leave_one_out"
    control: str = "reinforce"
    sensor: Sensor = CLOSE
    looks: int = 2
    first: str = "centre"
    context: str = "none"
    make: Callable[..., Scenes] = textures
    side: int = 16
    updates: int = 300
    batch: int = 64
    rate: float = 1e-2
    curriculum: float = 0.0

    @property
    def world(self) -> World:
        task = Classify(CLASSES, each=True)
        return World(self.sensor, task, self.looks, first=self.first, context=self.context)

    def learned(self, how: Callable[..., Loss] | None = None, seed: int = 0) -> Columns:
        """What the agent does after learning, as its estimator has it or as another does."""
        return self._learn(self._agent(seed), how or ESTIMATORS[self.estimator].make, seed)

    def controlled(self, seed: int = 0) -> Columns:
        """What the same observer does, trained in the same way, with looks that fall anywhere."""
        agent = Elsewhere(self._agent(seed), self.sensor)
        return self._learn(agent, ESTIMATORS[self.control].make, seed)

    def _agent(self, seed: int) -> Any:
        torch.manual_seed(seed)
        return self.kind(self.sensor.shape((1, self.side, self.side)), CLASSES, **self.options)

    def _learn(self, agent: Any, how: Callable[..., Loss], seed: int) -> Columns:
        """Adam, 20 updates of warming up, then linearly down; then 2000 fresh scenes."""
        beside = how.parameters() if isinstance(how, nn.Module) else ()
        descent = torch.optim.Adam([*agent.parameters(), *beside], self.rate)
        generator = torch.Generator().manual_seed(seed)
        make, world = partial(self.make, side=self.side), self.world
        for update in range(self.updates):
            done = update / self.updates
            for group in descent.param_groups:
                group["lr"] = self.rate * min(1.0, (update + 1) / 20) * (1 - done)
            here = world.upto(looks_after(done, self.curriculum, world.looks))
            loss = how(agent, here, make(self.batch, generator), generator)
            descent.zero_grad()
            loss.total.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 1.0)
            descent.step()
        return evaluate(agent, world, make(2000, torch.Generator().manual_seed(99)))
