"""Soft actor-critic against numbers that are known: targets by hand, the policy by quadrature."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn.distributions.squashed import Squashed
from hardattn.estimators import ESTIMATORS
from hardattn.estimators.soft_actor_critic import SoftActorCritic, worth
from hardattn.rollout import rollout
from hardattn.scenes import Scenes
from tests.support.agents import build, scenes

ALPHA = 0.3


class Hill(nn.Module):
    """Two guesses of known shape, of which the lesser is -(a - 0.4)^2 / 0.1 - 0.1."""

    def __init__(self) -> None:
        super().__init__()
        self.height = nn.Parameter(torch.tensor(0.1, dtype=torch.float64))

    def forward(self, known: Tensor, place: Tensor) -> Tensor:
        guess = -10 * (place[..., 0] - 0.4) ** 2
        return torch.stack([guess, guess - self.height])


def critic(places: int = 1, **options: Any) -> SoftActorCritic:
    """An estimator for places of so many numbers, of an agent of four."""
    agent: Any = type("Known", (), {"summed": 4, "summary": None})()
    world: Any = type("Places", (), {"places": places})()
    return SoftActorCritic(agent, world, temperature=ALPHA, **options).double()


def exact(mean: Tensor, log_std: Tensor) -> Tensor:
    """() E[alpha log p(a) - min Q(a)] by quadrature over u = mean + std x: exact to ten digits."""
    x = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    weight = (-(x**2) / 2).exp() / math.sqrt(2 * math.pi) * (x[1] - x[0])
    u = mean + log_std.exp() * x
    a = torch.tanh(u)
    log_p = -(x**2) / 2 - math.log(math.sqrt(2 * math.pi)) - log_std - (1 - a**2).log()
    return (weight * (ALPHA * log_p + 10 * (a - 0.4) ** 2 + 0.1)).sum()


def drawn(places: Squashed) -> tuple[Tensor, Tensor]:
    return places.drawn(torch.Generator().manual_seed(0))


def without_slope(places: Squashed) -> tuple[Tensor, Tensor]:
    """A planted bug: the density of the number before tanh for that of the place."""
    value = places.draw(torch.Generator().manual_seed(0))
    return value, places.before.log_prob(torch.atanh(value))


def cut(places: Squashed) -> tuple[Tensor, Tensor]:
    """A planted bug: the draw is clamped before its density."""
    value = places.draw(torch.Generator().manual_seed(0)).clamp(-0.5, 0.5)
    return value, places.log_prob(value)


@pytest.mark.parametrize("how, right", [(drawn, True), (without_slope, False), (cut, False)])
def test_the_policy_s_gradient_is_that_of_quadrature(how: Any, right: bool) -> None:
    """A problem of one look and a critic that is known; bugs are caught."""
    sac = critic()
    sac.critics = Hill()  # type: ignore[assignment]
    parameters = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.2, -0.7)]
    mean, log_std = parameters
    wanted = torch.stack(torch.autograd.grad(exact(mean, log_std), parameters))
    count, found = 2_000, []
    ones = torch.ones(count * 100, 1, dtype=torch.float64)
    place, log_prob = how(Squashed(mean * ones, log_std.exp() * ones))
    each = sac.policy_loss(torch.zeros(len(ones), 4, dtype=torch.float64), place, log_prob)
    for part in each.split(count):
        grads = torch.autograd.grad(part.mean(), parameters, retain_graph=True)
        found.append(torch.stack(grads))
    rows = torch.stack(found)
    z = (rows.mean(0) - wanted) / (rows.std(0) / len(rows) ** 0.5)
    assert (z.abs().max() < 4) == right
    assert right or z.abs().max() > 8
    assert sac.critics.height.grad is None


def test_targets_by_hand() -> None:
    """Two looks: y_1 = r_1 + .5 (min Q' - alpha log p) of the second, y_2 = r_2."""
    sac = critic(gamma=0.5)
    sac.means = Hill()  # type: ignore[assignment]
    known = torch.zeros(2, 1, 4, dtype=torch.float64)
    place = torch.tensor([[[0.9]], [[0.2]]], dtype=torch.float64)
    log_prob = torch.tensor([[7.0], [-1.5]], dtype=torch.float64)
    reward = torch.tensor([[1.0], [0.25]], dtype=torch.float64)
    least = -10 * 0.2**2 - 0.1
    wanted = torch.tensor([[1.0 + 0.5 * (least + ALPHA * 1.5)], [0.25]], dtype=torch.float64)
    assert torch.allclose(sac.told(known, place, log_prob, reward), wanted)


def test_a_look_is_worth_what_it_added_to_the_belief() -> None:
    agent, world = build("agent ada_glimpse")
    path = rollout(agent, world, scenes(), generator=torch.Generator().manual_seed(0))
    truth = scenes().target[:, None]
    chance = torch.stack([row.log_softmax(1).gather(1, truth)[:, 0] for row in path.logits])
    assert torch.allclose(worth(path, world, scenes()), (chance[1:] - chance[:-1]).detach())


def test_at_first_looks_fall_anywhere_and_critics_learn_of_these() -> None:
    agent, world = build("agent ada_glimpse")
    how = SoftActorCritic(agent, world, explore=1)
    last = agent.policy[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([9.0, 9.0, 9.0, -9.0, -9.0, -9.0]))  # into a corner
    generator = torch.Generator().manual_seed(0)
    asked: list[Tensor] = []
    how.critics.register_forward_pre_hook(lambda _, given: asked.append(given[1]))
    for exploring in (True, False, False):
        asked.clear()
        path = how(agent, world, scenes(), generator).path
        fell = path.location[1:]
        assert torch.equal(asked[0], fell)
        assert (fell.min() < 0 < fell.max()) if exploring else (fell > 0.99).all()
    kept = SoftActorCritic(agent, world, explore=4)
    kept.load_state_dict(how.state_dict())
    assert kept.updates == 3


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_looks_is_guided_at_first(share: float) -> None:
    """Around the target, of any width; anywhere in a scene that does not say where that is."""
    agent, world = build("agent ada_glimpse")
    how = SoftActorCritic(agent, world, guided=share)
    box = torch.full((4000, 1, 4), 0.6)
    box[2000:] = math.nan
    index = torch.zeros(4000, dtype=torch.long)
    many = Scenes(torch.zeros(4000, 1, 1, 1, dtype=torch.uint8), index, box, index)
    place = how.anywhere(torch.empty(4000, 3), many, torch.Generator().manual_seed(0))
    near = ((place[:, :2] - 0.6).abs() < 0.3).all(1).float()
    by_chance, around = 0.6**2 / 4, math.erf(1.5 / 2**0.5) ** 2
    wanted = share * around + (1 - share) * by_chance
    assert near[:2000].mean().item() == pytest.approx(wanted, abs=0.04)
    assert near[2000:].mean().item() == pytest.approx(by_chance, abs=0.04)
    assert place[:, 2].mean().item() == pytest.approx(0, abs=0.04)
    with pytest.raises(ValueError, match="a share of looks is guided"):
        SoftActorCritic(agent, world, guided=share + 1.5)


def test_each_part_moves_its_own() -> None:
    """The policy alone by its loss, the critics by theirs, and means by no gradient at all."""
    agent, world = build("agent ada_glimpse")
    sac = ESTIMATORS["soft_actor_critic"].build(agent, world)
    assert isinstance(sac, SoftActorCritic)
    before = [weight.clone() for weight in sac.means.parameters()]
    with torch.no_grad():
        for weight in sac.critics.parameters():
            weight += 1
    loss = sac(agent, world, scenes(), torch.Generator().manual_seed(0))
    path = loss.path
    parts = [*agent.policy.parameters()]
    answers = (path.loss + path.cost).sum(0).mean()
    none = torch.autograd.grad(answers, parts, allow_unused=True, retain_graph=True)
    assert all(each is None for each in none), "an answer moves the policy"
    loss.total.backward()
    assert all(weight.grad.abs().max() > 0 for weight in (*parts, *sac.critics.parameters()))
    for weight, mean in zip(sac.means.parameters(), before, strict=True):
        assert weight.grad is None and torch.allclose(weight, mean + 0.02, atol=1e-6)
    # More entropy than is wanted: the temperature falls, as descent goes against its gradient.
    assert sac.log_temperature.grad > 0


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"keep": 1.0}])
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    agent, world = build("agent ada_glimpse")
    with pytest.raises(ValueError, match="SAC needs"):
        SoftActorCritic(agent, world, **options)
