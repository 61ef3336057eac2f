"""Mirror attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hardattn.blocks.mirror import Mirror, reflections
from hardattn.maps import Map, recorded, replaced
from tests.support.blocks import features, made, map_of

WEIGHTS: dict[str, Callable[..., int]] = {
    "mirror": lambda c: 9 * 2 * c + 49 + 49,
}


def mirrored(block: nn.Module) -> nn.Module:
    """The block with kernels that are their own mirror images."""
    with torch.no_grad():
        for conv in (block.compare, block.widen, block.decide):
            conv.weight.add_(conv.weight.flip(3)).div_(2)
    return block


@pytest.mark.parametrize("width", [6, 7])
def test_mirror_attention_is_symmetric_for_symmetric_input(width: int):
    x, block = features(2, 4, 5, width), mirrored(made("mirror", 4))
    even = x + x.flip(3)
    torch.testing.assert_close(block(even), block(even).flip(3))
    gate = map_of(block, x)
    assert not torch.allclose(gate, gate.flip(3))


def test_mirror_attention_compares_both_sides():
    # Read alike, the two halves give one map for an image and its mirror image, and it is even.
    x, block = features(2, 4, 5, 6), mirrored(made("mirror", 4))
    with torch.no_grad():
        block.compare.weight[:, 4:] = block.compare.weight[:, :4]
    gate = map_of(block, x)
    torch.testing.assert_close(map_of(block, x.flip(3)), gate)
    torch.testing.assert_close(gate.flip(3), gate)


def test_mirror_attention_reads_the_other_side_where_it_is():
    # To swap what is done to the image and to its reflection is to reflect the image.
    x, block = features(2, 4, 5, 7), made("mirror", 4)
    reflected = map_of(block, x.flip(3))
    with torch.no_grad():
        block.compare.weight.copy_(block.compare.weight.roll(4, 1))
    torch.testing.assert_close(map_of(block, x), reflected)


def knowing(block: Mirror) -> Mirror:
    """The block with kernels by which a place is the less lit the more it differs from its mirror.

    One channel: relu(x - mirrored), whose sum over the map is as large as that of the other sign.
    """
    with torch.no_grad():
        for conv in (block.compare, block.widen, block.decide):
            conv.weight.zero_()
        block.compare.weight[0, :, 1, 1] = torch.tensor([1.0, -1.0])
        block.widen.weight[0, 0, 3, 3] = 1.0
        block.decide.weight[0, 0, 3, 3] = -1.0
    return block


def likely(block: Mirror, x: Tensor) -> Tensor:
    """(B, K): the weights of the candidates."""
    with torch.no_grad(), recorded(block) as maps:
        block(x)
    return next(one.tensor for one in maps if one.name == "candidates")[:, 0]


def test_of_four_axes_the_one_that_an_image_has_is_the_likeliest():
    torch.manual_seed(0)
    x, block = torch.rand(16, 1, 8, 8), knowing(Mirror(1, axes=4))
    across = x.flip(2, 3).mT
    about = [x + x.flip(3), x + across, x + x.flip(2), x + x.mT]
    for number, symmetric in enumerate(about):
        weights = likely(block, symmetric)
        torch.testing.assert_close(weights.sum(1), torch.ones(16))
        assert (weights.argmax(1) == number).all()


def test_parallel_axes_are_told_apart_too():
    torch.manual_seed(0)
    block = knowing(Mirror(1, offsets=3))
    for number in range(3):  # of 12 columns the axes are at 2, 6 and 10
        strip, x = torch.rand(16, 1, 5, 4), torch.rand(16, 1, 5, 12)
        x[..., 4 * number : 4 * number + 4] = strip + strip.flip(3)
        even = x + x.flip(3) if number == 1 else x
        assert (likely(block, even).argmax(1) == number).all()


def test_the_first_candidate_alone_is_the_fixed_axis():
    torch.manual_seed(0)
    x, several, one = torch.randn(2, 4, 5, 7), Mirror(4, axes=3), Mirror(4)
    one.load_state_dict({k: v for k, v in several.state_dict().items() if k != "sure"})

    def first(found: Map) -> Tensor:
        if found.name != "candidates":
            return found.tensor
        return torch.eye(3)[:1].expand_as(found.tensor)

    with torch.no_grad(), replaced(several, first):
        torch.testing.assert_close(several(x), one(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_candidates_go_by_the_precision_of_what_they_read(dtype: torch.dtype):
    torch.manual_seed(0)
    block, x = knowing(Mirror(1, axes=4)), torch.rand(16, 1, 8, 8)
    weights = likely(block.to(dtype), (x + x.mT).to(dtype))
    assert weights.dtype == dtype and (weights.argmax(1) == 3).all()


def test_a_reflection_keeps_distances_on_a_map_of_any_shape():
    height, width = 5, 9
    pixels = torch.tensor([width, height]) / 2
    there = reflections(3, 2, height, width) * pixels
    across, down = there.diff(dim=2).norm(dim=-1), there.diff(dim=1).norm(dim=-1)
    torch.testing.assert_close(across, torch.ones_like(across))
    torch.testing.assert_close(down, torch.ones_like(down))
    # A mirror image's mirror image is where it began: y = x - 2 (n x - d) n, and n y - d = d - n x.
    x = torch.stack(torch.meshgrid(torch.arange(9) - 4.0, torch.arange(5) - 2.0, indexing="xy"), -1)
    for mirrored in there:
        middle = ((x + mirrored) / 2).flatten(0, 1)
        apart = (mirrored - x).flatten(0, 1)
        normal = apart[apart.norm(dim=1).argmax()]
        along = middle @ (normal / normal.norm())
        torch.testing.assert_close(along, along[:1].expand_as(along), atol=1e-5, rtol=0)


def test_the_task_teaches_which_axis_it_is():
    """Weights of the axis alone can say about which of two axes an image is symmetric."""
    torch.manual_seed(0)
    block = Mirror(1, axes=2)
    descent = torch.optim.Adam(block.parameters(), 0.02)
    for _ in range(60):
        x, which = torch.rand(32, 1, 8, 8), torch.arange(32) % 2
        x = torch.where(which[:, None, None, None] == 0, x + x.flip(3), x + x.flip(2))
        with recorded(block) as maps:
            block(x)
        weights = next(one.tensor for one in maps if one.name == "candidates")[:, 0]
        descent.zero_grad()
        torch.nn.functional.nll_loss(weights.log(), which).backward()
        descent.step()
    assert (weights.argmax(1) == which).float().mean() > 0.9


def test_weights_by_name_are_those_of_one_axis_unless_asked():
    one, several = Mirror(4), Mirror(4, axes=2)
    assert several.state_dict().keys() - one.state_dict().keys() == {"sure"}
    with pytest.raises(ValueError, match="axes and offsets are 1 or more, not 0 and 1"):
        Mirror(4, axes=0)
