"""Evolution: the weights are moved at random, and follow what did well. No backpropagation."""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, Trajectory, rollout, sample
from hardattn.scenes import Scenes
from hardattn.world import World


class SNES(nn.Module):
    """Separable natural evolution strategies (Schaul et al. 2011; dasNet, arXiv:1407.3068). Biased.

    Mirrored pairs s of standard normal noise; loss f of the weights mu + sigma s; utilities u by
    rank. The gradient given to the optimiser is -sigma sum u s, so that plain SGD with rate 1 makes
    the natural step in mu; sigma <- sigma exp(rate / 2 sum u (s^2 - 1)) after each. Of the loss
    smoothed by sigma (the option, at first), and by ranks only its direction; ranks=False is an
    unbiased gradient of the smoothed loss, sum (f - mean f) s / (n sigma). All look with one noise
    at the same scenes.

    Args:
        population: Weights tried at each update, an even number.
        sigma: Standard deviation of the weights tried, at first.
        ranks: Follow ranks of losses, and adapt sigma; otherwise the losses themselves.
    """

    sigma: Tensor

    def __init__(
        self,
        agent: nn.Module,
        world: World,
        *,
        population: int = 16,
        sigma: float = 0.02,
        ranks: bool = True,
    ):
        super().__init__()
        if population < 2 or population % 2 or sigma <= 0:
            raise ValueError("SNES needs an even population of at least 2, and sigma > 0")
        self.population, self.ranks = population, ranks
        size = sum(weight.numel() for weight in self.moved(agent))
        self.register_buffer("sigma", torch.full((size,), float(sigma)))
        self.rate = (3 + math.log(size)) / (5 * math.sqrt(size))

    def moved(self, agent: nn.Module) -> list[nn.Parameter]:
        """The weights that evolve."""
        return list(agent.parameters())

    def judged(self, path: Trajectory, scenes: Scenes) -> Tensor:
        """() what weights are worth that looked so: the less the better."""
        return (path.loss + path.cost - path.reward).sum(0).mean()

    def forward(
        self,
        agent: Agent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None = None,
    ) -> Loss:
        assert isinstance(agent, nn.Module)
        weights = self.moved(agent)
        mean = parameters_to_vector(weights).detach()
        half = mean.new_empty(self.population // 2, len(mean)).normal_(generator=generator)
        moves = torch.cat([half, -half])
        first = world.first(scenes, generator)
        device = scenes.device
        seed = torch.randint(2**31, (), generator=generator, device=device)
        noise = torch.Generator(device)
        losses, path = [], None
        with torch.no_grad():
            for move in moves:
                vector_to_parameters(mean + self.sigma * move, weights)
                noise.manual_seed(int(seed))
                path = rollout(agent, world, scenes, sample, noise, first)
                losses.append(self.judged(path, scenes))
            vector_to_parameters(mean, weights)
            loss = torch.stack(losses)
            if self.ranks:
                utility = self._utilities(loss)
                gradient = -self.sigma * (utility @ moves)
                if self.training:
                    step = self.rate / 2 * (utility @ (moves**2 - 1))
                    self.sigma = self.sigma * step.exp()
            else:
                gradient = (loss - loss.mean()) @ moves / (self.population * self.sigma)
        held = parameters_to_vector(weights) * gradient
        assert isinstance(path, Trajectory)
        total = loss.mean() + (held - held.detach()).sum()
        return Loss(total, path, torch.zeros_like(path.loss))

    def _utilities(self, loss: Tensor) -> Tensor:
        """(n,) of sum 0, largest for the least loss: log(n / 2 + 1) - log(rank), cut at 0."""
        rank = torch.empty_like(loss)
        rank[loss.argsort()] = torch.arange(1, len(loss) + 1, device=loss.device).to(loss)
        worth = (math.log(len(loss) / 2 + 1) - rank.log()).clamp_min(0)
        return worth / worth.sum() - 1 / len(loss)
