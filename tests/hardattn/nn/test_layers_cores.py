"""Recurrent cells, and what the plain one remembers by its first weights."""

import pytest
import torch

from hardattn.nn.layers import CORES, Core

WEIGHTS = {"rnn": "cell.recurrent.weight"}  # by which a cell reads its state, where not weight_hh


@pytest.mark.parametrize("kind", CORES)
def test_the_recurrence_of_every_gate_can_begin_orthogonal(kind: str) -> None:
    torch.manual_seed(0)
    core = Core(kind, 5, 16, orthogonal=True)
    gates = core.state_dict()[WEIGHTS.get(kind, "cell.weight_hh")].split(16)
    assert len(gates) == {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    for gate in gates:
        assert torch.allclose(gate @ gate.mT, torch.eye(16), atol=1e-5)


def test_a_plain_core_forgets_its_first_input_less_if_it_begins_orthogonal() -> None:
    """By how much the first of eight inputs changes the last state."""

    def kept(orthogonal: bool) -> float:
        torch.manual_seed(0)
        core = Core("rnn", 64, 64, orthogonal)
        first, *others = (torch.rand(32, 64, requires_grad=look == 0) for look in range(8))
        state = core(first, core.start(first))
        for look in others:
            state = core(look, state)
        (grad,) = torch.autograd.grad(state.sum(), first)
        return float(grad.norm())

    assert kept(orthogonal=True) > 10 * kept(orthogonal=False)
