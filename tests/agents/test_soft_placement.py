"""Where blocks stand: each says so once, and the backbones obey."""

from typing import Any

import pytest
import torch
from torch import nn

from hardattn.agents import BACKBONES, SoftAgent
from hardattn.agents.soft import PLACEMENTS, ResidualUnit, Scaled, TransformerLayer
from hardattn.attention import BLOCKS, HEADS, Entry

ALL: dict[str, Entry] = {**BLOCKS, **HEADS}
IMAGE, CLASSES, WIDTH = (1, 24, 24), 10, 32
# What those of a family stand as, by whichever paper; the rest say for themselves.
GATES = "se eca cbam cbam_channel cbam_spatial coordinate fca soca harmonious hoga".split()
REPLACEMENTS = "split selective_kernel deformable deformable_v2 stand_alone axial span".split()
CONTEXTS = "non_local danet criss_cross double efficient em_attention hamburger multi_head".split()


def said(name: str) -> str:
    return str(getattr(ALL[name].make, "placement", "nothing"))


def build(backbone: Any, seed: int = 0, **options: Any) -> SoftAgent:
    torch.manual_seed(seed)
    return SoftAgent(IMAGE, CLASSES, backbone=backbone, **options)


def units(agent: SoftAgent) -> list[ResidualUnit | TransformerLayer]:
    return [one for one in agent.features.units if isinstance(one, ResidualUnit | TransformerLayer)]


@pytest.mark.parametrize("name", ALL)
def test_every_row_says_where_it_stands(name: str) -> None:
    assert said(name) in PLACEMENTS, f"{name} says {said(name)!r}"
    assert (said(name) == "pooling") == (name in HEADS)
    # A number that starts at zero before another one would never be learned.
    row = ALL[name]
    starts = row.identity_at_start or row.training_only
    assert starts == (said(name) == "context")


def test_families_stand_where_their_authors_have_them() -> None:
    assert {said(name) for name in GATES} == {"branch"}
    assert {said(name) for name in REPLACEMENTS} == {"replacement"}
    assert {said(name) for name in CONTEXTS} == {"context", "scaled"}
    assert set(PLACEMENTS) == {said(name) for name in ALL}


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("name", BLOCKS)
def test_backbones_put_every_block_where_it_says(name: str, backbone: str) -> None:
    make = BLOCKS[name].make
    agent = build(backbone, block=make)
    assert isinstance(make, type)
    there = {
        "branch": [one.gate for one in units(agent)],
        "replacement": [
            one.second if isinstance(one, ResidualUnit) else one.attend for one in units(agent)
        ],
        "context": [agent.features.context],
        "scaled": [getattr(agent.features.context, "block", None)],
    }
    for place, found in there.items():
        assert all(isinstance(each, make) == (place == said(name)) for each in found), place
    scaled = isinstance(agent.features.context, Scaled)
    assert scaled == (said(name) == "scaled")


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("name", ["se", "multi_head", "non_local"])
def test_the_rest_starts_alike_with_a_block_and_without(name: str, backbone: str) -> None:
    plain, with_block = build(backbone), build(backbone, block=BLOCKS[name].make)
    mine = with_block.state_dict()
    for key, value in plain.state_dict().items():
        assert torch.equal(mine[key], value), key


@pytest.mark.parametrize("name", [name for name in BLOCKS if said(name) in ("scaled", "context")])
def test_context_starts_as_nothing_and_is_learned(name: str) -> None:
    """In evaluation, since one row attends in training only."""
    image = torch.rand(4, *IMAGE)
    plain, attending = build("cnn").eval(), build("cnn", block=BLOCKS[name].make).eval()
    torch.testing.assert_close(attending.features(image), plain.features(image))
    if not BLOCKS[name].training_only:
        attending.head(attending.features(image)).square().sum().backward()
        given = [one.grad for one in attending.features.context.parameters()]
        assert any(one is not None and bool(one.any()) for one in given)


class Mute(nn.Identity):
    """Says nothing of where it stands."""


class Astray(nn.Identity):
    placement = "somewhere"


def test_who_says_nothing_is_scaled_and_nonsense_is_refused() -> None:
    assert isinstance(build("cnn", block=lambda channels: Mute()).features.context, Scaled)
    with pytest.raises(ValueError, match="somewhere"):
        build("cnn", block=lambda channels: Astray())
    with pytest.raises(ValueError, match="pooling"):
        build("cnn", block=lambda channels: HEADS["retain"].make(channels, CLASSES))


def test_a_replacement_needs_as_many_channels_on_both_sides() -> None:
    with pytest.raises(ValueError, match="not 7 and 32"):
        build("cnn", block=BLOCKS["split"].make, middle=7)
