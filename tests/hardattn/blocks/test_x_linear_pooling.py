"""X-linear pooling: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.support.blocks import maps_of
from tests.support.pooling_blocks import build, features, linear

# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    "x_linear_pooling": lambda c, k: (
        4 * linear(c, c) + linear(c, c // 2) + c // 2 + linear(c // 2, c) + linear(c, k)
    ),
}


def test_x_linear_pooling_is_its_equations() -> None:
    x, head = features(), build("x_linear_pooling")

    def celu(v: Tensor) -> Tensor:
        return torch.where(v > 0, v, 1.3 * (torch.exp(v / 1.3) - 1))

    y, (where, which) = head(x), maps_of(head, x)
    for i in range(2):
        places = list(x[i].flatten(1).T)
        query = sum(places) / 12
        joint = [F.relu(head.joint(celu(head.key(p)) * celu(head.query(query)))) for p in places]
        share = torch.stack([head.where.weight[0] @ each for each in joint]).softmax(0)
        gate = torch.sigmoid(head.which(sum(joint) / 12))
        values = [celu(head.value(p)) * celu(head.asked(query)) for p in places]
        z = gate * sum(a * v for a, v in zip(share, values, strict=True))
        torch.testing.assert_close(where.tensor[i, 0], share)
        torch.testing.assert_close(which.tensor[i], gate)
        torch.testing.assert_close(y[i], head.classifier(z))
