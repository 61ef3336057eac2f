"""What several kinds of self-attention have in common."""

import pytest
import torch

from hardattn.attention import BLOCKS
from hardattn.maps import recorded
from tests.support.self_attention import build, image


@pytest.mark.parametrize(
    "name, options, exact",
    [
        ("clustered", {"clusters": 12}, True),
        ("clustered", {"clusters": 99}, True),
        ("clustered", {"clusters": 11}, False),
        ("clustered", {"clusters": 3, "top": 12}, True),
        ("clustered", {"clusters": 3, "top": 11}, False),
        ("smyrf", {"clusters": 1}, True),
        ("smyrf", {"clusters": 2}, False),
    ],
)
def test_in_the_limit_it_is_full_attention(name: str, options: dict[str, int], exact: bool):
    full, x = build("multi_head"), image()
    block = build(name, **options)
    block.load_state_dict(full.state_dict(), strict=False)
    assert torch.allclose(block(x), full(x), rtol=1e-9, atol=1e-9) == exact
    assert torch.allclose(block.train()(x), full(x), rtol=1e-9, atol=1e-9) == exact


@pytest.mark.parametrize("name", ["smyrf", "non_local_sparse", "random_features"])
def test_noise_is_drawn_anew_in_training_and_fixed_in_evaluation(name: str):
    block, x = build(name), image(height=12, width=12)
    again = BLOCKS[name].make(16).double()
    for ours, theirs in zip(block.buffers(), again.buffers(), strict=True):
        assert torch.equal(ours, theirs), "the noise of evaluation depends on the seed"
    assert torch.equal(block(x), block(x))
    block.train()
    torch.manual_seed(5)
    first = block(x)
    assert not torch.equal(block(x), first)
    torch.manual_seed(5)
    assert torch.equal(block(x), first)


@pytest.mark.parametrize("name", ["axial", "criss_cross", "multi_head", "stand_alone"])
def test_what_places_get_is_what_places_give(name: str):
    block = build(name)
    with recorded(block) as maps:
        block(image())
    for one in maps:
        assert one.density is not None
        torch.testing.assert_close(one.density.sum((1, 2)), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize(
    "name, channels, options",
    [
        ("multi_head", 18, {}),
        ("multi_head", 16, {"heads": 3}),
        ("axial", 12, {}),
        ("stand_alone", 12, {}),
        ("stand_alone", 16, {"window": 4}),
        ("x_linear", 18, {}),
    ],
)
def test_what_cannot_be_divided_is_refused(name: str, channels: int, options: dict[str, int]):
    with pytest.raises(ValueError, match=r"channels|middle"):
        BLOCKS[name].make(channels, **options)
