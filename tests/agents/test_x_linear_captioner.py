"""The X-linear captioner: an LSTM that asks, and the pooling that answers."""

import torch
from torch.nn import functional as F

from hardattn.agents import XLinearCaptioner
from hardattn.maps import recorded
from hardattn.world import Observation


def test_says_by_the_papers_equations() -> None:
    torch.manual_seed(0)
    agent = XLinearCaptioner((1, 16, 16), 6, context=(1, 16, 16), looks=3, width=8, heads=2).eval()
    state = agent.start(torch.rand(2, 1, 16, 16))
    seen = Observation(torch.zeros(2, 1, 16, 16), torch.zeros(2, 2), torch.zeros(2))
    for look in range(2):
        seen = seen._replace(step=torch.full((2,), look / 3))
        with recorded(agent) as maps:
            after, decision = agent.step(state, seen)
        mean = state.cells.mean((2, 3))
        x = torch.cat([agent.words(state.said), mean + state.told], 1)
        h, _ = agent.core.cell(x, state.core.chunk(2, 1))
        told = F.glu(agent.join(torch.cat([agent.pool(state.cells, agent.query(h)), h], 1)))
        assert torch.allclose(after.told, told, atol=1e-6)
        assert torch.allclose(decision.logits, agent.output(told), atol=1e-6)
        assert torch.equal(after.said.word, decision.logits.argmax(-1))
        spatial, channel = maps
        assert spatial.tensor.shape == (2, 2, 4) and channel.tensor.shape == (2, 8)
        assert torch.allclose(spatial.tensor.sum(-1), torch.ones(2, 2))
        state = after
