"""The set transformer: its equations, and what theory says exactly."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.blocks.set_transformer import ISAB, MAB, PMA, SAB
from tests.support.pooling_blocks import build, features, linear, shuffled


def mab(c: int) -> int:
    """Four projections with biases and one without, two norms."""
    return 4 * linear(c, c) + c * c + 2 * 2 * c


# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    "set_transformer": lambda c, k: (
        2 * (16 * c + 2 * mab(c)) + c + linear(c, c) + mab(c) + linear(c, k)
    ),
}


def test_a_set_of_sabs_has_no_order() -> None:
    x, head = features(), build("set_transformer", inducing=None)
    torch.testing.assert_close(head(shuffled(x)), head(x))


def test_pooling_with_one_seed_is_its_equation() -> None:
    """One head: a softmax over places of s . k / sqrt(D), written out."""
    torch.manual_seed(0)
    width, z = 6, torch.randn(1, 5, 6, dtype=torch.float64)
    pma = PMA(width, heads=1).double()
    block, seed = pma.attend, pma.seeds[0, 0]
    given = [F.relu(pma.feedforward(each)) for each in z[0]]
    query = block.query(seed)
    score = [torch.exp(query @ (block.key.weight @ each) / math.sqrt(6)) for each in given]
    mean = sum(s * block.value(each) for s, each in zip(score, given, strict=True)) / sum(score)

    def norm(v: Tensor) -> Tensor:
        return (v - v.mean()) / (v.var(unbiased=False) + 1e-5).sqrt()

    h = norm(seed + block.out(mean))
    wanted = norm(h + F.relu(block.feedforward(h)))
    torch.testing.assert_close(pma(z, (1, 5))[0, 0], wanted)


def test_heads_of_a_mab_see_their_own_channels_only() -> None:
    """Two heads are two attentions on halves of the query, key and value."""
    torch.manual_seed(0)
    block = MAB(6, 2).double()
    x, y = (torch.randn(2, n, 6, dtype=torch.float64) for n in (3, 4))
    query, key, value = block.query(x), block.key(y), block.value(y)
    halves = []
    for half in (slice(0, 3), slice(3, 6)):
        weights = (query[..., half] @ key[..., half].transpose(1, 2) / math.sqrt(6)).softmax(-1)
        halves.append(weights @ value[..., half])
    h = block.between(x + block.out(torch.cat(halves, 2)))
    torch.testing.assert_close(block(x, y, None), block.after(h + F.relu(block.feedforward(h))))


def test_inducing_points_pass_on_only_what_they_gathered() -> None:
    """With one point every place gets the same answer; SABs give each its own."""
    torch.manual_seed(0)
    x = torch.randn(1, 12, 8, dtype=torch.float64)
    told = []
    for block in (ISAB(8, 2, 1).double(), SAB(8, 2).double()):
        giver = block.give if isinstance(block, ISAB) else block.attend
        giver.out.register_forward_hook(lambda module, given, out: told.append(out))
        block(x, (3, 4))
    one, own = told
    torch.testing.assert_close(one, one[:, :1].expand_as(one))
    assert own.std(1).max() > 1e-3
