"""Temporal attention over looks."""

import torch

from tests.support.agents import build, looked


def test_temporal_attention_begins_as_ram_and_weighs_the_looks_taken() -> None:
    agent, world = build("agent temporal", looks=4)
    agent.double()
    ram_states, answers, _ = looked(agent.ram, world, 4)
    states, decisions, maps = looked(agent, world, 4)
    assert torch.allclose(decisions[0].logits, answers[0].logits)
    assert not torch.allclose(decisions[1].logits, answers[1].logits)
    for look, one in enumerate(maps):
        assert torch.equal(decisions[look].location.mode, answers[look].location.mode)
        assert one.tensor.shape == (12, 1, 4)
        assert (one.tensor[..., : 3 - look] == 0).all() and (one.tensor[..., 3 - look :] > 0).all()
        assert torch.allclose(one.tensor.sum(2), torch.ones(12, 1).double())
        assert states[look].taken.sum(1).tolist() == [look + 1] * 12
        memory = torch.stack(ram_states[: look + 1], 1)
        assert torch.equal(states[look].seen[:, 3 - look :], memory)
        weight, out = agent.score[0], agent.score[2].weight[0]
        score = torch.stack([torch.tanh(weight(each)) @ out for each in memory.unbind(1)], 1)
        mean = (score.softmax(1)[..., None] * memory).sum(1)
        assert torch.allclose(decisions[look].logits, agent.ram.classifier(mean))


def test_temporal_attention_forgets_what_it_has_no_row_for() -> None:
    agent, world = build("agent temporal", looks=2)
    states, _, maps = looked(agent.double(), world, 3)
    assert torch.equal(states[2].seen[:, 0], states[1].seen[:, 1])
    assert states[2].taken.all() and (maps[2].tensor > 0).all()
