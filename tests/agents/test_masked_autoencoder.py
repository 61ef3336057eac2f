"""The masked autoencoder: what it is asked for, and that what it learns can be read off."""

import pytest
import torch

from hardattn.agents import MaskedAutoencoder
from tests.hardattn.estimators.test_pretraining import WORLD, built, scenes


def test_each_patch_is_wanted_with_mean_0_and_spread_1() -> None:
    agent = MaskedAutoencoder((2, 8, 12), 10, width=8)
    image = torch.rand(3, 2, 8, 12)
    wanted = agent.wanted(image)
    assert wanted.shape == (3, 6, 32)
    assert torch.allclose(wanted.mean(2), torch.zeros(3, 6), atol=1e-5)
    assert torch.allclose(wanted.square().mean(2), torch.ones(3, 6), atol=1e-3)
    patch = image[1, :, 4:8, 8:12].flatten()
    patch = (patch - patch.mean()) / patch.std(unbiased=False)
    assert torch.allclose(wanted[1, 5], patch, atol=1e-3)


def test_a_side_that_does_not_divide_an_image_is_refused() -> None:
    with pytest.raises(ValueError, match="patches of 5 pixels divide an image"):
        MaskedAutoencoder((1, 12, 12), 10, side=5)


def test_it_learns_to_restore() -> None:
    """The error of what is hidden falls on a batch."""
    agent, estimator = built("masked_pixels", pretraining=1000)
    descent = torch.optim.Adam(agent.parameters(), 1e-2)
    noise, lost, given = torch.Generator().manual_seed(1), [], scenes(16)
    for _ in range(25):
        descent.zero_grad()
        loss = estimator(agent, WORLD, given, noise)
        loss.total.backward()
        descent.step()
        lost.append(loss.total.item())
    assert sum(lost[-5:]) < 0.95 * sum(lost[:5])
