"""What several kinds of pooling attention have in common."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.support.blocks import maps_of
from tests.support.pooling_blocks import CLASSES, build, features, shuffled


@pytest.mark.parametrize(
    "name", ["gated_pooling", "set_transformer", "kalman", "retain", "x_linear_pooling"]
)
def test_a_set_has_no_order(name: str) -> None:
    x, head = features(), build(name)
    torch.testing.assert_close(head(shuffled(x)), head(x))


@pytest.mark.parametrize("name", ["perceiver", "slot", "sequential", "dvan"])
def test_whoever_has_positions_minds_the_order(name: str) -> None:
    x, head = features(), build(name)
    assert not torch.allclose(head(shuffled(x)), head(x), atol=1e-6)


@pytest.mark.parametrize("name", ["sequential", "dvan"])
def test_the_next_look_is_another_and_depends_on_the_image(name: str) -> None:
    """A state that is not kept would ask the same question again and again."""
    x, head = features(), build(name)
    queries: list[Tensor] = []
    head.query.register_forward_hook(lambda module, given, out: queries.append(out))
    maps = maps_of(head, x)
    assert len(maps) == len(queries) == 4
    for one, other in pairwise(maps):
        assert (one.tensor - other.tensor).abs().max() > 1e-4
    assert torch.equal(queries[0][0], queries[0][1])
    assert all((query[0] - query[1]).abs().max() > 1e-4 for query in queries[1:])


@pytest.mark.parametrize("name, first", [("class_feature", "coarse"), ("cesan", "maps")])
def test_the_coarse_answer_learns_from_the_one_loss(name: str, first: str) -> None:
    """Even where the fine answer is cut off: its class activation is in the logits."""
    x, head = features(), build(name)
    nn.init.zeros_(head.classifier.weight)
    nn.init.zeros_(head.classifier.bias)
    coarse = getattr(head, first)
    torch.testing.assert_close(head(x), coarse(x).mean((2, 3)))
    loss = F.cross_entropy(head(x), torch.tensor([1, 3]))
    (slope,) = torch.autograd.grad(loss, coarse.bias)
    answer = coarse(x).mean((2, 3)).softmax(1)
    torch.testing.assert_close(slope, (answer - F.one_hot(torch.tensor([1, 3]), CLASSES)).mean(0))
