"""What several kinds of spatial attention have in common."""

import pytest
import torch

from hardattn.attention import BLOCKS
from tests.support.blocks import features, made, maps_of


@pytest.mark.parametrize("name", ["residual_attention", "hourglass"])
def test_masks_from_a_wider_view_see_the_whole_map(name: str):
    block, x = made(name, 16), features(1, 16, 12, 12).requires_grad_()
    mask = maps_of(block, x)[0].tensor
    (reach,) = torch.autograd.grad(mask[0, 0, 0, 0], x)
    assert reach[:, :, 11, 11].abs().sum() > 0


@pytest.mark.parametrize(
    "name, options",
    [
        ("deformable", {"kernel": 2}),
        ("hourglass", {"depth": 0}),
        ("multi_context", {"kernel": 4}),
        ("picanet_local", {"window": 6}),
        ("spatial_pyramid", {"windows": (3, 4)}),
    ],
)
def test_what_a_block_cannot_be_is_refused(name: str, options: dict):
    with pytest.raises(ValueError, match=r"odd|at least 1"):
        BLOCKS[name].make(16, **options)
