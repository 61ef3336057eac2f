"""RAM that writes: it is RAM, with the word before added to what it sees."""

import torch

from hardattn.agents import CaptionRAM
from hardattn.world import Observation


def test_the_word_before_is_added_to_the_glimpse() -> None:
    torch.manual_seed(0)
    agent = CaptionRAM((1, 4, 4), 6, looks=4, hidden=9, core="gru")
    seen = Observation(torch.rand(3, 1, 4, 4), torch.rand(3, 2), torch.zeros(3))
    state = agent.start(torch.zeros(3, 0))
    assert state.said.word.tolist() == [6] * 3
    for look in range(2):
        seen = seen._replace(step=torch.full((3,), look / 4))
        shown = agent.glimpse(seen.glimpse, seen.location) + agent.words(state.said)
        core = agent.core(shown, state.core)
        state, decision = agent.step(state, seen)
        assert torch.allclose(state.core, core, atol=1e-6)
        assert torch.allclose(decision.logits, agent.classifier(core), atol=1e-6)
        assert torch.equal(state.said.word, decision.logits.argmax(-1))
