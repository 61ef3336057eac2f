"""Class feature attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.maps import Map, replaced
from tests.support.blocks import maps_of
from tests.support.pooling_blocks import CLASSES, build, features, linear

# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    "class_feature": lambda c, k: 2 * linear(c, k) + 2 * c * c + 2 * c,
}


def test_class_centres_are_weighted_means() -> None:
    x, head = features(), build("class_feature")
    belongs, weights = maps_of(head, x)
    assert (belongs.over, weights.over) == ((-3,), (-1,))
    torch.testing.assert_close(weights.tensor.sum(2), torch.ones(2, CLASSES).double())
    given = []
    head.fuse.register_forward_hook(lambda module, seen, out: given.append(seen[0][:, 16:]))
    head(x)
    for i in range(2):
        share = head.coarse(x)[i].softmax(0).flatten(1)
        torch.testing.assert_close(share, belongs.tensor[i].flatten(1))
        places = x[i].flatten(1).T
        centres = [
            sum(p * place for p, place in zip(row, places, strict=True)) / row.sum()
            for row in share
        ]
        wanted = share.T @ torch.stack(centres)
        torch.testing.assert_close(given[0][i].flatten(1).T, wanted)
    # Why a ReLU has to follow: on the mean alone attention has no influence.
    torch.testing.assert_close(given[0].mean((2, 3)), x.mean((2, 3)))


def test_one_class_at_a_place_gives_that_class_s_centre() -> None:
    """Where each place belongs to one class for sure, its members all get their mean."""
    x, head = features(), build("class_feature")
    belongs = F.one_hot(torch.arange(12) % CLASSES, CLASSES).T.view(1, CLASSES, 3, 4).double()
    given = []
    head.fuse.register_forward_hook(lambda module, seen, out: given.append(seen[0][:, 16:]))

    def told(one: Map) -> Tensor:
        return belongs.expand(2, -1, -1, -1) if one.kind == "codes" else one.tensor

    with replaced(head, told):
        head(x)
    flat, got = x.flatten(2), given[0].flatten(2)
    for k in range(CLASSES):
        mean = flat[..., k::CLASSES].mean(2, keepdim=True)
        torch.testing.assert_close(got[..., k::CLASSES], mean.expand_as(got[..., k::CLASSES]))
