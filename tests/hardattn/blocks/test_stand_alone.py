"""Stand-alone self-attention: its equations, and what theory says exactly."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from hardattn.blocks.stand_alone import StandAlone
from hardattn.maps import recorded
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


@pytest.mark.parametrize("options", [{}, {"window": 3}, {"window": 5, "heads": 2}], ids=str)
@pytest.mark.parametrize("sides", [(28, 28), (19, 20), (9, 40)], ids=str)
def test_tiles_are_the_mask(sides: tuple[int, int], options: dict[str, Any]) -> None:
    """Outputs and all gradients; the map is written out where somebody listens, and else is not."""
    torch.manual_seed(0)
    block = StandAlone(16, **options).double()
    x = torch.randn(2, 16, *sides, dtype=torch.float64, requires_grad=True)
    cut = block(x)
    with recorded(block) as maps:
        masked = block(x)
    assert len(maps) == 1 and maps[0].tensor.shape[2:] == (sides[0] * sides[1],) * 2
    torch.testing.assert_close(cut, masked, rtol=1e-12, atol=1e-12)
    inputs = [x, *block.parameters()]
    gradients = (torch.autograd.grad(y.square().sum(), inputs) for y in (cut, masked))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_a_large_map_is_cut_and_a_small_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    block, asked = StandAlone(16), []
    tiles = block.in_tiles
    monkeypatch.setattr(block, "in_tiles", lambda *given: asked.append(1) or tiles(*given))
    for side, count in ((12, 0), (18, 0), (19, 1)):
        block(torch.randn(1, 16, side, side))
        assert len(asked) == count
