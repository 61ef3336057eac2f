"""Stand-alone self-attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from tests.support.self_attention import build, image, pointwise, shares

# How many weights the equations give for C channels; 4 heads, of C / 4 channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "stand_alone": lambda c: 3 * c * c + 2 * 7 * (c // 2),
}


def test_stand_alone_attention_is_a_loop_over_windows():
    block, x = build("stand_alone", heads=2, window=3), image(height=4, width=5)
    for one, y in zip(x, block(x), strict=True):
        q, k, v = pointwise(block.project, one).view(20, 3, 2, 8).unbind(1)
        for row in range(4):
            for column in range(5):
                for h in range(2):
                    i, scores = 5 * row + column, {}
                    for down in (-1, 0, 1):
                        for right in (-1, 0, 1):
                            if 0 <= row + down < 4 and 0 <= column + right < 5:
                                j = i + 5 * down + right
                                r = [block.rows[h, down + 1], block.columns[h, right + 1]]
                                scores[j] = q[i, h] @ (k[j, h] + torch.cat(r))
                    expected = sum(w * v[j, h] for j, w in shares(scores).items())
                    found = (y - one)[8 * h : 8 * h + 8, row, column]
                    torch.testing.assert_close(found, expected)
