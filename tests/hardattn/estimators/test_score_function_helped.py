"""Greedy episodes among drawn ones, and last answers that teach those before them."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.agents import RAM
from hardattn.distributions import Gaussian, LocationDistribution
from hardattn.estimators.score_function import (
    Loss,
    distillation,
    helped,
    learned_baseline,
    partly_greedy,
    per_look_gain,
)
from hardattn.rollout import greedy, rollout, sample
from hardattn.scenes import Scenes
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.world import Observation, World
from tests.support.estimators import (
    CAUGHT,
    UNBIASED,
    generator_of,
    make,
    points,
    three,
    z_scores,
)
from tests.support.exact import enumerate_episodes, exact_gradient, flat_gradient

HELPED = ["learned_baseline", "per_look_gain"]


@pytest.fixture
def scenes() -> Scenes:
    return three()


def parts(agent: nn.Module, total: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of the policy's own weights, and of the answer's."""
    grads = torch.autograd.grad(total, [*agent.where.parameters(), *agent.answer.parameters()])
    return torch.cat([g.flatten() for g in grads[:2]]), torch.cat([g.flatten() for g in grads[2:]])


def test_a_share_of_greedy_episodes_is_a_mixture_of_both_gradients(scenes: Scenes) -> None:
    """(1 - g) of the exact gradient, and g of that of the loss where it is likeliest to look."""
    agent, world = points()
    share = 0.3
    path = rollout(agent, world, scenes, greedy)
    still = flat_gradient(agent, (path.loss + path.cost).sum(0).mean())
    exact = (1 - share) * exact_gradient(agent, world, scenes) + share * still
    estimator = make("learned_baseline", agent, world, greedy=share)
    assert z_scores(estimator, agent, world, scenes, exact).abs().max() < UNBIASED

    def teaching_the_policy(
        agent: nn.Module, world: World, scenes: Scenes, generator: torch.Generator
    ) -> Loss:
        """A planted bug: greedy looks count as if they had been drawn."""
        calm = torch.rand(len(scenes), generator=generator) < share

        def draw(
            places: LocationDistribution, noise: torch.Generator | None
        ) -> tuple[Tensor, Tensor]:
            value = torch.where(calm[:, None], places.mode_or_draw(), sample(places, noise)[0])
            return value, places.log_prob(value)

        path = rollout(agent, world, scenes, draw, generator)
        advantage = path.to_go().detach()
        total = (path.loss + path.cost + path.log_prob * advantage).sum(0).mean()
        return Loss(total, path, advantage)

    assert z_scores(teaching_the_policy, agent, world, scenes, exact).abs().max() > CAUGHT


def test_all_episodes_greedy_move_no_policy_and_none_moves_it_as_before(scenes: Scenes) -> None:
    agent, world = points()
    assert partly_greedy(0.0, scenes, None) is sample
    for name in HELPED:
        estimator = make(name, agent, world, greedy=1.0)
        loss = estimator(agent, world, scenes, generator_of(0))
        where, answer = parts(agent, loss.total)
        assert where.abs().max() == 0 and answer.abs().max() > 0
        likeliest = rollout(agent, world, scenes, greedy).location
        assert torch.equal(loss.path.location, likeliest)
        plain, twin = (
            make(name, agent, world, **given)(agent, world, scenes, generator_of(0)).total
            for given in ({}, {"greedy": 0.0, "distil": 0.0})
        )
        assert torch.equal(plain, twin)
    with pytest.raises(ValueError, match="share of episodes"):
        partly_greedy(1.5, scenes, None)


def test_greedy_episodes_may_stop(scenes: Scenes) -> None:
    agent, world = points(halts=True)
    loss = make("learned_baseline", agent, world, greedy=1.0)(agent, world, scenes, generator_of(0))
    assert torch.equal(loss.path.alive, rollout(agent, world, scenes, greedy).alive)
    assert loss.path.log_prob.abs().max() == 0


def test_distillation_in_closed_form(scenes: Scenes) -> None:
    """Cross-entropy of each earlier answer against the last of its episode, which has no grad."""
    agent, world = points(halts=True)
    path = rollout(agent, world, scenes.repeat(50), sample, generator_of(0))
    assert 1 < path.alive.sum(0).mean() < len(path.alive)
    wanted = torch.zeros(())
    for episode in range(path.alive.shape[1]):
        last = int(path.alive[:, episode].sum()) - 1
        taught = path.logits[last, episode].detach().softmax(-1)
        for look in range(last):
            told = F.cross_entropy(path.logits[look, episode], taught)
            wanted = wanted + told / len(path.logits) / path.alive.shape[1]
    found = distillation(path)
    assert torch.allclose(found, wanted, atol=1e-6)
    kept = flat_gradient(agent, found, retain=True)
    assert torch.allclose(kept, flat_gradient(agent, wanted), atol=1e-6)


@pytest.mark.parametrize("name", HELPED)
def test_distillation_is_added_and_pays_no_look(name: str, scenes: Scenes) -> None:
    agent, world = points()
    plain = make(name, agent, world)(agent, world, scenes, generator_of(0))
    helped = make(name, agent, world, distil=0.5)(agent, world, scenes, generator_of(0))
    assert torch.equal(plain.advantage, helped.advantage)
    wanted = flat_gradient(agent, plain.total + 0.5 * distillation(plain.path))
    assert torch.allclose(flat_gradient(agent, helped.total), wanted, atol=1e-6)


def test_late_answers_weigh_more_and_pay_looks_as_before(scenes: Scenes) -> None:
    agent, world = points()
    path, probability = enumerate_episodes(agent, world, scenes)
    many = scenes.repeat(len(probability) // len(scenes))
    belief = world.task.belief(path.logits[-1], many.target).detach()
    number = torch.arange(1.0, world.looks + 1)
    weight = number**2 / (number**2).mean()
    told = (weight[:, None] * path.loss + path.cost).sum(0) * probability.detach()
    exact = flat_gradient(agent, (told - belief * probability).sum() / len(scenes))
    late = make("per_look_gain", agent, world, discount=1.0, late=2.0)
    assert z_scores(late, agent, world, scenes, exact).abs().max() < UNBIASED
    alike = make("per_look_gain", agent, world, discount=1.0)
    assert z_scores(alike, agent, world, scenes, exact).abs().max() > CAUGHT
    # What is told of the training is the loss itself.
    losses = [each(agent, world, scenes, generator_of(0)).path.loss for each in (late, alike)]
    assert torch.equal(*losses)
    with pytest.raises(ValueError, match="power"):
        per_look_gain(agent, world, scenes, generator_of(0), late=-1.0)


def test_answers_to_other_questions_teach_nothing(scenes: Scenes) -> None:
    agent, world = points()
    image, target, *rest = scenes
    several = Scenes(image, torch.stack([target, target], 1), *rest)
    path = rollout(agent, world, scenes, sample, generator_of(0))
    assert distillation(path) > 0
    with pytest.raises(ValueError, match="same question"):
        helped(Loss(torch.zeros(()), path, path.loss), several, 0.5)


def test_an_entropy_price_widens_a_gain_that_can_be_wide(scenes: Scenes) -> None:
    """Its gradient is that of the entropy of the looks, for a spread that is learned."""
    agent, world = points()
    plain, priced = (
        per_look_gain(agent, world, scenes, generator_of(0), ent_coef=price) for price in (0.0, 0.3)
    )
    entropy = plain.path.entropy.sum(0).mean()
    wanted = flat_gradient(agent, plain.total - 0.3 * entropy)
    assert torch.allclose(flat_gradient(agent, priced.total), wanted, atol=1e-6)
    torch.manual_seed(0)
    fixed, still = RAM((1, 2, 2), 3, hidden=8), World(Retina(2), Classify(3, each=True), 2)
    one, two = (
        per_look_gain(fixed, still, scenes, generator_of(0), ent_coef=price).total
        for price in (0.0, 0.3)
    )
    assert torch.equal(flat_gradient(fixed, one), flat_gradient(fixed, two))
    assert isinstance(fixed.step(fixed.start(torch.zeros(3, 0)), _seen())[1].location, Gaussian)


def _seen() -> Observation:
    return Observation(torch.zeros(3, 1, 2, 2), torch.zeros(3, 2), torch.zeros(3))


def test_the_exact_gradient_is_still_that_of_the_learned_baseline(scenes: Scenes) -> None:
    agent, world = points()
    path, probability = enumerate_episodes(agent, world, scenes)
    total = (path.loss + path.cost - path.reward).sum(0)
    exact = flat_gradient(agent, (probability * total).sum() / len(scenes))
    assert z_scores(learned_baseline, agent, world, scenes, exact).abs().max() < UNBIASED


def test_a_weight_of_the_policy_is_that_of_its_gradient_alone(scenes: Scenes) -> None:
    agent, world = points()
    plain, half = (
        make("learned_baseline", agent, world, policy_coef=weight)(
            agent, world, scenes, generator_of(0)
        )
        for weight in (1.0, 0.5)
    )
    answers = flat_gradient(agent, (plain.path.loss + plain.path.cost).sum(0).mean(), retain=True)
    whole = flat_gradient(agent, plain.total) - answers
    assert torch.allclose(flat_gradient(agent, half.total), answers + whole / 2, atol=1e-6)
    critics = [
        torch.autograd.grad(
            make("learned_baseline", agent, world, policy_coef=weight)(
                agent, world, scenes, generator_of(0)
            ).total,
            agent.critic.weight,
        )[0]
        for weight in (1.0, 0.5)
    ]
    assert torch.equal(*critics) and torch.equal(plain.advantage, half.advantage)
