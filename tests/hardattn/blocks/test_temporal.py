"""Attention in time: shapes, order, formulas, and that no clip knows of another."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.temporal import TEMPORAL
from hardattn.maps import CONTROLS, recorded, replaced

FRAMES, WIDE = 5, 8
ORDERED = ("convolution", "gltr", "spatio_temporal", "temporal_adaptive")
ATTENDING = ("gltr", "spatio_temporal", "temporal_adaptive", "temporal_pooling")


def made(name: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    block = TEMPORAL[name](WIDE, FRAMES).eval()
    return block, torch.randn(3, FRAMES, WIDE, 3, 4)


@pytest.mark.parametrize("name", list(TEMPORAL))
def test_the_contract(name: str) -> None:
    block, x = made(name)
    kept = x.clone()
    y = block(x)
    assert y.shape == x.shape and torch.equal(x, kept) and torch.equal(block(x), y)
    assert torch.allclose(block(x[:1]), y[:1], atol=1e-6), "no clip knows of another"
    block.train()(x.requires_grad_()).square().sum().backward()
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in block.parameters())


@pytest.mark.parametrize("name", list(TEMPORAL))
def test_whether_frames_have_an_order(name: str) -> None:
    """What their mean comes to when the clip is played backwards."""
    block, x = made(name)
    forth, back = block(x).mean((1, 3, 4)), block(x.flip(1)).mean((1, 3, 4))
    assert torch.allclose(forth, back, atol=1e-5) == (name not in ORDERED)


@pytest.mark.parametrize("name", ATTENDING)
def test_its_map_is_heard_and_its_replacement_changes_what_comes_out(name: str) -> None:
    block, x = made(name)
    with recorded(block) as maps:
        y = block(x)
    assert maps
    for one in maps:
        if one.over:
            assert torch.allclose(one.tensor.sum(one.over), torch.ones(()), atol=1e-5)
        if one.density is not None:
            assert one.density.shape == (3, 3, FRAMES * 4) and one.density.min() >= 0
    for name in CONTROLS:
        with replaced(block, CONTROLS[name]):
            assert not torch.allclose(block(x), y, atol=1e-6)


def test_gltr_by_its_formula() -> None:
    block, x = made("gltr")
    d = x.mean((3, 4)).transpose(1, 2)
    p = torch.cat([F.relu(rate(d)) for rate in block.rates], 1).transpose(1, 2)
    scores = torch.einsum("bfi,bgi->bfg", block.query(p), block.key(p))
    z = p + torch.einsum("bfg,bgi->bfi", scores.softmax(2), block.value(p))
    assert torch.allclose(block(x), x + block.out(z)[..., None, None], atol=1e-5)


def test_an_adaptive_kernel_of_its_middle_alone_is_the_gate() -> None:
    block, x = made("temporal_adaptive")
    gate = torch.sigmoid(block.local(x.mean((3, 4)).transpose(1, 2))).transpose(1, 2)
    only = torch.tensor([0.0, 1.0, 0.0])
    with replaced(block.kernel_map, lambda one: only.expand_as(one.tensor)):
        assert torch.allclose(block(x), x * gate[..., None, None], atol=1e-6)
    later = torch.tensor([0.0, 0.0, 1.0])
    with replaced(block.kernel_map, lambda one: later.expand_as(one.tensor)):
        shifted = block(x)
    assert torch.allclose(shifted[:, :-1], (x * gate[..., None, None])[:, 1:], atol=1e-6)
    assert (shifted[:, -1] == 0).all()


def test_divided_attention_is_in_time_and_then_in_space() -> None:
    """Of what stands at one place in one frame, time hears at that place, space everywhere then."""
    block, x = made("spatio_temporal")
    other = x.clone()
    other[:, 2, 0, 1, 1] += 3.0
    with torch.no_grad():
        block.out_space.weight.zero_()  # no space
        changed = (block(other) - block(x)).abs().amax(2) > 1e-6
        assert changed[:, :, 1, 1].all() and changed.sum() == 3 * FRAMES
        torch.nn.init.normal_(block.out_space.weight)
        assert ((block(other) - block(x)).abs().amax(2) > 1e-6).all()
