"""Attention by random features: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.attention import BLOCKS
from tests.support.self_attention import build, queries_and_keys

# How many weights the equations give for C channels; 4 heads, of C / 4 channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "random_features": lambda c: 4 * c * c + 2 * c + c,
}


def test_random_features_tend_to_softmax_like_one_over_the_root_of_their_number():
    query, key = queries_and_keys(places=20, count=1)
    exact = (F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).transpose(2, 3)).softmax(-1)

    def error(features: int) -> float:
        block = BLOCKS["random_features"].make(16, features=features).double().train()
        torch.manual_seed(6)
        found = torch.stack([block.weights(query, key).detach() for _ in range(40)])
        return float((found - exact).square().mean().sqrt())

    scaled = [error(features) * features**0.5 for features in (64, 256, 1024)]
    assert max(scaled) < 1.1 * min(scaled)
    assert scaled[0] / 64**0.5 < 0.25 / 20


def test_there_are_as_many_random_features_as_the_authors_have():
    assert BLOCKS["random_features"].make(32).noise.shape == (4, 8, 64)


def test_random_features_are_linear_attention_of_sines_and_cosines():
    query, key = queries_and_keys(places=9)
    block = build("random_features", features=8)
    weights = block.weights(query, key)

    def feature(h: int, u: Tensor) -> Tensor:
        angle = (u / u.norm() * block.scale[h, :, 0]) @ block.noise[h]
        return torch.cat([angle.sin(), angle.cos()]) / 8**0.5

    for h in range(4):
        ours, theirs = (torch.stack([feature(h, u) for u in each[0, h]]) for each in (query, key))
        for i in range(9):
            kernel = theirs @ ours[i]
            torch.testing.assert_close(weights[0, h, i], kernel / max(1.0, float(kernel.sum())))
