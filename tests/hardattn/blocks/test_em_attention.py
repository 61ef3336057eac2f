"""Expectation-maximisation attention: its equations, and what theory says exactly."""

from collections.abc import Callable
from math import log

import pytest
import torch
from torch.nn import functional as F

from hardattn.attention import BLOCKS
from tests.support.blocks import features, made, map_of
from tests.support.features import CHANNELS, SEEDS, untrained

WEIGHTS: dict[str, Callable[..., int]] = {
    "em_attention": lambda c: 2 * c * c + c + 2 * c,
}


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
            shares = torch.stack([torch.softmax(bases.T @ seen[one, :, n], 0) for n in range(6)])
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
    assert choice.mean() < 0.6, "places go by all bases alike"
    block.temperature = 20.0
    bases = block.iterate(block.before(x).flatten(2))
    hotter = (bases.mT @ bases).masked_select(~torch.eye(16, dtype=torch.bool))
    assert hotter.mean() > cosine.mean() + 0.1, "it is the temperature that tells them apart"


def test_em_attention_lets_no_gradient_through_its_iterations():
    x, block = features(2, 4, 3, 3), made("em_attention", 4)
    seen = block.before(x).detach().requires_grad_()
    assert not block.iterate(seen.flatten(2)).requires_grad
    block(x).sum().backward()
    assert block.before.weight.grad.abs().max() > 0
