"""Hamburger, attention by matrix factorisation: its equations, and what theory says exactly."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.blocks.hamburger import updated
from tests.support.blocks import features, made, map_of

WEIGHTS: dict[str, Callable[..., int]] = {
    "hamburger": lambda c: 2 * c * c + c + 2 * c,
}


def test_hamburger_ends_with_a_rectifier():
    x, block = features(2, 8, 5, 5), made("hamburger", 8)
    y = block(x)
    assert (y >= 0).all() and (y == 0).any() and (y > 0).any()


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
