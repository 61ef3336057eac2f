"""Steps that are torch's own within float noise, and ask for no compiler."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from hardattn.training import fused

SOUND, BROKEN = torch.zeros(()), torch.ones(())
BETAS: dict[str, Any] = {"betas": (0.8, 0.999)}
PAIRS: dict[str, tuple[Callable[..., Any], Callable[..., Any], dict[str, Any]]] = {
    "adam": (fused.Adam, torch.optim.Adam, BETAS),
    "adamw": (fused.AdamW, torch.optim.AdamW, BETAS),
    "sgd": (fused.SGD, torch.optim.SGD, {"momentum": 0.8}),
}


def weights() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(5))]


@pytest.mark.parametrize("name", PAIRS)
def test_steps_are_those_of_torch(name: str) -> None:
    """Also of a weight that has its first gradient later, and after a state was taken over."""
    ours, theirs, options = PAIRS[name]
    mine, other = weights(), weights()
    one = ours(mine, 0.1, weight_decay=0.01, fused=True, **options)
    two = theirs(other, 0.1, weight_decay=0.01, **options)
    for number in range(5):
        for pair in zip(mine, other, strict=True):
            gradient = torch.randn_like(pair[0])
            for weight in pair:
                late = number < 2 and weight.dim() == 1 and name != "sgd"
                weight.grad = None if late else gradient.clone()
        for each in (one, two):
            each.param_groups[0]["lr"] = 0.1 / (number + 1)
        one.descend(SOUND)
        two.step()
        for left, right in zip(mine, other, strict=True):
            assert torch.allclose(left, right, atol=1e-6)
        if number == 3:
            fresh = ours(mine, 0.1, fused=True, **options)
            fresh.load_state_dict(one.state_dict())
            one = fresh
    assert one.state_dict()["state"].keys() == two.state_dict()["state"].keys()
    assert one.state_dict()["state"][0].keys() == two.state_dict()["state"][0].keys()


@pytest.mark.parametrize("name", PAIRS)
def test_a_void_step_moves_nothing(name: str) -> None:
    mine = weights()
    descent = PAIRS[name][0](mine, 0.1, fused=True, **PAIRS[name][2])
    for weight in mine:
        weight.grad = torch.ones_like(weight)
    descent.descend(SOUND)
    before = [weight.detach().clone() for weight in mine]
    counted = [float(state["step"]) for state in descent.state.values() if "step" in state]
    for weight in mine:
        weight.grad = torch.full_like(weight, torch.nan)
    descent.descend(BROKEN)
    assert all(torch.equal(*pair) for pair in zip(before, mine, strict=True))
    after = [float(state["step"]) for state in descent.state.values() if "step" in state]
    assert after == counted
    descent.zero_grad()
    assert all(weight.grad is None for weight in mine)
    descent.descend(SOUND)
    assert all(torch.equal(*pair) for pair in zip(before, mine, strict=True))


def test_no_step_imports_the_compiler() -> None:
    program = (
        "import sys, torch\n"
        "from hardattn.training.optimizers import OPTIMIZERS\n"
        "for kind in OPTIMIZERS.values():\n"
        "    weight = torch.nn.Parameter(torch.ones(3))\n"
        "    descent = kind.make([weight], 0.1, 0.9, 0.0)\n"
        "    weight.grad = torch.ones(3)\n"
        "    descent.descend(torch.zeros(()))\n"
        "    descent.load_state_dict(descent.state_dict())\n"
        "    descent.zero_grad()\n"
        "assert not {'torch._dynamo', 'torch._inductor'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
