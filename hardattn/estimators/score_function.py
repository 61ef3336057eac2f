"""Score-function estimators: (signal - baseline) * grad log-probability of what was drawn.

The signal of row t is what comes at and after look t: what went before cannot depend on it.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hardattn.distributions import LocationDistribution
from hardattn.rollout import Agent, Draw, Trajectory, greedy, rollout, sample, soft
from hardattn.scenes import Scenes
from hardattn.world import World


class Loss(NamedTuple):
    """What to differentiate, and what flowed past."""

    total: Tensor  # () its gradient is the estimate
    path: Trajectory
    advantage: Tensor  # (T, B) what each row's draws were told, sign of a loss
    again: "Callable[[], Loss] | None" = None  # another update from the same looks, after this one


def credit(path: Trajectory, reward_only: bool = False) -> Tensor:
    """(T, B): what the draws of each row are answerable for, detached.

    reward_only: the published hybrid of Mnih et al. (2014), where looks learn from the reward
    alone and the cross-entropy trains everything else. It is not the gradient of E[loss - reward],
    because the loss moves with the looks as well.
    """
    signal = -path.reward if reward_only else path.loss + path.cost - path.reward
    return path.to_go(signal).detach()


def exploring(path: Trajectory, ent_coef: float) -> Trajectory:
    """The path, where each nat of the entropy of its looks is worth so much."""
    return path._replace(cost=path.cost - ent_coef * path.entropy)


def surrogate(path: Trajectory, advantage: Tensor) -> Tensor:
    """() whose gradient is that of the drawn losses plus advantage * grad log-probability."""
    return (path.loss + path.cost + path.log_prob * advantage.detach()).sum(0).mean()


def expected(path: Trajectory) -> Tensor:
    """(T, B): the critic's guess of `credit`, made before each row's look; 0 for the first."""
    return torch.cat([torch.zeros_like(path.value[:1]), -path.value[:-1]])


def misfit(path: Trajectory, guess: Tensor, target: Tensor) -> Tensor:
    """() squared error of the critic, which no draw precedes in row 0."""
    return ((guess - target)[1:] ** 2 * path.alive[1:]).sum(0).mean()


def partly_greedy(share: float, scenes: Scenes, generator: torch.Generator | None) -> Draw:
    """A draw of which that share of episodes takes none, but looks where it is likeliest to.

    Their log-probability is 0, so that they teach the answer, in the looks that it will be asked
    for in use, and the critic, and move no policy.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"greedy is a share of episodes, from 0 to 1, not {share}")
    if not share:
        return sample
    uniform = torch.rand(len(scenes), generator=generator, device=scenes.device)
    calm = uniform < share

    def draw(places: LocationDistribution, noise: torch.Generator | None) -> tuple[Tensor, Tensor]:
        value, _ = sample(places, noise)
        log_prob = places.log_prob(value)
        still = calm.view(-1, *(1 for _ in places.event_shape))
        value = torch.where(still, places.mode_or_draw(noise).detach(), value)
        return value, torch.where(calm, torch.zeros_like(log_prob), log_prob)

    return draw


def distillation(path: Trajectory) -> Tensor:
    """() cross-entropy of the answers on the way against the last, which teaches and is not moved.

    (BYOT, Zhang et al. 2019, arXiv:1905.08094, whose layers are looks here.) Summed over looks,
    each divided by how many there could be, as a loss after each look is.
    """
    last = path.alive.sum(0).long() - 1
    taught = path.logits.detach().softmax(-1)
    teacher = taught[last, torch.arange(len(last), device=last.device)]
    told = -(teacher * path.logits.log_softmax(-1)).sum(-1)
    before = torch.arange(len(told), device=last.device)[:, None] < last
    return (told * before).sum(0).mean() / len(told)


def weighted(path: Trajectory, late: float) -> Trajectory:
    """The path, where the answer after look t of T weighs (t / T)^late, over the mean of these."""
    if late < 0:
        raise ValueError(f"late is a power of how late an answer is, from 0, not {late}")
    if not late:
        return path
    weight = torch.arange(1, len(path.loss) + 1, device=path.loss.device) ** late
    return path._replace(loss=path.loss * (weight / weight.mean())[:, None].to(path.loss))


def helped(loss: Loss, scenes: Scenes, distil: float) -> Loss:
    """The loss, and what the last answer teaches those before it."""
    if not distil:
        return loss
    if scenes.target.dim() != 1:
        raise ValueError("answers that are not to the same question teach each other nothing")
    return loss._replace(total=loss.total + distil * distillation(loss.path))


def _against_critic(path: Trajectory, signal: Tensor, policy_coef: float = 1.0) -> Loss:
    """The critic's guess as the baseline, and its fit to the signal."""
    guess = expected(path)
    advantage = signal - guess.detach()
    weighed = advantage if policy_coef == 1 else policy_coef * advantage
    total = surrogate(path, weighed) + misfit(path, guess, signal)
    return Loss(total, path, advantage)


def reinforce(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    reward_only: bool = False,
) -> Loss:
    """REINFORCE with no baseline (Williams 1992). Unbiased; the noisiest of all.

    Args:
        reward_only: Let looks learn from the reward alone, as RAM was published.
    """
    path = rollout(agent, world, scenes, sample, generator)
    advantage = credit(path, reward_only)
    return Loss(surrogate(path, advantage), path, advantage)


def learned_baseline(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    reward_only: bool = False,
    policy_coef: float = 1.0,
    greedy: float = 0.0,
    distil: float = 0.0,
) -> Loss:
    """REINFORCE with a learned value as the baseline, as in RAM (Mnih et al. 2014). Unbiased.

    The baseline of row t is the value after look t - 1: it has seen everything but look t. The
    value is fitted to the return by squared error; an agent detaches what it is computed from, so
    that the fit moves the critic alone. Biased with a share of greedy episodes, or a distillation,
    for a loss of which these are a part; and in scale with a weight of the policy other than 1,
    which under plain descent is its own learning rate.

    Args:
        reward_only: Let looks learn from the reward alone, as RAM was published.
        policy_coef: Weight of the policy's loss beside that of the answer.
        greedy: Share of episodes that look where it is likeliest, and teach the answer alone.
        distil: Weight of what the last answer teaches those before it.
    """
    draw = partly_greedy(greedy, scenes, generator)
    path = rollout(agent, world, scenes, draw, generator)
    return helped(_against_critic(path, credit(path, reward_only), policy_coef), scenes, distil)


def self_critical(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    reward_only: bool = False,
) -> Loss:
    """The greedy episode's signal as the baseline (Rennie et al. 2017, arXiv:1612.00563). Unbiased.

    Costs a second episode, without gradient. Both start from the same first look.

    Args:
        reward_only: Let looks learn from the reward alone, as RAM was published.
    """
    return _against(greedy, agent, world, scenes, generator, reward_only)


def soft_baseline(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    reward_only: bool = False,
) -> Loss:
    """The soft episode's signal as the baseline (Deng et al. 2018, arXiv:1807.03756). Unbiased.

    Where places are weights over cells, the mean place shows the expected patch: soft attention.

    Args:
        reward_only: Let looks learn from the reward alone, as RAM was published.
    """
    return _against(soft, agent, world, scenes, generator, reward_only)


def _against(
    draw: Draw,
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None,
    reward_only: bool,
) -> Loss:
    first = world.first(scenes, generator)
    path = rollout(agent, world, scenes, sample, generator, first)
    with torch.no_grad():
        other = rollout(agent, world, scenes, draw, generator, first)
    advantage = credit(path, reward_only) - credit(other, reward_only)
    return Loss(surrogate(path, advantage), path, advantage)


def entropy_bonus(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    ent_coef: float = 0.01,
) -> Loss:
    """`learned_baseline` of E[loss + cost - reward - ent_coef * H(places)]. Unbiased for that.

    So biased for the loss itself, in favour of looking about (Williams & Peng 1991).

    Args:
        ent_coef: Weight of the entropy of the looks.
    """
    path = exploring(rollout(agent, world, scenes, sample, generator), ent_coef)
    return _against_critic(path, credit(path))


def per_look_gain(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    discount: float = 0.7,
    ent_coef: float = 0.0,
    greedy: float = 0.0,
    distil: float = 0.0,
    late: float = 0.0,
) -> Loss:
    """Looks are paid what each adds to the belief in the truth (GFNet, arXiv:2010.05300). Biased.

    Reward of look t: p_t(truth) - p_{t-1}(truth), before any look 1/K, discounted; the baseline is
    learned. It is no gradient of the loss: with discount 1 it is that of the last belief. The
    paper trains by PPO; this is its signal alone, and `ppo` is a row of its own.

    Args:
        discount: Of later gains.
        ent_coef: Weight of the entropy of each look.
        greedy: Share of episodes that look where it is likeliest, and teach the answer alone.
        distil: Weight of what the last answer teaches those before it.
        late: Power of how late an answer is, by which it weighs more in the loss: early ones,
            before anything was found, are wrong whatever is learned. 0: all alike.
    """
    draw = partly_greedy(greedy, scenes, generator)
    path = exploring(rollout(agent, world, scenes, draw, generator), ent_coef)
    belief = world.task.belief(path.logits.detach(), scenes.target)
    before = torch.cat([torch.full_like(belief[:1], 1 / world.task.choices), belief[:-1]])
    gain, signal = (belief - before) * path.alive, torch.zeros_like(belief)
    running = torch.zeros_like(belief[0])
    for look in reversed(range(world.looks)):
        running = discount * running - gain[look]
        signal[look] = running
    loss = _against_critic(weighted(path, late), signal)._replace(path=path)
    return helped(loss, scenes, distil)


class MovingAverage(nn.Module):
    """The mean signal of earlier batches as the baseline (Xu et al. 2015, arXiv:1502.03044).

    b_t <- decay b_t + (1 - decay) mean signal of row t. Unbiased as it stands. Entropy as in
    `entropy_bonus`, whose bias it then has. soft: the share of episodes that look at the mean
    place instead of a draw, as the paper does half of the time; biased then, less noisy.

    Args:
        decay: Share of the old in a running mean.
        ent_coef: Weight of the entropy of the looks.
        soft: Share of episodes that look at the mean place instead of a draw.
    """

    mean: Tensor

    def __init__(
        self,
        agent: Agent,
        world: World,
        *,
        decay: float = 0.9,
        ent_coef: float = 0.0,
        soft: float = 0.0,
    ):
        super().__init__()
        self.decay, self.ent_coef, self.soft = decay, ent_coef, soft
        self.register_buffer("mean", torch.zeros(world.looks, 1))

    def forward(
        self,
        agent: Agent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None = None,
    ) -> Loss:
        uniform = torch.rand(len(scenes), generator=generator, device=scenes.device)
        calm = uniform < self.soft

        def draw(
            places: LocationDistribution, noise: torch.Generator | None
        ) -> tuple[Tensor, Tensor | None]:
            value, _ = sample(places, noise)
            if not self.soft or not places.event_shape:
                return value, None
            log_prob = places.log_prob(value)
            value = torch.where(calm[:, None], places.mean, value)
            return value, torch.where(calm, torch.zeros_like(log_prob), log_prob)

        path = exploring(rollout(agent, world, scenes, draw, generator), self.ent_coef)
        signal = credit(path)
        mean = self.mean[: len(signal)]
        advantage = signal - mean
        if self.training:
            fresh = self.decay * mean + (1 - self.decay) * signal.mean(1, keepdim=True)
            self.mean = torch.cat([fresh, self.mean[len(signal) :]])
        return Loss(surrogate(path, advantage), path, advantage)


class NVIL(nn.Module):
    """Learned baseline, centred and scaled by running moments (NVIL, arXiv:1402.0030).

    advantage = (signal - value - c) / max(1, sqrt(v)), with c and v running mean and variance of
    signal - value over rows and batches. Biased in scale where v > 1; scale=False is unbiased.

    Args:
        decay: Share of the old in a running mean.
        scale: Divide by the running standard deviation, where it is above 1.
    """

    centre: Tensor
    variance: Tensor

    def __init__(self, agent: Agent, world: World, *, decay: float = 0.8, scale: bool = True):
        super().__init__()
        self.decay, self.scale = decay, scale
        self.register_buffer("centre", torch.zeros(()))
        self.register_buffer("variance", torch.ones(()))

    def forward(
        self,
        agent: Agent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None = None,
    ) -> Loss:
        path = rollout(agent, world, scenes, sample, generator)
        signal, guess = credit(path), expected(path)
        raw = signal - guess.detach()
        advantage = raw - self.centre
        if self.scale:
            advantage = advantage / self.variance.sqrt().clamp_min(1.0)
        if self.training and world.looks > 1:
            mean, variance = raw[1:].mean(), raw[1:].var(correction=0)
            self.centre = self.decay * self.centre + (1 - self.decay) * mean
            self.variance = self.decay * self.variance + (1 - self.decay) * variance
        return Loss(surrogate(path, advantage) + misfit(path, guess, signal), path, advantage)
