"""Learning to select in three phases (Shen et al. 2018, arXiv:1801.10296)."""

from typing import Any

import torch
from torch import Tensor

from hardattn.distributions import Categorical, IndependentBernoulli, LocationDistribution
from hardattn.estimators.counted import Counted
from hardattn.estimators.multi_sample import leave_one_out
from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, Decision, rollout
from hardattn.scenes import Scenes
from hardattn.world import Observation, World


def everything(
    places: LocationDistribution, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """A draw of every patch, or of every cell alike, which owes nothing to the distribution."""
    if isinstance(places, Categorical):
        alike = places.centres.mean(0).expand(*places.batch_shape, -1)
        return alike, alike.new_zeros(places.batch_shape)
    if not isinstance(places, IndependentBernoulli):
        raise ValueError(
            f"all is selected of a mask of patches, or of cells, not of a {type(places).__name__}"
        )
    return torch.ones_like(places.logits), places.logits.new_zeros(places.batch_shape)


class Showing:
    """The agent, which says after each look where it is to learn to look next."""

    def __init__(self, agent: Any):
        self.agent = agent

    def start(self, context: Tensor) -> Any:
        return self.agent.start(context)

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        state, decision = self.agent.step(state, seen)
        self.shown = self.agent.taught(state)
        return state, decision


def imitation(
    agent: Agent, world: World, scenes: Scenes, generator: torch.Generator | None = None
) -> Loss:
    """Minus the log-probability of the looks that the agent is taught, along these looks."""
    showing = Showing(agent)

    def draw(places: LocationDistribution, noise: torch.Generator | None) -> tuple[Tensor, None]:
        return showing.shown, None

    path = rollout(showing, world, scenes, draw, generator)
    return Loss((path.cost - path.log_prob).sum(0).mean(), path, torch.zeros_like(path.loss))


class ThreePhases(Counted):
    """First the answers learn, from all there is alike; then the selection; then both.

    phases: how many updates the first two last, the rest are of the third. In the first all patches
    are selected, or all cells are looked at with equal weights. In the second the loss moves
    nothing but the selection, by its score, and what the agent charges moves it as well; but an
    agent with a method `taught`, (state) -> places, is taught these by their log-probability, as
    Saccader's location pre-training does (Elsayed et al. 2019, arXiv:1908.07644). The third is
    `leave_one_out`, unbiased, and so is an estimator of no phases but the third.
    samples: masks drawn of each scene in the last two, each against the mean of the others.

    Departures: the paper's baseline is not said; its second phase ends when the development set
    says so.

    Args:
        phases: Updates of the answer alone, then of the selection alone.
        samples: Episodes a scene.
    """

    def __init__(
        self, agent: Agent, world: World, *, phases: tuple[int, int] = (0, 0), samples: int = 4
    ):
        super().__init__()
        if min(phases) < 0:
            raise ValueError(f"phases last no updates or more, not {phases}")
        self.phases, self.samples = phases, samples

    def forward(
        self,
        agent: Agent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None = None,
    ) -> Loss:
        update, (first, second) = self.count(), self.phases
        if update < first:
            path = rollout(agent, world, scenes, everything, generator)
            return Loss(path.loss.sum(0).mean(), path, torch.zeros_like(path.loss))
        if update < first + second and hasattr(agent, "taught"):
            return imitation(agent, world, scenes, generator)
        both = leave_one_out(agent, world, scenes, generator, samples=self.samples)
        if update >= first + second:
            return both
        path = both.path
        score = path.log_prob * both.advantage.detach()
        return both._replace(total=(score + path.cost).sum(0).mean())
