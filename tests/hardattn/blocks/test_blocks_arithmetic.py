"""Arithmetic attention: formulas for the weights, and what theory says exactly."""

from collections.abc import Callable
from itertools import pairwise
from math import log

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.attention import BLOCKS
from hardattn.blocks.hamburger import updated
from hardattn.maps import recorded
from tests.support.features import CHANNELS, SEEDS, untrained

WEIGHTS: dict[str, Callable[..., int]] = {
    "attention_dropout": lambda c: 0,
    "em_attention": lambda c: 2 * c * c + c + 2 * c,
    "hamburger": lambda c: 2 * c * c + c + 2 * c,
    "mirror": lambda c: 9 * 2 * c + 49 + 49,
    "reverse": lambda c: 2 * (c * c + c),
}


def made(name: str, channels: int, **options) -> nn.Module:
    torch.manual_seed(0)
    return BLOCKS[name].make(channels, **options).double().eval()


def features(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def map_of(block: nn.Module, x: Tensor) -> Tensor:
    with recorded(block) as maps:
        block(x)
    return maps[0].tensor


def test_reverse_attention_is_its_equation():
    x, block = features(2, 4, 3, 5), made("reverse", 4)
    direct = torch.einsum("oc,bchw->bohw", block.direct.weight[..., 0, 0], x)
    direct = direct + block.direct.bias[:, None, None]
    against = torch.einsum("oc,bchw->bohw", block.reverse.weight[..., 0, 0], x)
    against = against + block.reverse.bias[:, None, None]
    torch.testing.assert_close(block(x), direct - against / (1 + torch.exp(direct)))


def test_reverse_attention_looks_where_the_direct_branch_does_not():
    block = made("reverse", 1)
    with torch.no_grad():
        block.direct.weight.fill_(1), block.direct.bias.zero_()
    x = torch.tensor([-30.0, 0.0, 30.0], dtype=torch.float64).view(1, 1, 1, 3)
    torch.testing.assert_close(map_of(block, x)[0, 0, 0], torch.tensor([1, 0.5, 0]).double())
    torch.testing.assert_close(block(x)[..., 2], x[..., 2])


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


def test_attention_dropout_tosses_its_coin():
    block, x = made("attention_dropout", 2, rate=0.75).train(), features(1, 2, 3, 3)
    torch.manual_seed(0)
    dropped = sum(map_of(block, x).unique().numel() == 2 for _ in range(2000))
    assert abs(dropped / 2000 - 0.75) < 4 * (0.75 * 0.25 / 2000) ** 0.5


def test_attention_dropout_drops_each_image_above_its_own_threshold():
    x = torch.tensor([[1.0, 7.9, 8.1, 10.0], [0.1, 0.9, 0.5, 1.0]], dtype=torch.float64)
    x = x.view(2, 1, 2, 2).expand(-1, 3, -1, -1)
    block = made("attention_dropout", 3, rate=1.0, threshold=0.8).train()
    kept = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0]]).double()
    torch.testing.assert_close(map_of(block, x).flatten(1), kept)
    torch.testing.assert_close(block(x), x * kept.view(2, 1, 2, 2))
    block = made("attention_dropout", 3, rate=0.0).train()
    torch.testing.assert_close(block(x), x * torch.sigmoid(x))


def test_attention_dropout_does_not_drop_an_image_that_is_negative_everywhere():
    block, x = made("attention_dropout", 2, rate=1.0).train(), -features(1, 2, 3, 3).abs()
    x[0, 0, 1, 1] = 0.1
    assert map_of(block, x).sum() == 8


def test_attention_dropout_refuses_what_is_no_share():
    with pytest.raises(ValueError, match="rate and threshold"):
        BLOCKS["attention_dropout"].make(16, rate=1.5)


def test_em_attention_with_one_base_is_the_mean_direction():
    x, block = features(2, 4, 3, 5), made("em_attention", 4, bases=1)
    torch.testing.assert_close(map_of(block, x), torch.ones(2, 1, 3, 5).double())
    seen = block.before(x)
    mean = F.normalize(seen.mean((2, 3)), dim=1)[:, :, None, None].expand_as(x)
    torch.testing.assert_close(block(x), F.relu(x + block.norm(block.after(F.relu(mean)))))


def test_em_attention_against_a_loop():
    block, seen = made("em_attention", 3, bases=2, steps=3), features(2, 3, 6)
    for one in range(2):
        bases = block.bases.clone()
        for _ in range(3):
            shares = torch.stack(
                [torch.softmax(bases.T @ seen[one, :, n] / 0.05, 0) for n in range(6)]
            )
            sums = [sum(shares[n, k] * seen[one, :, n] for n in range(6)) for k in range(2)]
            bases = torch.stack([each / each.norm() for each in sums], 1)
        torch.testing.assert_close(block.iterate(seen)[one], bases)


def test_em_attention_moves_its_bases_in_training_only():
    x, block = features(3, 4, 5, 5), made("em_attention", 4, momentum=0.9)
    before = block.bases.clone()
    found = F.normalize(block.iterate(block.before(x).flatten(2)).mean(0), dim=0)
    block(x)
    assert torch.equal(block.bases, before)
    block.train()(x)
    torch.testing.assert_close(block.bases, 0.9 * before + 0.1 * found)
    assert "bases" in block.state_dict() and "bases" not in dict(block.named_parameters())


@pytest.mark.parametrize("seed", SEEDS)
def test_bases_of_em_attention_differ_in_untrained_networks(seed: int):
    torch.manual_seed(seed)
    x, block = untrained(seed), BLOCKS["em_attention"].make(CHANNELS).double()
    bases = block.iterate(block.before(x).flatten(2))
    cosine = (bases.mT @ bases).masked_select(~torch.eye(16, dtype=torch.bool))
    assert cosine.mean() < 0.5
    assert (cosine > 0.99).double().mean() < 0.05
    choice = torch.special.entr(map_of(block, x)).sum(1) / log(16)
    assert choice.mean() < 0.5, "places go by all bases alike"
    with torch.no_grad():
        block.temperature = 1.0
    bases = block.iterate(block.before(x).flatten(2))
    hotter = (bases.mT @ bases).masked_select(~torch.eye(16, dtype=torch.bool))
    assert hotter.mean() > cosine.mean() + 0.1, "it is the temperature that tells them apart"


@pytest.mark.parametrize("name", ["em_attention", "hamburger"])
def test_convolutions_start_from_noise_of_the_size_that_the_authors_have(name: str):
    convolutions = [part for part in made(name, 64).modules() if isinstance(part, nn.Conv2d)]
    assert len(convolutions) == 2
    for conv in convolutions:
        assert abs(conv.weight.std() / (2 / 64) ** 0.5 - 1) < 0.05
        assert abs(conv.weight.mean()) < 0.01
        # A uniform draw of this variance ends at sqrt(3) deviations.
        assert conv.weight.abs().max() > 3 * conv.weight.std()


def test_hamburger_ends_with_a_rectifier():
    x, block = features(2, 8, 5, 5), made("hamburger", 8)
    y = block(x)
    assert (y >= 0).all() and (y == 0).any() and (y > 0).any()


def test_em_attention_lets_no_gradient_through_its_iterations():
    x, block = features(2, 4, 3, 3), made("em_attention", 4)
    seen = block.before(x).detach().requires_grad_()
    assert not block.iterate(seen.flatten(2)).requires_grad
    block(x).sum().backward()
    assert block.before.weight.grad.abs().max() > 0


def error(x: Tensor, bases: Tensor, codes: Tensor) -> float:
    return (x - bases @ codes).norm().item()


def test_nmf_reconstructs_better_with_each_step():
    x = features(2, 6, 20).abs()
    errors = []
    for steps in range(8):
        block = made("hamburger", 6, rank=3, steps=steps)
        bases, codes = block.factors(x)
        assert (bases >= 0).all() and (codes >= 0).all()
        errors.append(error(x, bases, codes))
        assert error(x, bases, updated(x, bases, codes)) < errors[-1]
    assert all(after < before for before, after in pairwise(errors))


def test_nmf_finds_what_is_of_low_rank():
    x = features(1, 6, 2).abs() @ features(1, 2, 20, seed=2).abs()
    bases, codes = made("hamburger", 6, rank=2, steps=400).factors(x)
    assert error(x, bases, codes) < 0.02 * x.norm()


def test_hamburger_has_the_gradient_of_one_step():
    x, block = features(2, 4, 3, 3), made("hamburger", 4, rank=2)
    ham = F.relu(block.lower(x)).flatten(2)
    bases, codes = block.factors(ham)
    assert not bases.requires_grad and not codes.requires_grad
    by_hand = codes * (bases.mT @ ham) / (bases.mT @ bases @ codes + 1e-6)
    rebuilt = (bases @ by_hand).unflatten(2, (3, 3))
    (wanted,) = torch.autograd.grad(
        (x + block.norm(block.upper(rebuilt))).relu().square().sum(), ham
    )
    (got,) = torch.autograd.grad(block(x).square().sum(), block.lower.bias)
    # The bias of the first convolution moves what is above 0 of each channel alike.
    torch.testing.assert_close(got, (wanted * (ham > 0)).sum((0, 2)))


def test_hamburger_starts_at_random_in_training_only():
    x, block = features(2, 4, 5, 5), made("hamburger", 4)
    assert torch.equal(map_of(block, x), map_of(block, x))
    block.train()
    assert not torch.equal(map_of(block, x), map_of(block, x))
