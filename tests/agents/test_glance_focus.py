"""Glance and focus: what is trained apart, and when it stops."""

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents.glance_focus import GlanceFocus
from hardattn.distributions import Stop
from hardattn.evaluation.evaluate import evaluate
from hardattn.rollout import greedy, rollout, sample
from tests.support.more_agents import LOOKS, build, generator, scenes


def grads(output: Tensor, agent: nn.Module) -> set[str]:
    names, weights = zip(*agent.named_parameters(), strict=True)
    found = torch.autograd.grad(output, weights, allow_unused=True, retain_graph=True)
    return {name.split(".")[0] for name, g in zip(names, found, strict=True) if g is not None}


def test_glance_and_looking_are_trained_apart() -> None:
    agent, world = build(GlanceFocus)
    path = rollout(agent, world, scenes(), sample, generator())
    assert grads(path.loss.sum(), agent) == {"glance", "focus", "answering", "classifier"}
    assert grads(path.log_prob.sum(), agent) == {"looking", "locator"}
    assert grads(path.value.sum(), agent) == {"critic"}


def test_the_glance_is_seen_from_the_start() -> None:
    """Both the answer and the place of the first decision depend on the context."""
    agent, world = build(GlanceFocus)
    context = world.context(scenes())
    other = context.flip(-1)
    seen = world.observe(world.open(scenes()), world.first(scenes(), generator()), 0)
    one, two = (agent.step(agent.start(each), seen)[1] for each in (context, other))
    assert (one.logits != two.logits).any(1).all()
    assert (one.location.mean != two.location.mean).any(1).all()


def test_it_stops_at_the_first_confident_answer_in_evaluation_only() -> None:
    agent, world = build(GlanceFocus)
    nn.init.normal_(agent.classifier.weight, std=2.0)
    columns = evaluate(agent, world, scenes())
    assert columns.looks.tolist() == [LOOKS] * 12
    middle = columns.confidence.flatten().sort().values[23:25]
    threshold = middle.mean().item()
    agent.threshold = threshold
    early = evaluate(agent, world, scenes())
    for draw in (greedy, sample):
        found = evaluate(agent, world, scenes(), draw)
        for row in range(12):
            sure = (found.confidence[row] > threshold).tolist()
            assert found.looks[row] == (sure.index(True) + 1 if True in sure[:-1] else LOOKS)
    assert 1 < early.looks.double().mean() < LOOKS
    for row, looks in enumerate(early.looks.tolist()):
        assert torch.allclose(
            early.log_probability[row, :looks], columns.log_probability[row, :looks], atol=1e-5
        )
        assert (early.prediction[row, looks - 1 :] == early.prediction[row, looks - 1]).all()
    agent.train()
    assert (rollout(agent, world, scenes()).alive == 1).all()
    for threshold, looks in ((0.0, 1), (1.0, LOOKS)):
        agent.threshold = threshold
        assert set(evaluate(agent, world, scenes()).looks.tolist()) == {looks}
    with pytest.raises(ValueError, match="probability"):
        build(GlanceFocus, threshold=1.5)


def test_a_stop_by_confidence_is_certain() -> None:
    agent, world = build(GlanceFocus, threshold=0.5)
    path = rollout(agent.eval(), world, scenes(), sample, generator())
    places = rollout(build(GlanceFocus)[0], world, scenes(), sample, generator())
    assert path.log_prob[0].abs().max() < 1e-6
    assert isinstance(agent._enough(torch.zeros(2, 10)), Stop)
    assert places.alive.all()
