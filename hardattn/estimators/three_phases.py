"""Learning to select in three phases (Shen et al. 2018, arXiv:1801.10296)."""

import torch
from torch import Tensor

from hardattn.distributions import IndependentBernoulli, LocationDistribution
from hardattn.estimators.counted import Counted
from hardattn.estimators.multi_sample import leave_one_out
from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, rollout
from hardattn.scenes import Scenes
from hardattn.world import World


def everything(
    places: LocationDistribution, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """A draw that selects every patch, and owes nothing to the distribution."""
    if not isinstance(places, IndependentBernoulli):
        raise ValueError(f"all is selected of a mask of patches, not of {type(places).__name__}")
    return torch.ones_like(places.logits), places.logits.new_zeros(places.batch_shape)


class ThreePhases(Counted):
    """First the answers learn, with all patches selected; then the selection; then both.

    phases: how many updates the first two last, the rest are of the third. In the second the loss
    moves nothing but the selection, by its score, and what the agent charges moves it as well; the
    third is `leave_one_out`, unbiased, and so is an estimator of no phases but the third.
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
        both = leave_one_out(agent, world, scenes, generator, samples=self.samples)
        if update >= first + second:
            return both
        path = both.path
        score = path.log_prob * both.advantage.detach()
        return both._replace(total=(score + path.cost).sum(0).mean())
