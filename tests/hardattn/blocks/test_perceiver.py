"""Latents that ask all places: its equations, and what theory says exactly."""

import math
from collections.abc import Callable

import torch

from hardattn.blocks.perceiver import fourier_positions
from tests.support.blocks import maps_of
from tests.support.pooling_blocks import build, features, linear


def attend(c: int, other: int) -> int:
    """Query, key, value, out; two layers of an MLP; norms of both sides and in between."""
    projections = linear(c, c) + other * c + linear(other, c) + linear(c, c)
    return projections + 2 * linear(c, c) + 2 * (2 * c + other)


# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    "perceiver": lambda c, k: 16 * c + attend(c, c + 18) + 2 * attend(c, c) + linear(c, k),
}


def test_fourier_positions_reach_the_nyquist_frequency() -> None:
    positions = fourier_positions(torch.zeros(1, 1, 8, 6, dtype=torch.float64), 4)
    assert positions.shape == (48, 18)
    rows, columns = positions.view(8, 6, 2, 9).unbind(2)
    assert torch.equal(rows[:, :1].expand_as(rows), rows)
    assert torch.equal(columns[:1].expand_as(columns), columns)
    place = torch.linspace(-7, 7, 8, dtype=torch.float64) / 8
    torch.testing.assert_close(rows[:, 0, 0], place)
    torch.testing.assert_close(rows[:, 0, 1], torch.sin(math.pi * place))
    torch.testing.assert_close(rows[:, 0, 6], torch.cos(2 * math.pi * place))
    alternating = torch.tensor([1.0, -1.0]).double()
    torch.testing.assert_close(rows[:, 0, 4], alternating.repeat(4))
    torch.testing.assert_close(columns[0, :, 4], -alternating.repeat(3))


def test_latents_ask_places_with_their_positions() -> None:
    x, head = features(), build("perceiver", latents=3, rounds=1, layers=0)
    (one,) = maps_of(head, x)
    block = head.cross
    for i in range(2):
        places = torch.cat([x[i].flatten(1).T, fourier_positions(x, 4)], 1)
        for latent in range(3):
            query = block.query(block.norm(head.latents[0, latent]))
            scores = [query @ (block.key.weight @ block.other(place)) / 4 for place in places]
            wanted = torch.stack(scores).softmax(0)
            torch.testing.assert_close(one.tensor[i, latent], wanted)
    assert one.density is not None
    torch.testing.assert_close(one.density.sum((1, 2)), torch.ones(2).double())
