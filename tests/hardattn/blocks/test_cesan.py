"""Class activation in the logits (CESAN): its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from tests.support.blocks import maps_of
from tests.support.pooling_blocks import CLASSES, build, features, linear

# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    "cesan": lambda c, k: 2 * linear(c, k),
}


def test_cesan_is_its_equations() -> None:
    x, head = features(), build("cesan")
    (one,) = maps_of(head, x)
    for i in range(2):
        score = head.maps(x)[i]
        share = score.mean((1, 2)).softmax(0)
        for r in range(3):
            for c in range(4):
                mixed = sum(share[k] * score[k, r, c] for k in range(CLASSES))
                gate = 1 / (1 + torch.exp(-mixed))
                torch.testing.assert_close(one.tensor[i, 0, r, c], gate)
        seen = (x[i] * one.tensor[i]).mean((1, 2))
        wanted = head.classifier(seen) + score.mean((1, 2))
        torch.testing.assert_close(head(x)[i], wanted)
