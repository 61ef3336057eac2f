"""Estimators for agents that choose several of N cells at once (`selection.Subset`)."""

import torch
from torch import Tensor

from hardattn.distributions import LocationDistribution
from hardattn.distributions.selection import Subset, best, perturbed_top_k
from hardattn.estimators.counted import Counted
from hardattn.estimators.relaxed import through
from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, rollout
from hardattn.scenes import Scenes
from hardattn.world import World


def of_subset(places: LocationDistribution, who: str) -> Subset:
    """The distribution itself. Raises ValueError where places are not several of N cells."""
    if not isinstance(places, Subset):
        raise ValueError(f"{who} is for several of N cells, not for {type(places).__name__}")
    return places


def attention_sampling(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
) -> Loss:
    """Backpropagation through patches that attention drew (Katharopoulos & Fleuret 2019).

    (arXiv:1905.03711.) The agent weighs what it drew so that its features are, in the mean over
    draws, those of attention to all patches, and so are their gradients, in the attention as well.
    Of these the gradient is unbiased; it is biased for the loss, which is not linear in them, the
    less the more patches are drawn.
    """
    if not hasattr(agent, "shares"):
        name = type(agent).__name__
        raise ValueError(f"{name} does not weigh what it drew: use agents.AttentionSampling")

    def draw(places: LocationDistribution, noise: torch.Generator | None) -> tuple[Tensor, Tensor]:
        chosen = of_subset(places, "attention sampling")
        return chosen.draw(noise).detach(), chosen.logits.new_zeros(len(chosen.logits))

    if world.task.rewarding:
        raise ValueError("such gradients do not reach a reward: use a task with bonus=0")
    path = rollout(agent, world, scenes, draw, generator)
    return Loss((path.loss + path.cost).sum(0).mean(), path, torch.zeros_like(path.loss))


class PerturbedTopK(Counted):
    """The mean choice under noise, and its gradient (Cordonnier et al. 2021, arXiv:2104.03059).

    The scores of an agent's `Subset`, its logits, are disturbed by normal noise of deviation sigma,
    and what is looked at are the K best in the mean over noises (`selection.perturbed_top_k`): in
    training weighted sums of patches. Biased for looks at the K best, as evaluation has them, the
    less the smaller sigma; so it falls linearly to 0 in `falling` updates. From there on looks are
    hard, and nothing moves the scores.

    Args:
        sigma: Standard deviation of the noise, to begin with.
        noises: How many are in the mean.
        falling: Updates in which sigma falls to 0; none: it stays.
    """

    def __init__(
        self,
        agent: Agent,
        world: World,
        *,
        sigma: float = 0.05,
        noises: int = 100,
        falling: int | None = None,
    ):
        super().__init__()
        if sigma <= 0 or noises < 1 or (falling is not None and falling < 1):
            raise ValueError(
                f"noise needs a sigma above 0, 1 of them or more and 1 update or more to fall, not "
                f"{sigma}, {noises}, {falling}"
            )
        self.sigma, self.noises, self.falling = sigma, noises, falling

    def forward(
        self,
        agent: Agent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None = None,
    ) -> Loss:
        before = self.count()
        left = 1.0 if self.falling is None else max(0.0, 1 - before / self.falling)

        def draw(
            places: LocationDistribution, noise: torch.Generator | None
        ) -> tuple[Tensor, Tensor]:
            chosen = of_subset(places, "perturbed top-k")
            scores, count = chosen.logits, chosen.count
            if left == 0:
                return chosen.over(best(scores, count)), scores.new_zeros(len(scores))
            shape = (len(scores), self.noises, scores.shape[1])
            drawn = scores.new_empty(shape).normal_(generator=noise)
            mean = perturbed_top_k(scores, count, drawn, left * self.sigma)
            return mean.flatten(1), scores.new_zeros(len(scores))

        return through(draw, agent, world, scenes, generator)
