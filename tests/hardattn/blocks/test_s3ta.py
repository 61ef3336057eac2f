"""Soft sequential attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from hardattn.nn.layers import spatial_basis
from tests.support.blocks import maps_of
from tests.support.pooling_blocks import build, features, s3ta

# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    "sequential": s3ta,
}


def test_s3ta_is_its_equations() -> None:
    x, head = features(), build("sequential", looks=3, queries=2)
    lstm, basis = head.core.cell, spatial_basis(3, 4, 2, x)
    maps = maps_of(head, x)
    for i in range(2):
        keys = torch.cat([head.key(x)[i].flatten(1).T, basis], 1)
        values = torch.cat([head.value(x)[i].flatten(1).T, basis], 1)
        h = c = torch.zeros(1, 64, dtype=torch.float64)
        for look in range(3):
            asked = head.query(h)[0].view(2, 24)
            shares = [torch.stack([k @ q for k in keys]).softmax(0) for q in asked]
            torch.testing.assert_close(maps[look].tensor[i], torch.stack(shares))
            h, c = lstm(torch.cat([values.T @ share for share in shares])[None], (h, c))
        torch.testing.assert_close(head(x)[i], head.classifier(h)[0])
