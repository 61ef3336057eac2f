"""Criss-cross attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from hardattn.maps import recorded
from tests.support.self_attention import attend, build, image, pointwise, shares

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "criss_cross": lambda c: 2 * c * (c // 8) + c // 8 + c * c + c + 1,
}


def crosses(i: int, j: int, width: int = 4) -> bool:
    return i // width == j // width or i % width == j % width


def test_criss_cross_is_attention_under_the_mask_of_a_cross():
    block, x = build("criss_cross"), image()
    expected = x
    for _ in range(2):
        given = []
        for one in expected:
            q, k, v = (pointwise(f, one) for f in (block.query, block.key, block.value))
            given.append(attend(q, k, v, crosses).T.view(one.shape))
        expected = expected + block.gamma * torch.stack(given)
    torch.testing.assert_close(block(x), expected)


def test_a_place_hears_of_its_cross_in_one_round_and_of_everything_in_two():
    for rounds in (1, 2):
        block, x = build("criss_cross", rounds=rounds), image(count=1).requires_grad_()
        block(x)[0, :, 1, 2].sum().backward()
        heard = (x.grad[0] != 0).any(0).flatten().tolist()
        assert heard == [rounds == 2 or crosses(6, j) for j in range(12)]


def test_a_cross_counts_what_each_place_gets():
    block, x = build("criss_cross", rounds=1), image(count=1)
    with recorded(block) as maps:
        block(x)
    got = torch.zeros(12, dtype=torch.float64)
    q, k = (pointwise(f, x[0]) for f in (block.query, block.key))
    for i in range(12):
        for j, w in shares({j: q[i] @ k[j] for j in range(12) if crosses(i, j)}).items():
            got[j] += w / 12
    assert maps[0].density is not None
    torch.testing.assert_close(maps[0].density.flatten(), got)
