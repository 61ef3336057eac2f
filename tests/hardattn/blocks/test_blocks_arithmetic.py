"""What several kinds of arithmetic attention have in common."""

import pytest
from torch import nn

from tests.support.blocks import made


@pytest.mark.parametrize("name", ["em_attention", "hamburger"])
def test_convolutions_start_from_noise_of_the_size_that_the_authors_have(name: str):
    convolutions = [part for part in made(name, 64).modules() if isinstance(part, nn.Conv2d)]
    assert len(convolutions) == 2
    for conv in convolutions:
        assert abs(conv.weight.std() / (2 / 64) ** 0.5 - 1) < 0.05
        assert abs(conv.weight.mean()) < 0.01
        # A uniform draw of this variance ends at sqrt(3) deviations.
        assert conv.weight.abs().max() > 3 * conv.weight.std()
