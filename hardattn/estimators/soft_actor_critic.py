"""Soft actor-critic: a policy that ascends two critics' guess of each look, and its entropy."""

import copy
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hardattn.distributions import Gaussian, LocationDistribution, Uniform
from hardattn.distributions.squashed import Squashed
from hardattn.estimators.actor_critic import falls
from hardattn.estimators.counted import Counted
from hardattn.estimators.led import Around
from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, Decision, Trajectory, rollout
from hardattn.scenes import Scenes
from hardattn.world import Observation, World


class SummarisingAgent(Agent, Protocol):
    """An agent that can say in (B, summed) numbers what it knows, as `agents.AdaGlimpse`."""

    summed: int

    def summary(self, state: Any) -> Tensor:
        """The state after a look -> (B, summed)."""


class TwinCritics(nn.Module):
    """Two guesses of what a look at a place is worth: (..., D), (..., P) -> (2, ...)."""

    def __init__(self, width: int, places: int, hidden: int):
        super().__init__()
        self.nets = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width + places, hidden),
                nn.ReLU(),
                nn.Linear(hidden, hidden),
                nn.ReLU(),
                nn.Linear(hidden, 1),
            )
            for _ in range(2)
        )

    def forward(self, known: Tensor, place: Tensor) -> Tensor:
        both = torch.cat([known, place], -1)
        return torch.stack([net(both)[..., 0] for net in self.nets])


class SoftActorCritic(Counted):
    """Soft actor-critic on whole episodes (SAC, Haarnoja et al. 2018, arXiv:1801.01290). Biased.

    A look is worth r_t = gain in log p(truth) from the look before, plus the task's reward
    (as AdaGlimpse has it, arXiv:2404.03482). With alpha the temperature, s what the agent
    knows and a a draw of its policy,

        y_t = r_t + gamma (min_i Q'_i(s_{t+1}, a_{t+1}) - alpha log p(a_{t+1} | s_{t+1})),

    without the second term after the last look; critics descend (Q_i(s_t, a_t) - y_t)^2, and Q' are
    their running means. The policy descends alpha log p(a | s_t) - min_i Q_i(s_t, a), pathwise and
    with the density of the very draw; alpha follows the entropy that is wanted. The answer learns
    from its own loss and what the agent charges, of which the policy is told nothing. Biased by the
    critics, and of another loss.

    Departures: every update has episodes of its own, and no buffer replays old ones, because a
    scene costs as much to look at again; so the next place in y_t is the one that was drawn.
    gamma is below 1 by default, as looks are few. For the first updates looks may fall anywhere, as
    in the authors' code of SAC: a policy that follows critics which saw little of the plane may
    settle in a corner, and answers that learned from its looks alone make them right. Where targets
    are small few of these looks show any, an answer learns to do without, and nothing is gained by
    looking; so a share of them may be guided to the target, in place of an encoder that can read
    beforehand. That is privileged; the policy learns of it by the critics alone.

    Args:
        gamma: Discount of later gains.
        temperature: What a nat of entropy is worth, at first.
        entropy: Nats of entropy that are wanted of each look; none: minus the numbers of a place.
        keep: Share of the old in the running mean of the critics' weights.
        hidden: Units of each layer of the critics.
        explore: Updates in which looks fall anywhere, and all learn from them.
        guided: Share of these looks that fall around the target, where a scene says its place.
    """

    def __init__(
        self,
        agent: Any,
        world: World,
        *,
        gamma: float = 0.7,
        temperature: float = 0.05,
        entropy: float | None = None,
        keep: float = 0.98,
        hidden: int = 128,
        explore: int = 0,
        guided: float = 0.0,
    ):
        super().__init__()
        if not hasattr(agent, "summary"):
            raise ValueError(f"{type(agent).__name__} sums up no state: use agents.AdaGlimpse")
        if temperature <= 0 or not 0 <= keep < 1:
            raise ValueError(
                f"SAC needs a temperature above 0 and keeps a share below 1, not {temperature} "
                f"and {keep}"
            )
        if explore < 0:
            raise ValueError(f"looks fall anywhere for no updates or more, not {explore}")
        if not 0 <= guided <= 1:
            raise ValueError(f"a share of looks is guided, from 0 to 1, not {guided}")
        self.gamma, self.keep, self.explore, self.guided = gamma, keep, explore, guided
        self.entropy = -float(world.places) if entropy is None else entropy
        self.critics = TwinCritics(agent.summed, world.places, hidden)
        self.means = copy.deepcopy(self.critics).requires_grad_(False)
        self.log_temperature = nn.Parameter(torch.tensor(temperature).log())

    def forward(
        self,
        agent: SummarisingAgent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None = None,
    ) -> Loss:
        shown, drawn = Summed(agent), list[tuple[Tensor, Tensor]]()
        fell: list[Tensor] = []
        exploring = self.count() < self.explore

        def draw(
            places: LocationDistribution, noise: torch.Generator | None
        ) -> tuple[Tensor, Tensor]:
            place, log_prob = reparametrised(places, noise)
            drawn.append((place, log_prob))
            fell.append(self.anywhere(place, scenes, noise) if exploring else place.detach())
            return fell[-1], log_prob.detach()

        path = rollout(shown, world, scenes, draw, generator)
        total = (path.loss + path.cost).sum(0).mean()
        if not drawn:
            return Loss(total, path, torch.zeros_like(path.loss))
        place, log_prob = (torch.stack(each) for each in zip(*drawn, strict=True))
        known = torch.stack(shown.known[:-1]).detach()
        if self.training:
            self.follow()
        reward = worth(path, world, scenes)
        told = self.told(known, place.detach(), log_prob.detach(), reward)
        missed = (self.critics(known, torch.stack(fell)) - told) ** 2
        policy = self.policy_loss(known, place, log_prob)
        surprise = (log_prob.detach() + self.entropy) * -self.log_temperature
        alive = path.alive[1:]
        total = total + ((missed.sum(0) + policy + surprise) * alive).sum(0).mean()
        nothing = torch.zeros_like(path.loss[:1])
        return Loss(total, path, torch.cat([nothing, -told]))

    def anywhere(self, place: Tensor, scenes: Scenes, generator: torch.Generator | None) -> Tensor:
        """(B, P) places as those that are given, anywhere; `guided` of them around the target."""
        fell = Uniform(place[:, 0], place.shape[1]).draw(generator)
        if not self.guided:
            return fell
        near = Around(scenes.box).draw(generator).clamp(-1, 1)
        chosen = torch.empty_like(near[:, :1]).uniform_(generator=generator) < self.guided
        near = torch.where(chosen & ~near.isnan(), near, fell[:, :2])
        return torch.cat([near, fell[:, 2:]], 1)

    @property
    def temperature(self) -> Tensor:
        """() alpha, which no loss but its own moves."""
        return self.log_temperature.detach().exp()

    @torch.no_grad()
    def told(self, known: Tensor, place: Tensor, log_prob: Tensor, reward: Tensor) -> Tensor:
        """(T - 1, B): what the critics should say of each look, y_t; after the last comes nothing.

        known: (T - 1, B, D) before each look; place, (T - 1, B, P), what the policy drew there.
        """
        soft = self.means(known, place).amin(0) - self.temperature * log_prob
        ahead = torch.cat([soft[1:], torch.zeros_like(soft[:1])])
        return reward + self.gamma * ahead

    def policy_loss(self, known: Tensor, place: Tensor, log_prob: Tensor) -> Tensor:
        """(T - 1, B): alpha log p - min Q, which moves the draws and no weight of the critics."""
        held = {name: weight.detach() for name, weight in self.critics.named_parameters()}
        guess = functional_call(self.critics, held, (known, place))
        return self.temperature * log_prob - guess.amin(0)

    @torch.no_grad()
    def follow(self) -> None:
        """The running means go towards the critics."""
        for mean, weight in zip(self.means.parameters(), self.critics.parameters(), strict=True):
            mean.lerp_(weight, 1 - self.keep)


class Summed:
    """The agent, of which is kept what it knew after each look."""

    def __init__(self, agent: SummarisingAgent):
        self.agent = agent
        self.known: list[Tensor] = []

    def start(self, context: Tensor) -> Any:
        return self.agent.start(context)

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        state, decision = self.agent.step(state, seen)
        self.known.append(self.agent.summary(state))
        return state, decision


def reparametrised(
    places: LocationDistribution, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """A pathwise draw and its log-density, both with their gradients."""
    if isinstance(places, Squashed):
        return places.drawn(generator)
    if not isinstance(places, Gaussian):
        raise ValueError(f"SAC has a density for normal places, not for {type(places).__name__}")
    value = places.draw(generator)
    return value, places.log_prob(value)


def worth(path: Trajectory, world: World, scenes: Scenes) -> Tensor:
    """(T - 1, B): by how many nats each look made the truth likelier, and what it was rewarded."""
    return falls(path, world, scenes)[1:] + path.reward[1:]
