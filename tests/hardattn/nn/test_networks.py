"""Networks of other people: their features, and blocks of ours in them."""

from typing import Any

import pytest
import torch
from torch import nn

from hardattn.attention import BLOCKS
from hardattn.maps import recorded
from hardattn.nn.networks import IMAGENET, Encoder, Normalise, Trunk, feature_map, insert, made
from tests.support.networks import NETWORKS, ResNet, Tokens, WithFeatures, encoder, plain

SHAPE = (3, 24, 32)


def image(count: int = 2, side: tuple[int, int] = (24, 32)) -> torch.Tensor:
    return torch.rand(count, 3, *side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NETWORKS)
def test_whatever_a_network_returns_becomes_a_feature_map(name: str) -> None:
    net, (channels, height, width) = NETWORKS[name]
    shape = (3, 16, 16) if name == "tokens" else SHAPE
    torch.manual_seed(0)
    trunk = Trunk(net, shape).eval()
    out = trunk(image(2, shape[1:]))
    assert out.shape == (2, channels, height or 4, width or 4) and trunk.channels == channels
    again = trunk(image(3, shape[1:]))[:2]
    torch.testing.assert_close(out, again)
    out.sum().backward()


def test_the_features_are_those_that_its_logits_are_read_from() -> None:
    torch.manual_seed(0)
    net = ResNet().eval()
    logits = net(image())
    features = Trunk(net, SHAPE).eval()(image())
    torch.testing.assert_close(net.fc(features.mean((2, 3))), logits)
    other = WithFeatures().eval()
    features = Trunk(other, SHAPE).eval()(image())
    torch.testing.assert_close(other.classifier(features.mean((2, 3))), other(image()))
    tokens = Tokens().eval()
    found = Trunk(tokens, (3, 16, 16)).eval()(image(2, (16, 16)))
    torch.testing.assert_close(found, tokens.patches(image(2, (16, 16))))


@pytest.mark.parametrize(
    "net", [nn.Flatten(), nn.Sequential(nn.Flatten(), nn.Linear(2304, 4)), lambda: nn.Identity]
)
def test_what_has_no_map_says_so(net: Any) -> None:
    with pytest.raises(ValueError, match=r"no feature map|no module"):
        Trunk(net, SHAPE)


def test_to_try_it_leaves_no_trace() -> None:
    net = ResNet()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    Trunk(net, SHAPE)
    assert torch.equal(torch.get_rng_state(), state) and net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_what_is_frozen_stays() -> None:
    trunk = Trunk(ResNet, SHAPE, frozen=True)
    names = insert(trunk, BLOCKS["cbam"].make, SHAPE)
    trunk.train()
    before = trunk(image())
    assert not any(
        weight.requires_grad for name, weight in trunk.named_parameters() if ".block." not in name
    )
    parts = dict(trunk.named_modules())
    assert all(parts[name].training for name in names)
    assert not parts["net.layer1.0.bn1"].training
    torch.testing.assert_close(trunk(image()), before)


def test_blocks_stand_at_the_ends_of_branches() -> None:
    net = ResNet()
    names = insert(net, BLOCKS["cbam"].make, SHAPE)
    wanted = [f"layer{stage}.{unit}.bn2.block" for stage in (1, 2) for unit in (0, 1)]
    assert names == wanted
    with torch.no_grad(), recorded(net.eval()) as maps:
        net(image())
    spatial = [one for one in maps if one.kind == "spatial gate"]
    assert [one.block for one in spatial] == [f"{name}.spatial" for name in wanted] or [
        one.name.startswith(name) for one, name in zip(spatial, wanted, strict=True)
    ] == [True] * 4
    assert [one.tensor.shape[1:] for one in spatial] == [(1, 24, 32)] * 2 + [(1, 12, 16)] * 2


def test_they_stand_where_they_are_asked_to() -> None:
    net = ResNet()
    assert insert(net, BLOCKS["se"].make, SHAPE, at="layer2.*.bn1") == [
        "layer2.0.bn1.block",
        "layer2.1.bn1.block",
    ]
    with pytest.raises(ValueError, match=r"'nothing' gives a feature map; there are conv1, "):
        insert(net, BLOCKS["se"].make, SHAPE, at="nothing")


def test_a_network_without_branches_has_them_at_the_ends_of_stages() -> None:
    net = plain(SHAPE)
    assert insert(net, BLOCKS["se"].make, SHAPE) == ["1.block", "3.block"]


@pytest.mark.parametrize("name", [name for name in BLOCKS if name != "none"])
def test_every_block_can_be_put_into_a_network(name: str) -> None:
    torch.manual_seed(0)
    net = ResNet()
    insert(net, BLOCKS[name].make, SHAPE, at="layer2")
    out = net(image())
    assert out.shape == (2, 7) and torch.isfinite(out).all()
    out.sum().backward()


def test_an_encoder_takes_what_a_network_makes_of_a_glimpse() -> None:
    torch.manual_seed(0)
    for net in (encoder, nn.Flatten(), lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 5))):
        made_of = Encoder(net, (3, 8, 8), features=20)
        out = made_of(torch.rand(4, 3, 8, 8), torch.rand(4, 2))
        assert out.shape == (4, 20) and (out >= 0).all()
    with pytest.raises(ValueError, match="takes no glimpses"):
        Encoder(nn.Linear(3, 3), (3, 8, 8))


def test_normalised_images_have_mean_nought() -> None:
    mean = torch.tensor(IMAGENET[0])[:, None, None]
    assert Normalise(*IMAGENET)(mean[None]).abs().max() == 0
    assert Normalise(*IMAGENET)(torch.rand(2, 1, 4, 4)).shape == (2, 3, 4, 4)
    assert not Normalise(*IMAGENET).state_dict()


def test_what_makes_no_module_is_refused() -> None:
    with pytest.raises(ValueError, match="which is no module"):
        made(lambda: 3, SHAPE)  # type: ignore[arg-type, return-value]
    with pytest.raises(ValueError, match="no feature map"):
        feature_map("words")


def test_a_model_of_timm() -> None:
    timm = pytest.importorskip("timm")
    for net, at in (
        (timm.create_model("resnet18", pretrained=False), ""),
        (timm.create_model("resnet18", pretrained=False, features_only=True), ""),
        (timm.create_model("vit_tiny_patch16_224", pretrained=False, img_size=64), None),
    ):
        trunk = Trunk(net, (3, 64, 64)).eval()
        if at is not None:
            insert(trunk, BLOCKS["cbam"].make, (3, 64, 64), at)
        with torch.no_grad(), recorded(trunk) as maps:
            assert trunk(torch.rand(2, 3, 64, 64)).shape[1] == trunk.channels
        assert at is None or maps


def test_a_model_of_torchvision() -> None:
    models: Any = pytest.importorskip("torchvision.models")
    for net in (models.resnet18(), models.mobilenet_v3_small(), models.vgg11()):
        trunk = Trunk(net, (3, 64, 64)).eval()
        insert(trunk, BLOCKS["cbam"].make, (3, 64, 64))
        with torch.no_grad(), recorded(trunk) as maps:
            assert trunk(torch.rand(2, 3, 64, 64)).shape[1] == trunk.channels
        assert maps
