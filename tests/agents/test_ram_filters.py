"""RAM's glimpse net: with a convolution first it is one, and without it nothing has changed."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from hardattn.agents import RAM, Player, ZoomRAM
from hardattn.nn.layers import GlimpseNet
from hardattn.world import Observation

SMALL: dict[str, Any] = {"hidden": 8, "what": 8, "where": 8}


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_filters_are_a_rectified_convolution_of_the_glimpse(stride: int) -> None:
    torch.manual_seed(0)
    sizes = {"what": 6, "where": 7, "features": 8}
    net = GlimpseNet((3, 4, 5), 2, **sizes, filters=2, filter_stride=stride)
    glimpse, place = torch.rand(9, 3, 4, 5), torch.rand(9, 2)
    weights = dict(net.named_parameters())
    filters, bias = weights["convolution.0.weight"], weights["convolution.0.bias"]
    seen = F.conv2d(glimpse, filters, bias, stride, padding=1)
    what = F.relu(net.what(F.relu(seen).flatten(1)))
    where = F.relu(net.where(place))
    wanted = F.relu(net.from_what(what) + net.from_where(where))
    assert torch.allclose(net(glimpse, place), wanted, atol=1e-6)


def test_without_filters_weights_and_answers_are_the_published_ones() -> None:
    torch.manual_seed(0)
    one = GlimpseNet(3 * 4 * 4)
    torch.manual_seed(0)
    two = GlimpseNet((3, 4, 4))
    assert list(one.state_dict()) == list(two.state_dict())
    assert {name.split(".")[0] for name in two.state_dict()} == {
        "what",
        "where",
        "from_what",
        "from_where",
    }
    glimpse, place = torch.rand(5, 3, 4, 4), torch.rand(5, 2)
    assert torch.equal(one(glimpse, place), two(glimpse, place))


@pytest.mark.parametrize("kind, places", [(RAM, 2), (ZoomRAM, 3), (Player, 3)])
def test_who_has_the_glimpse_net_of_ram_has_its_filters(kind: Any, places: int) -> None:
    agent = kind((1, 4, 4), 3, filters=2, **SMALL)
    assert agent.glimpse.convolution[0].weight.shape == (2, 1, 3, 3)
    seen = Observation(torch.rand(6, 1, 4, 4), torch.rand(6, places), torch.zeros(6))
    _, decision = agent.step(agent.start(torch.zeros(6, 0)), seen)
    decision.logits.sum().backward()
    assert agent.glimpse.convolution[0].weight.grad.abs().sum() > 0


def test_filters_are_for_images() -> None:
    with pytest.raises(ValueError, match=r"filters are for glimpses of \(C, G, G\)"):
        GlimpseNet(16, filters=2)
