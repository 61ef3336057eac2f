"""What a row of ESTIMATORS knows of its estimator, and which agents and worlds it refuses."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from hardattn.distributions import LocationDistribution, Product
from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent
from hardattn.scenes import Scenes
from hardattn.world import World

# What an estimator may need of an agent beside its two methods, in words.
NEEDS: dict[str, str] = {
    "shares": "shares of what it drew, as agents.AttentionSampling's",
    "summary": "a summary of its state, as agents.AdaGlimpse's",
    "policy": "a policy apart from the rest, as agents.DasNet's",
    "settle": "a base that settles, as agents.TwoLevel's",
    "guide": "a guide, a posterior over places that knows the answer, as agents.Variational's",
    "features": "features of cells that it attends to, as agents.SCAL's",
    "named": "a comparison place by place, as agents.CrossAttention's",
    "restore": "a decoder of patches that are hidden, as agents.MaskedAutoencoder's",
    "project": "a projection of its features, as agents.SelfDistilled's",
    "instructed": "answers on the way that can be supervised, as agents.Dense's",
    "unattended": "an answer without attention, as agents.GATCluster's",
}


class Row(NamedTuple):
    """An estimator, and all that has to be known of it before it is chosen."""

    make: Callable[..., Any]
    """The function `(agent, world, scenes, generator, **options) -> Loss`, or a module, which is
    made with `(agent, world, **options)` and called as the functions are."""
    biased: str = ""
    """Of what else its mean is the gradient; empty: of E[loss + cost - reward]."""
    draws: tuple[type[LocationDistribution], ...] = ()
    """The only distributions over places that it takes; empty: any."""
    pathwise: bool = False
    """Whether it needs a draw that is differentiable in the parameters of its distribution."""
    smooth: bool = False
    """Whether its gradient passes through the sensor."""
    one_draw: bool = False
    """Whether it is for worlds of two looks alone, whose second is drawn."""
    rewards: bool = True
    """Whether the task may reward."""
    episodes: int | None = 1
    """How many episodes of a scene make an estimate, by its defaults; None: every one there is."""
    whole: bool = False
    """Whether an estimate is of a batch as a whole, and no mean of those of its parts."""
    needs: str = ""
    """A method or attribute of the agent, a key of NEEDS."""

    def build(self, agent: Any, world: World, **options: Any) -> Callable[..., Loss]:
        """The estimator with these options, ready to be called; a module is made for this agent."""
        if isinstance(self.make, type):
            made: Callable[..., Loss] = self.make(agent, world, **options)
            return made
        return partial(self.make, **options)

    def refusal(
        self,
        agent: Any,
        world: World,
        scenes: Scenes | None = None,
        curriculum: float = 0.0,
        led: float = 0.0,
        processes: int = 1,
    ) -> str:
        """Why it cannot train this agent in this world, as the rest of a sentence; empty: it can.

        Args:
            led: For which share of training looks are led, see `Led`.
            scenes: Any scenes of the world. With them, the agent takes one step with the first of
                them, so that it is known which distribution it draws places from.
            curriculum: Whether, and for which share of training, there are fewer looks at first.
            processes: By how many each batch is shared.
        """
        who = type(agent).__name__
        if self.needs and not hasattr(agent, self.needs):
            return f"needs an agent with {NEEDS[self.needs]}: {who} has none"
        if self.whole and processes > 1:
            return f"needs a batch as a whole, and {processes} processes share it: use one"
        if self.one_draw and world.looks != 2:
            return f"needs a world of two looks, whose second is drawn, not of {world.looks}"
        if self.one_draw and curriculum:
            return "needs its two looks from the first update on: use curriculum=0"
        if led and (self.draws or self.pathwise or self.smooth or self.needs):
            return "needs looks that the agent draws, and led ones are not its own: use led=0"
        if led and world.sensor.places != 2 and not world.of_cells:
            return f"has looks led to points alone, not to {world.sensor.places} numbers: use led=0"
        if not self.rewards and world.task.rewarding:
            return "has no place for a reward: use bonus=0"
        if self.smooth and not world.sensor.differentiable:
            sensor = type(world.sensor).__name__
            return f"needs a sensor that gradients pass, and none passes a {sensor}: use another"
        if scenes is None or world.looks == 1 or not (self.draws or self.pathwise):
            return ""
        for places in _decided(agent, world, scenes, guided=self.needs == "guide"):
            kind = type(places).__name__
            if self.draws and not isinstance(places, self.draws):
                taken = " or ".join(each.__name__ for each in self.draws)
                return f"draws from a {taken} alone, and {who} decides by a {kind}"
            if self.pathwise and not places.has_rsample:
                return f"needs places with a pathwise draw, and {who} decides by a {kind}"
        return ""


def _decided(agent: Any, world: World, scenes: Scenes, guided: bool) -> list[LocationDistribution]:
    """The distributions that the agent's first decision is made of; with its guide's."""
    # In evaluation no layer draws, and no running mean moves.
    still: Agent = copy.deepcopy(agent)
    if isinstance(still, nn.Module):
        still.eval()
    one = scenes.slice(0, 1)
    generator = torch.Generator(one.device).manual_seed(0)
    with torch.no_grad():
        place = world.place(world.first(one, generator))
        seen = world.observe(world.open(one), place, 0)
        state, decision = still.step(still.start(world.context(one)), seen)
        found = [decision.location]
        if decision.halt is not None:
            found.append(decision.halt)
        if guided:
            found.append(still.guide(state, one.target))  # type: ignore[attr-defined]
    return [part for places in found for part in _parts(places)]


def _parts(places: LocationDistribution) -> list[LocationDistribution]:
    """A distribution, and those that it consists of."""
    if isinstance(places, Product):
        return [places, *_parts(places.first), *_parts(places.second)]
    return [places]
