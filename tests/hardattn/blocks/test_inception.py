"""The inception unit by its formula."""

import pytest
import torch
from torch.nn import functional as F

from hardattn.blocks.inception import Inception

WEIGHTS = {
    "inception": lambda c: (
        (c + 1) * (c - 3 * (c // 4))
        + 2 * (c + 1) * (c // 8)
        + (9 * (c // 8) + 1) * (c // 4)
        + (25 * (c // 8) + 1) * (c // 4)
        + (c + 1) * (c // 4)
    )
}


def test_it_is_four_branches_side_by_side() -> None:
    torch.manual_seed(0)
    block, x = Inception(18), torch.randn(2, 18, 6, 5)
    around = F.pad(x, (1, 1, 1, 1), value=-torch.inf).unfold(2, 3, 1).unfold(3, 3, 1)
    pooled = around.amax((4, 5))
    parts = [block.one(x), block.three(x), block.five(x), block.pooled(pooled)]
    assert [part.shape[1] for part in parts] == [6, 4, 4, 4]
    assert torch.allclose(block(x), torch.cat(parts, 1).relu(), atol=1e-6)


def test_four_branches_need_four_channels() -> None:
    assert Inception(4)(torch.randn(1, 4, 3, 3)).shape == (1, 4, 3, 3)
    with pytest.raises(ValueError, match="four branches share 4 channels or more, not 3"):
        Inception(3)
