"""Gated attention pooling: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from tests.support.blocks import maps_of
from tests.support.pooling_blocks import build, features, linear

# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    "gated_pooling": lambda c, k: 2 * 128 * c + 128 + linear(c, k),
}


def test_gated_pooling_is_its_equation() -> None:
    x, head = features(), build("gated_pooling", hidden=6)
    y, (one,) = head(x), maps_of(head, x)
    for i in range(2):
        places = [x[i, :, r, c] for r in range(3) for c in range(4)]
        score = []
        for place in places:
            lifted = torch.tanh(head.tanh.weight @ place)
            gate = 1 / (1 + torch.exp(-(head.gate.weight @ place)))
            score.append((head.score.weight[0] * lifted * gate).sum().exp())
        share = [each / sum(score) for each in score]
        torch.testing.assert_close(one.tensor[i, 0], torch.stack(share))
        mean = sum(a * place for a, place in zip(share, places, strict=True))
        torch.testing.assert_close(y[i], head.classifier.weight @ mean + head.classifier.bias)
