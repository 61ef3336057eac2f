"""The losses of those who compare equal slow ones."""

import pytest
import torch
from torch import Tensor

from hardattn.agents import CrossAttention
from hardattn.estimators.comparison import _ranking, cross_attention, margin_ranking
from hardattn.estimators.score_function import reinforce
from hardattn.scenes import Scenes
from hardattn.sensors import Whole
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.estimators import points, three


def slow_ranking(logits: Tensor, target: int, upper: float, lower: float) -> float:
    """Number by number, of one scene."""
    score = [float(torch.sigmoid(one - logits[-1])) for one in logits[:-1]]
    true = [float(i == target) for i in range(len(score))]
    alone = [
        max(upper - one, 0) if i == target else max(one - lower, 0) for i, one in enumerate(score)
    ]
    pairs = []
    for i in range(len(score)):
        for j in range(i + 1, len(score)):
            far = abs(score[i] - score[j])
            pairs.append(max(far - lower, 0) if true[i] == true[j] else max(upper - far, 0))
    return sum(alone) / len(alone) + sum(pairs) / len(pairs)


@pytest.mark.parametrize("upper, lower", [(0.7, 0.3), (0.9, 0.05)])
def test_places_are_ranked_by_margins(upper: float, lower: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(17, 17, generator=generator)
    target = torch.arange(17)
    found = _ranking(logits, target, upper, lower)
    for b in range(17):
        assert float(found[b]) == pytest.approx(slow_ranking(logits[b], b, upper, lower), abs=1e-5)
    sure = torch.full((2, 17), -9.0)
    sure[:, -1] = 0
    sure[0, 3] = 9.0
    assert _ranking(sure, torch.tensor([3, 16]), 0.7, 0.3).max() < 1e-3
    assert _ranking(torch.randn(4, 2), torch.tensor([0, 1, 1, 0]), 0.7, 0.3).shape == (4,)


def test_the_ranking_is_charged_beside_the_loss() -> None:
    agent, world = points(each=False)
    one, other = (
        estimator(agent, world, three(), torch.Generator().manual_seed(1))
        for estimator in (margin_ranking, reinforce)
    )
    assert torch.equal(one.path.loss, other.path.loss)
    more = _ranking(one.path.logits[-1], three().target, 0.7, 0.3)
    assert torch.allclose(
        one.path.cost - other.path.cost, torch.stack([0 * more, 0 * more, 3 * more])
    )
    with pytest.raises(ValueError, match="one answer"):
        given = three()
        sequence = Scenes(given.picture, torch.zeros(3, 3, dtype=torch.int64), *given[2:])
        margin_ranking(agent, World(world.sensor, world.task, 3), sequence)


def test_two_losses_place_by_place() -> None:
    torch.manual_seed(0)
    agent = CrossAttention((1, 16, 24), 3, named=7, width=8)
    image = torch.randint(256, (5, 1, 16, 24)).byte()
    target, label = torch.tensor([0, 2, 1, 1, 2]), torch.tensor([6, 0, 3, 3, 5])
    number = torch.arange(5)
    scenes = Scenes(image, target, torch.zeros(5, 1, 4), number, label=label)
    world = World(Whole(), Classify(3), 1, first="centre")
    loss = cross_attention(agent, world, scenes, local=0.25)
    with torch.no_grad():
        view = world.open(scenes)
        seen = world.observe(view, world.place(world.first(scenes)), 0)
        state, _ = agent.step(agent.start(world.context(scenes)), seen)
    total = 0.0
    for b in range(5):
        near = state.by_place[b].log_softmax(0)[target[b]]
        told = agent.named(state.attended[b, target[b]]).log_softmax(-1)[:, label[b]]
        each = -0.25 * float(near.mean()) - float(told.detach().mean())
        assert float(loss.path.loss[0, b].detach()) == pytest.approx(each, abs=1e-5)
        total += each / 5
    assert float(loss.total.detach()) == pytest.approx(total, abs=1e-5)
