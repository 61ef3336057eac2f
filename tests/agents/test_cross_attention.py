"""The cross attention network against slow formulas, and what it must not depend on."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn.agents import CrossAttention
from hardattn.agents.cross_attention import CrossAttentionMaps
from hardattn.data import load
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.evaluate import evaluate
from hardattn.experiments import build
from hardattn.experiments.recipe import Spec
from hardattn.maps import foreign_map, mean_map, recorded, replaced
from hardattn.problem import Problem, problem
from hardattn.rollout import Decision
from hardattn.scenes import Scenes
from hardattn.sensors import Whole
from hardattn.world import Observation


def slow_maps(of: CrossAttentionMaps, p: Tensor, q: Tensor) -> Tensor:
    """(P, D) features of one class and of one query -> (P,), where to look at the class."""
    places = len(p)
    alike = [[float(one @ other / (one.norm() * other.norm())) for other in q] for one in p]
    mean = [sum(alike[i][j] for i in range(places)) / places for j in range(places)]
    middle = of.norm(of.first(torch.tensor([mean]))).relu()
    weight = of.second(middle)[0].detach()
    score = [sum(float(w) * a for w, a in zip(weight, row, strict=True)) / places for row in alike]
    powers = [math.exp((one - max(score)) / of.temperature) for one in score]
    return torch.tensor(powers) / sum(powers)


def test_maps_equal_the_slow_ones() -> None:
    torch.manual_seed(0)
    of = CrossAttentionMaps(36, 6, 0.025).eval()
    assert of.first.weight.shape == (6, 36) and of.second.weight.shape == (36, 6)
    of.norm.running_mean.uniform_(-0.1, 0.1)
    support, query = torch.randn(2, 3, 36, 5), torch.randn(2, 3, 36, 5)
    on_support, on_query = of(support, query)
    for b in range(2):
        for n in range(3):
            one, other = support[b, n], query[b, n]
            assert torch.allclose(on_support[b, n], slow_maps(of, one, other), atol=1e-4)
            assert torch.allclose(on_query[b, n], slow_maps(of, other, one), atol=1e-4)


def episodes(count: int = 40, shots: int = 1, part: str = "test") -> tuple[Problem, Scenes]:
    digits = load("digits")
    settings = {"zoom": 2, "margin": 8, "shots": shots, "looks": 1, "first": "centre"}
    one = problem("few_shot", Whole(), digits.classes, (1, 8, 8), **settings)
    split = getattr(digits, part)
    return one, one.make(split, torch.arange(count), torch.Generator().manual_seed(0))


def made(shots: int = 1, attend: bool = True) -> CrossAttention:
    torch.manual_seed(0)
    return CrossAttention((1, 24 * (1 + shots), 72), 3, shots=shots, attend=attend).eval()


def said(agent: CrossAttention, image: Tensor) -> Tensor:
    nought = torch.zeros(len(image))
    seen = Observation(image.float() / 255, torch.zeros(len(image), 2), nought)
    decision: Decision = agent.step(agent.start(nought[:, None][:, :0]), seen)[1]
    return decision.logits


@pytest.mark.parametrize("attend", [True, False])
def test_columns_that_change_places_change_their_answers(attend: bool) -> None:
    agent, (_, scenes) = made(2, attend), episodes(shots=2)
    image = scenes.image
    assert image.shape[1:] == (1, 72, 72)
    cells = image[:, :, 24:].unflatten(3, (3, 24))
    moved = torch.cat([image[:, :, :24], cells[:, :, :, [2, 0, 1]].flatten(3)], 2)
    with torch.no_grad():
        assert torch.allclose(said(agent, moved), said(agent, image)[:, [2, 0, 1]], atol=1e-5)
    # Nor does it matter which of a class's images comes first; and the query does matter.
    turned = torch.cat([image[:, :, :24], image[:, :, 48:], image[:, :, 24:48]], 2)
    other = torch.cat([image.roll(1, 0)[:, :, :24], image[:, :, 24:]], 2)
    with torch.no_grad():
        assert torch.allclose(said(agent, turned), said(agent, image), atol=1e-5)
        assert not torch.allclose(said(agent, other), said(agent, image), atol=1e-3)


def test_an_image_is_nearest_to_itself() -> None:
    """Without attention the cosine of a query that is the support itself is 1, times the scale."""
    agent, (_, scenes) = made(attend=False), episodes()
    copied = scenes.image.clone()
    copied[:, :, 24:, 48:] = copied[:, :, :24, 24:48]
    with torch.no_grad():
        assert torch.allclose(said(agent, copied)[:, 2], torch.full((40,), 7.0), atol=1e-4)
        assert (said(agent, copied) <= 7 + 1e-4).all()


def test_maps_lie_where_the_images_lie_and_matter() -> None:
    agent, (one, scenes) = made(), episodes()
    with torch.no_grad(), recorded(agent) as maps:
        logits = said(agent, scenes.image)
    (found,) = maps
    assert found.tensor.shape == (40, 6, 36)
    assert torch.allclose(found.tensor.sum(-1), torch.ones(40, 6), atol=1e-5)
    density = found.density
    assert density is not None and density.shape == (40, 12, 36)
    assert not density[:, :6, :12].any() and not density[:, :6, 24:].any()
    top = found.tensor[:, 3:].mean(1).view(40, 6, 6).repeat_interleave(2, 2)
    assert torch.allclose(density[:, :6, 12:24], top)
    third = found.tensor[:, 2].view(40, 6, 6).repeat_interleave(2, 2)
    assert torch.allclose(density[:, 6:, 24:], third)
    for control in (mean_map, foreign_map):
        with torch.no_grad(), replaced(agent, control):
            assert not torch.allclose(said(agent, scenes.image), logits, atol=1e-5)
    assert evaluate(agent, one.world, scenes).density.shape == (40, 12, 36)


def test_it_learns_to_tell_what_it_was_shown() -> None:
    """A few updates by the losses of the paper, over which these fall."""
    one, _ = episodes()
    digits, generator = load("digits"), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    agent = CrossAttention((1, 48, 72), 3, width=8)
    estimator = ESTIMATORS["cross_attention"].build(agent, one.world)
    descent, losses = torch.optim.Adam(agent.parameters(), 1e-2), []
    for _ in range(12):
        index = torch.randint(len(digits.train), (24,), generator=generator)
        descent.zero_grad()
        loss = estimator(agent, one.world, one.make(digits.train, index, generator))
        loss.total.backward()
        descent.step()
        losses.append(float(loss.total.detach()))
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


def test_what_is_no_table_is_refused_in_a_line() -> None:
    for glimpse in ((1, 8, 8), (64,), (1, 1, 20)):
        with pytest.raises(ValueError, match="take scene few_shot of as many shots"):
            CrossAttention(glimpse, 10)


@pytest.mark.parametrize(("turns", "named"), [(False, 23), (True, 46)])
def test_every_class_of_a_dataset_can_be_named(turns: bool, named: int) -> None:
    """Also those that it makes by turning: a label that nobody can name has no loss."""
    classes = [str(number) for number in range(23)]
    world = problem("few_shot", Whole(), classes, (1, 4, 4), turns=turns, looks=1).world
    agent: Any = build.agent(Spec("cross_attention", width=8), (1, 16, 24), world, (1, 16, 24))
    assert world.named == agent.classifier.out_features == named
