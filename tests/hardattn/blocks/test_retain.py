"""Reverse-time attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from tests.support.blocks import maps_of
from tests.support.pooling_blocks import build, features, linear

# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    "retain": lambda c, k: c + linear(c, c) + linear(c, k),
}


def test_retain_is_its_equations() -> None:
    x, head = features(), build("retain")
    y, (which, where) = head(x), maps_of(head, x)
    score, gate, bias = head.score.weight[0, :, 0, 0], head.gate.weight[..., 0, 0], head.gate.bias
    for i in range(2):
        places = list(x[i].flatten(1).T)
        share = torch.stack([score @ place for place in places]).softmax(0)
        gates = [torch.tanh(gate @ place + bias) for place in places]
        torch.testing.assert_close(where.tensor[i, 0], share)
        torch.testing.assert_close(which.tensor[i].flatten(1).T, torch.stack(gates))
        seen = sum(a * b * place for a, b, place in zip(share, gates, places, strict=True))
        torch.testing.assert_close(y[i], head.classifier(seen))


def test_the_density_of_retain_is_where_it_looks_and_not_which_channels() -> None:
    x, head = features(), build("retain")
    which, where = maps_of(head, x)
    assert (which.tensor < 0).any() and which.density is not None and where.density is not None
    torch.testing.assert_close(where.density.sum((1, 2)), torch.ones(2).double())
    last = [one for one in maps_of(head, x) if one.at is not None][-1]
    assert last.kind == "pooled query", "evaluation takes the last density for the attention"


def test_retain_with_open_gates_is_the_mean_that_its_weights_say() -> None:
    x, head = features(), build("retain")
    with torch.no_grad():
        head.gate.bias.fill_(1e3)
        weights = (x * head.score.weight).sum(1).flatten(1).softmax(1)
        wanted = head.classifier((x.flatten(2) * weights[:, None]).sum(2))
        torch.testing.assert_close(head(x), wanted)
