"""Grad-CAM and occlusion against what can be worked out by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents import RAM, FullView, SoftAgent
from hardattn.looking.look import AtOnce
from hardattn.looking.saliency import grad_cam, occlusion
from hardattn.maps import recorded
from hardattn.rollout import greedy, rollout
from hardattn.scenes import Scenes
from hardattn.sensors import Retina, Whole
from hardattn.tasks import Classify
from hardattn.world import World

SIDE, CLASSES = 24, 5


def scene(seed: int = 0) -> Scenes:
    image = torch.randint(256, (1, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(seed))
    nought = torch.zeros(1, dtype=torch.int64)
    return Scenes(image.to(torch.uint8), nought, torch.full((1, 1, 4), torch.nan), nought)


def world() -> World:
    return World(Whole(), Classify(CLASSES), 1, first="centre")


class Linear(nn.Module):
    """A convolution, the mean over places, a linear layer: of it all is known."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 7, 5, stride=2)
        self.out = nn.Linear(7, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        return self.out(self.conv(image).mean((2, 3)))


@pytest.mark.parametrize("answer", range(CLASSES))
def test_grad_cam_of_a_linear_head_is_the_class_activation(answer: int) -> None:
    torch.manual_seed(0)
    net = Linear()
    found = grad_cam(AtOnce(net), world(), scene(), answer)
    with torch.no_grad():
        features = net.conv(scene().image / 255.0)[0]
        weights = net.out.weight[answer] / features[0].numel()
        wanted = torch.einsum("c,chw->hw", weights, features).relu()
    assert found is not None and found.layer == "net.conv"
    torch.testing.assert_close(found.density, wanted)


def test_of_soft_attention_it_is_the_map_of_the_mean_head() -> None:
    """(Zhou et al. 2016) is what Grad-CAM generalises."""
    torch.manual_seed(0)
    agent = SoftAgent((3, SIDE, SIDE), CLASSES).eval()
    with torch.no_grad(), recorded(agent) as maps:
        path = rollout(agent, world(), scene(), greedy)
    found = grad_cam(agent, world(), scene(), int(path.logits[0, 0].argmax()))
    assert found is not None and found.layer == "features"
    cam = maps[-1].tensor[0, 0]
    torch.testing.assert_close(found.density, cam / cam.numel())


@pytest.mark.parametrize("net, there", [("cnn", True), ("conv_2014", True), ("mlp", False)])
def test_every_network_with_a_feature_map_has_one(net: Any, there: bool) -> None:
    agent = FullView((3, SIDE, SIDE), CLASSES, net=net).train()
    assert (grad_cam(agent, world(), scene(), 0) is not None) == there
    assert agent.training and not any(part._forward_hooks for part in agent.modules())


def test_glimpses_have_none() -> None:
    looks = World(Retina(4), Classify(CLASSES), 3)
    assert grad_cam(RAM((3, 4, 4), CLASSES), looks, scene(), 0) is None


class Corner(nn.Module):
    """Answers 1 by how bright the first quarter is, and sees nothing else."""

    def forward(self, image: Tensor) -> Tensor:
        bright = image[..., : SIDE // 2, : SIDE // 2].mean((1, 2, 3))
        return torch.stack([torch.zeros_like(bright), 8 * bright - 1], 1)


def test_occlusion_is_where_covering_it_costs() -> None:
    some = scene()
    some.image.fill_(20)
    some.image[..., 2:8, 2:8] = 255
    found = occlusion(AtOnce(Corner()), world(), some, 1)
    assert found.shape == (SIDE, SIDE) and (found >= 0).all()
    assert found[4, 4] > 3 * found[10, 10] and found[16:, 16:].max() == 0
    other = occlusion(AtOnce(Corner()), world(), some, 0)
    assert other[3:7, 3:7].max() == 0, "it rises there"


def test_an_agent_that_looks_is_asked_as_it_looks() -> None:
    looks = World(Retina(4), Classify(CLASSES), 3)
    agent = RAM((3, 4, 4), CLASSES).eval()
    first = torch.zeros(1, 2)
    found = occlusion(agent, looks, scene(), 0, first=first)
    again = occlusion(agent, looks, scene(), 0, first=first)
    assert torch.equal(found, again) and found.shape == (SIDE, SIDE)
    assert torch.isfinite(found).all()
