"""Axial attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hardattn.maps import recorded
from tests.support.self_attention import build, image, places, pointwise, shares

# How many weights the equations give for C channels; 4 heads, of C / 4 channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "axial": lambda c: 2 * (c * 2 * c + (2 * 16 + 1) * 2 * (c // 4) + 2 * (2 * c + 3 * 4 + 2 * c)),
}


def test_axial_attention_is_attention_under_the_mask_of_a_line_with_offsets():
    axis = build("axial", heads=2, span=1).columns
    x, tables = image(height=4, width=3), axis.offsets.split([4, 4, 8], 1)

    def normed(norm: nn.Module, value: Tensor, channel: slice | int) -> Tensor:
        return value / (1 + 1e-5) ** 0.5 * norm.weight[channel] + norm.bias[channel]

    for one, y in zip(x, axis(x), strict=True):
        all_of = normed(axis.norm, pointwise(axis.project, one), slice(None)).view(12, 2, 16)
        q, k, v = all_of.split([4, 4, 8], 2)
        for i in range(12):
            for h in range(2):
                line = [j for j in range(12) if j % 3 == i % 3]
                r = {j: max(-1, min(1, j // 3 - i // 3)) + 1 for j in line}
                scores = {
                    j: normed(axis.norm_scores, q[i, h] @ k[j, h], h)
                    + normed(axis.norm_scores, q[i, h] @ tables[0][r[j]], 2 + h)
                    + normed(axis.norm_scores, k[j, h] @ tables[1][r[j]], 4 + h)
                    for j in line
                }
                weights = shares(scores)
                content = sum(weights[j] * v[j, h] for j in line)
                position = sum(weights[j] * tables[2][r[j]] for j in line)
                here = slice(8 * h, 8 * h + 8)
                there = slice(16 + 8 * h, 24 + 8 * h)
                expected = normed(axis.norm_values, content, here)
                expected = expected + normed(axis.norm_values, position, there)
                torch.testing.assert_close(places(y)[i, here], expected)


def test_axial_attention_along_rows_is_that_along_columns_of_the_turned_image():
    block, x = build("axial"), image(height=5)
    block.rows.load_state_dict(block.columns.state_dict())
    with recorded(block) as maps:
        along = block.rows(x)
        turned = block.columns(x.transpose(2, 3)).transpose(2, 3)
    torch.testing.assert_close(along, turned)
    assert maps[0].density is not None and maps[1].density is not None
    torch.testing.assert_close(maps[0].density, maps[1].density.transpose(1, 2))
