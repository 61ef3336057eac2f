"""Structured attention across levels (SPAN): its equations, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from hardattn.blocks.span import Level
from tests.support.blocks import features, maps_of

WEIGHTS: dict[str, Callable[..., int]] = {
    "span": lambda c: 2 * c * (c // 2) + c // 2 + c + 2 * 19 * (c // 2) ** 2,
}


def test_span_with_matrices_in_common_is_masked_full_attention():
    torch.manual_seed(0)
    x, level = features(2, 4, 5, 6), Level(4, dilation=2).double()
    query, key, value = (features(4, 4, seed=s) for s in (2, 3, 4))
    with torch.no_grad():
        level.query.weight.copy_(query[..., None, None])
        level.key.weight.copy_(key.T.repeat_interleave(9, 0)[..., None, None])
        level.value.weight.copy_(value.repeat_interleave(9, 1)[..., None, None])
    tokens = x.flatten(2).mT
    row, column = torch.arange(30) // 6, torch.arange(30) % 6
    near = torch.tensor([-2, 0, 2])
    allowed = torch.isin(row[:, None] - row, near) & torch.isin(column[:, None] - column, near)
    full = F.scaled_dot_product_attention(
        tokens @ query.T, tokens @ key.T, tokens @ value.T, attn_mask=allowed
    )
    torch.testing.assert_close(level(x), x + full.mT.unflatten(2, (5, 6)))


def test_span_tells_its_neighbours_apart_and_leaves_out_those_outside():
    torch.manual_seed(0)
    x, level = features(1, 3, 4, 5), Level(3, dilation=1).double()
    y = level(x)
    weights = maps_of(level, x)[0]
    keys = level.key.weight.view(3, 9, 3)  # K_j' for each j
    values = level.value.weight.view(3, 3, 9)
    for row in range(4):
        for column in range(5):
            query = level.query.weight[:, :, 0, 0] @ x[0, :, row, column]
            there = {j: (row + j // 3 - 1, column + j % 3 - 1) for j in range(9)}
            there = {j: at for j, at in there.items() if 0 <= at[0] < 4 and 0 <= at[1] < 5}
            scores = [(keys[:, j] @ query) @ x[0, :, r, c] / 3**0.5 for j, (r, c) in there.items()]
            total = x[0, :, row, column]
            for share, (j, (r, c)) in zip(
                torch.stack(scores).softmax(0), there.items(), strict=True
            ):
                total = total + share * values[:, :, j] @ x[0, :, r, c]
                torch.testing.assert_close(weights.tensor[0, row, column, j], share)
            torch.testing.assert_close(y[0, :, row, column], total)
    # Nothing is lost outside: each of 20 places gives away one.
    torch.testing.assert_close(weights.density.sum(), torch.tensor(20.0, dtype=torch.float64))
