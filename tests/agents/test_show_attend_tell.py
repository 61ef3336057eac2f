"""Show, attend and tell: its equations and its penalty."""

import pytest
import torch

from hardattn.agents import TellingInWords
from hardattn.rollout import rollout, soft
from hardattn.scenes import Scenes
from hardattn.sensors import Cells
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.feature_attention import small, some


def test_tells_by_the_papers_equations() -> None:
    agent, world = small("show_attend_tell")
    scenes = some()
    state = agent.start(world.context(scenes))
    a = agent.encoder(world.context(scenes))
    h, c = torch.tanh(agent.initial(a.mean(1))).chunk(2, 1)
    location = torch.softmax(torch.randn(6, 9), 1)
    state, decision = agent.step(state, world.observe(world.open(scenes), location, 1))

    beta = torch.sigmoid(agent.gate(h))
    z = beta * sum(location[:, n, None] * a[:, n] for n in range(9))
    h, c = agent.core.cell(z, (h, c))
    assert torch.allclose(state.core, torch.cat([h, c], 1), atol=1e-6)
    assert torch.allclose(decision.logits, agent.from_hidden(h) + agent.from_feature(z), atol=1e-5)
    keys, query = agent.scores.keys, agent.scores.query
    e = [agent.scores.score(torch.tanh(keys(a[:, n]) + query(h))) for n in range(9)]
    assert torch.allclose(decision.location.mean, torch.cat(e, 1).softmax(1), atol=1e-6)


@pytest.mark.parametrize("looks", [1, 2, 5])
def test_the_doubly_stochastic_penalty_is_that_of_all_looks(looks: int) -> None:
    agent, world = small("show_attend_tell", looks=looks, doubly=0.3)
    path = rollout(agent, world, some(), soft)
    attended = path.location[1:].sum(0)  # of a soft look, the place is alpha
    assert not path.cost[:-1].any()
    wanted = 0.3 * ((1 - attended) ** 2).sum(1) if looks > 1 else torch.full((6,), 0.3 * 9)
    assert torch.allclose(path.cost[-1], wanted, atol=1e-5)
    plain, _ = small("show_attend_tell", looks=looks)
    assert not rollout(plain, world, some(), soft).cost.any()


def test_the_penalty_spreads_soft_attention() -> None:
    agent, world = small("show_attend_tell", looks=5, doubly=1.0)
    descent = torch.optim.Adam(agent.parameters(), 0.03)
    before = rollout(agent, world, some(), soft).cost[-1].mean()
    for _ in range(30):
        cost = rollout(agent, world, some(), soft).cost[-1].mean()
        descent.zero_grad()
        cost.backward()
        descent.step()
    # Four looks at nine cells at best give each 4/9.
    assert 9 * (1 - 4 / 9) ** 2 - 1e-4 <= cost < before


def test_tells_in_words_by_the_papers_equations() -> None:
    torch.manual_seed(0)
    world = World(Cells(2, 2), Classify(5), 4, context="whole")
    agent = TellingInWords((1, 4, 4), 5, context=(1, 8, 8), looks=4, features=8, hidden=7).eval()
    scenes = Scenes(some().image[:, :, :8, :8], *some()[1:]).slice(0, 3)
    state = agent.start(world.context(scenes))
    a, (h, c) = state.telling.features, state.telling.core.chunk(2, 1)
    location = torch.softmax(torch.randn(3, 4), 1)
    before = agent.words.embed.weight[[5, 5, 5]]
    told, decision = agent.step(state, world.observe(world.open(scenes), location, 1))
    z = torch.sigmoid(agent.gate(h)) * torch.einsum("bn,bnd->bd", location, a)
    h, c = agent.core.cell(torch.cat([before, z], 1), (h, c))
    deep = before + agent.from_hidden(h) + agent.from_feature(z)
    assert torch.allclose(decision.logits, agent.output(deep), atol=1e-5)
    assert torch.equal(told.said.word, decision.logits.argmax(-1))
    alike = TellingInWords((1, 4, 4), 5, context=(1, 8, 8), looks=4, attention=False)
    _, decision = alike.step(
        alike.start(world.context(scenes)), world.observe(world.open(scenes), location, 1)
    )
    assert torch.allclose(decision.location.mean, torch.full((3, 4), 0.25))
