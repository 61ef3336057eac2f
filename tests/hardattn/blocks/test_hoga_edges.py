"""Edges that are made at once are what each is alone: its operations, weighed and added."""

import copy

import pytest
import torch
from torch import Tensor

from hardattn.blocks.hoga import HOGASearch, Mixture, mixed
from hardattn.maps import recorded, replaced


def alone(mixture: Mixture, x: Tensor) -> Tensor:
    """sum_o softmax(a)_o o(x), by the operations' own forward passes."""
    weights = mixture.architecture.softmax(0)
    return sum(
        (share * op(x) for share, op in zip(weights, mixture.ops.values(), strict=False)),
        torch.zeros_like(x),
    )


def several(count: int) -> tuple[list[Mixture], list[Mixture], Tensor]:
    torch.manual_seed(0)
    mixtures = [Mixture(8).double() for _ in range(count)]
    for each in mixtures:
        torch.nn.init.normal_(each.architecture)
    x = torch.randn(3, count, 8, 6, 5, dtype=torch.float64, requires_grad=True)
    return mixtures, copy.deepcopy(mixtures), x


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_several_at_once_are_each_alone(count: int, training: bool) -> None:
    """Outputs, gradients, and what norms keep of a batch."""
    mixtures, others, x = several(count)
    for each in (*mixtures, *others):
        each.train(training)
    found = mixed(mixtures, x)
    wanted = torch.stack([alone(one, x[:, i]) for i, one in enumerate(others)], 1)
    torch.testing.assert_close(found, wanted)
    gradients = []
    for made, modules in ((found, mixtures), (wanted, others)):
        weights = [weight for each in modules for weight in each.parameters()]
        gradients.append(torch.autograd.grad(made.square().sum(), [x, *weights]))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-7)
    for mine, theirs in zip(mixtures, others, strict=True):
        assert mine.state_dict().keys() == theirs.state_dict().keys()
        for name, value in mine.state_dict().items():
            torch.testing.assert_close(value, theirs.state_dict()[name], msg=name)


def test_their_maps_are_heard_and_used() -> None:
    mixtures, others, x = several(3)
    modules, apart = torch.nn.ModuleList(mixtures).eval(), torch.nn.ModuleList(others).eval()
    before = mixed(mixtures, x)
    with recorded(modules) as maps:
        assert torch.equal(mixed(mixtures, x), before)
    with recorded(apart) as wanted:
        for i, one in enumerate(others):
            alone(one, x[:, i])
    theirs = {one.name: one for one in wanted}
    assert len(maps) == len(theirs) and {one.name for one in maps} == set(theirs)
    for one in maps:
        assert one.kind == theirs[one.name].kind
        torch.testing.assert_close(one.tensor, theirs[one.name].tensor)
    # Of the second edge alone: no gate lets anything through.
    with replaced(mixtures[1], lambda one: torch.zeros_like(one.tensor)):
        shut = mixed(mixtures, x)
    skip = mixtures[1].architecture.softmax(0)[0]
    torch.testing.assert_close(shut[:, 1], skip * x[:, 1])
    assert torch.equal(shut[:, ::2], before[:, ::2])


def test_a_cell_that_is_searched_is_its_equation() -> None:
    torch.manual_seed(0)
    cell = HOGASearch(16).double().eval()
    x = torch.randn(2, 16, 6, 5, dtype=torch.float64)
    nodes: list[Tensor] = []
    for group, node in zip(x.chunk(4, 1), cell.nodes, strict=True):
        nodes.append(sum(alone(e, s) for e, s in zip(node.edges, [group, *nodes], strict=True)))
    for one, other in zip(cell.brought(x), nodes, strict=True):
        torch.testing.assert_close(one, other)
