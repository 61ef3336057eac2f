"""Boosted attention: what stands out is boosted, and what does not passes as it is."""

import torch

from hardattn.agents import BoostedCaptioner
from hardattn.maps import recorded


def test_cells_that_stand_out_are_boosted() -> None:
    torch.manual_seed(0)
    agent = BoostedCaptioner((1, 8, 8), 5, context=(1, 32, 32), looks=3, features=8, hidden=6)
    agent.eval()
    image = torch.zeros(1, 1, 32, 32)
    image[..., 9:15, 9:15] = 1.0  # in the cell of row 1, column 1
    with recorded(agent) as maps:
        features = agent.start(image).telling.features
    (one,) = maps
    assert one.tensor.shape == (1, 1, 4, 4) and one.tensor.max() == 1
    assert one.tensor.flatten().argmax() == 5
    assert not one.tensor[..., 3, :].any() and not one.tensor[..., 3].any()
    encoder = agent.encoder
    plain = encoder.value(encoder.encoder(image))
    factor = (one.tensor.flatten(2).mT * encoder.boost.weight[:, 0]).relu().add(torch.e).log()
    assert torch.allclose(features, plain * factor, atol=1e-6)
    assert torch.allclose(features[0, 15], plain[0, 15], atol=1e-6)
