"""Estimators that differentiate through the look itself, or through a relaxation of it."""

import torch
from torch import Tensor, nn

from hardattn.distributions import LocationDistribution
from hardattn.estimators.multi_sample import of_cells, one_draw
from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, Draw, Trajectory, pathwise as draw_pathwise, rollout, soft
from hardattn.scenes import Scenes
from hardattn.world import World


def pathwise(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
) -> Loss:
    """Reparameterisation (Kingma & Welling 2014, arXiv:1312.6114). Unbiased where it applies.

    It applies where the sensor is differentiable in the place, the place has a pathwise draw, the
    agent never stops by drawing, and nothing is rewarded: a reward has no gradient.
    """
    return through(draw_pathwise, agent, world, scenes, generator)


def soft_attention(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
) -> Loss:
    """No draw at all: every look is the mean of its distribution. Biased for looks that are drawn.

    It is exact for an agent that is evaluated with the same draw, "soft": deterministic soft
    attention (Xu et al. 2015, arXiv:1502.03044).
    """
    return through(soft, agent, world, scenes, generator)


def gumbel_softmax(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    temperature: float = 0.5,
) -> Loss:
    """Looks at softmax((logits + Gumbel) / temperature) of the places (arXiv:1611.01144). Biased.

    The bias goes to 0 with the temperature and the variance to infinity.

    Args:
        temperature: Of the relaxation; at 0 it would be the draw itself.
    """

    def draw(places: LocationDistribution, noise: torch.Generator | None) -> tuple[Tensor, Tensor]:
        choice = of_cells(places, "Gumbel-softmax")
        value = choice.relaxed(choice.logits + choice.gumbel(noise), temperature)
        return value, value.new_zeros(choice.batch_shape)

    return through(draw, agent, world, scenes, generator)


def straight_through(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    temperature: float = 0.5,
) -> Loss:
    """Looks at the place that was drawn, differentiates the relaxed one (arXiv:1611.01144). Biased.

    The loss is the true one; the gradient keeps a bias at every temperature.

    Args:
        temperature: Of the relaxation; at 0 it would be the draw itself.
    """

    def draw(places: LocationDistribution, noise: torch.Generator | None) -> tuple[Tensor, Tensor]:
        choice = of_cells(places, "straight-through Gumbel-softmax")
        perturbed = choice.logits + choice.gumbel(noise)
        relaxed = choice.relaxed(perturbed, temperature)
        value = choice.centres[perturbed.argmax(-1)] + relaxed - relaxed.detach()
        return value, value.new_zeros(choice.batch_shape)

    return through(draw, agent, world, scenes, generator)


def rebar(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    temperature: float = 0.5,
    strength: float = 1.0,
) -> Loss:
    """REINFORCE with the relaxed look as control variate (Tucker et al. 2017, arXiv:1703.07370).

    (f(b) - s c(z')) grad log p(b) + s grad (c(z) - c(z')), z the perturbed logits that drew b, z'
    fresh ones given b, c the loss of the relaxed look. Unbiased at every temperature and strength
    s. For worlds of two looks. Departure: temperature and strength are fixed; `RELAX` learns them.

    Args:
        temperature: Of the relaxation; at 0 it would be the draw itself.
        strength: What the control variate is multiplied by; 0 is REINFORCE.
    """
    three = _ThreeLooks(agent, world, scenes, generator, temperature, "REBAR")
    return three.loss(strength * three.control, strength * three.conditional)


class RELAX(nn.Module):
    """REBAR with a learned control variate (Grathwohl et al. 2018, arXiv:1711.00123). Unbiased.

    c(z) = s f(relaxed place) + net(relaxed place); s, the temperature and the net descend the
    variance of the gradient with respect to the logits. For worlds of two looks.

    Args:
        temperature: Of the relaxation; at 0 it would be the draw itself.
        hidden: Units of the net that learns beside the agent.
    """

    def __init__(self, agent: Agent, world: World, *, temperature: float = 0.5, hidden: int = 32):
        super().__init__()
        self.log_temperature = nn.Parameter(torch.tensor(float(temperature)).log())
        self.strength = nn.Parameter(torch.ones(()))
        self.net = nn.Sequential(nn.Linear(world.places, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(
        self,
        agent: Agent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None = None,
    ) -> Loss:
        temperature = self.log_temperature.exp()
        three = _ThreeLooks(agent, world, scenes, generator, temperature, "RELAX")
        control = self.strength * three.control + self.net(three.place)[:, 0]
        conditional = self.strength * three.conditional + self.net(three.place_given)[:, 0]
        loss = three.loss(control, conditional)
        # The control variate has its own objective: nothing of the estimate may move it, and
        # nothing of its objective the agent.
        mine = list(self.parameters())
        noise = three.squared_gradient(control, conditional)
        unwanted = torch.autograd.grad(loss.total, mine, retain_graph=True, allow_unused=True)
        wanted = torch.autograd.grad(noise, mine, retain_graph=True, allow_unused=True)
        total = loss.total
        for weight, out, into in zip(mine, unwanted, wanted, strict=True):
            for sign, gradient in ((-1, out), (1, into)):
                if gradient is not None:
                    held = weight * gradient.detach()
                    total = total + sign * (held - held.detach()).sum()
        return loss._replace(total=total)


class _ThreeLooks:
    """The drawn look, the relaxed one, and the relaxed one given the draw; each a whole episode."""

    def __init__(
        self,
        agent: Agent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None,
        temperature: Tensor | float,
        who: str,
    ):
        one_draw(world, who)
        if world.task.rewarding:
            raise ValueError(f"{who} relaxes the loss, and a reward cannot be relaxed: use bonus=0")
        self.temperature = temperature
        first = world.first(scenes, generator)

        def drawn(
            places: LocationDistribution, noise: torch.Generator | None
        ) -> tuple[Tensor, Tensor]:
            choice = of_cells(places, who)
            self.choice, self.noise = choice, choice.gumbel(noise)
            self.cell = (choice.logits + self.noise).argmax(-1)
            uniform = choice.logits.new_empty(choice.logits.shape)
            self.uniform = uniform.uniform_(generator=noise)
            log_prob = choice.logits.gather(1, self.cell[:, None])[:, 0]
            return choice.centres[self.cell], log_prob

        self.path = rollout(agent, world, scenes, drawn, generator, first)
        # Every relaxed look hangs on these logits, so that its gradient in them can be read off.
        self.logits = self.choice.logits
        self.place = self.choice.relaxed(self.logits + self.noise, temperature)
        self.place_given = self.choice.relaxed(self._given(self.logits), temperature)
        self.control = self._episode(self.place, agent, world, scenes, first)
        self.conditional = self._episode(self.place_given, agent, world, scenes, first)

    def _given(self, logits: Tensor) -> Tensor:
        """(B, N) perturbed logits of which `cell` is the largest; logits are normalised."""
        least = torch.finfo(logits.dtype).tiny
        rate = -self.uniform.clamp_min(least).log().clamp_max(-least)
        top = rate.gather(1, self.cell[:, None])
        below = -(rate / logits.exp().clamp_min(least) + top).log()
        is_top = nn.functional.one_hot(self.cell, logits.shape[1]).bool()
        return torch.where(is_top, -top.log(), below)

    def _episode(
        self, place: Tensor, agent: Agent, world: World, scenes: Scenes, first: Tensor
    ) -> Tensor:
        """(B,): loss and cost of looking there, at the second look and in all."""

        def there(
            places: LocationDistribution, noise: torch.Generator | None
        ) -> tuple[Tensor, Tensor]:
            return place, place.new_zeros(len(place))

        path = rollout(agent, world, scenes, there, None, first)
        return (path.loss + path.cost).sum(0)

    def loss(self, control: Tensor, conditional: Tensor) -> Loss:
        """The estimate, from the control variate at z and at z given b."""
        truth = (self.path.loss + self.path.cost).sum(0)
        advantage = (truth - conditional).detach()
        estimate = truth + advantage * self.path.log_prob[1] + control - conditional
        return Loss(estimate.mean(), self.path, advantage.expand_as(self.path.log_prob))

    def squared_gradient(self, control: Tensor, conditional: Tensor) -> Tensor:
        """(): mean squared gradient in the logits, differentiable in the control variate."""
        truth = (self.path.loss + self.path.cost).sum(0).detach()
        score = nn.functional.one_hot(self.cell, self.logits.shape[1]) - self.logits.exp()
        (through,) = torch.autograd.grad(
            (control - conditional).sum(), self.logits, create_graph=True
        )
        gradient = (truth - conditional)[:, None] * score.detach() + through
        return gradient.pow(2).sum(1).mean()


def through(
    draw: Draw, agent: Agent, world: World, scenes: Scenes, generator: torch.Generator | None
) -> Loss:
    """Backpropagation through the loss of looks that a draw made, and through the looks."""
    if world.task.rewarding:
        raise ValueError("such gradients do not reach a reward: use a task with bonus=0")
    if not world.sensor.differentiable:
        raise ValueError(f"no gradient passes through a {type(world.sensor).__name__}: use another")
    path: Trajectory = rollout(agent, world, scenes, draw, generator)
    total = (path.loss + path.cost).sum(0).mean()
    return Loss(total, path, torch.zeros_like(path.loss))
