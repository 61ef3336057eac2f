"""Before anything was learned: every block attends to its image, and its output shows it."""

import pytest
import torch
from torch import Tensor, nn

from hardattn.attention import BLOCKS, HEADS
from hardattn.blocks.se import SE
from hardattn.maps import CONTROLS, recorded, replaced
from tests.support.features import CHANNELS, SEEDS, untrained

EVERYONE = [f"block {name}" for name in BLOCKS] + [f"head {name}" for name in HEADS]
LEAST = 1e-6  # float64 rounds at 1e-16, and what is the same for all images is so to the bit

# Whose map is the same for every image at the start: the layer that makes it starts at zero, as
# published, and so offsets are none and transforms the identity.
SAME_MAP = frozenset(
    {
        ("deformable", "geometric"),
        ("deformable_v2", "geometric"),
        ("harmonious_regions", "geometric"),
        ("general", "pooled query"),
        ("spatial_transformer", "geometric"),
        ("spatial_transformer_zoom", "geometric"),
    }
)

# Whose output does not go by the map at the start, and why.
SAME_OUTPUT = {
    "criss_cross": "what it adds to its input is multiplied by a number that starts at zero",
    "danet": "what it adds to its input is multiplied by a number that starts at zero",
    "danet_channel": "what it adds to its input is multiplied by a number that starts at zero",
    "danet_position": "what it adds to its input is multiplied by a number that starts at zero",
    "deformable": "its map is the same for every image",
    "deformable_v2": "its map is the same for every image",
    "gain": "its map is made from its answer, and is there for the loss",
    "non_local": "what it adds to its input goes through a norm whose scale starts at zero",
    "sagan": "what it adds to its input is multiplied by a number that starts at zero",
    "spatial_transformer": "its map is the same for every image",
    "spatial_transformer_zoom": "its map is the same for every image",
}

# Who has some gates that are the same for every image. It adds up all the operations that an edge
# can be, 80 in all, and in one network of 20 the eight units of one of their gates are shut.
SOME_SHUT = frozenset({"hoga_search"})


def build(who: str, seed: int) -> nn.Module:
    """As it starts, float64, in the mode in which it attends."""
    kind, name = who.split()
    torch.manual_seed(seed)
    row = BLOCKS[name] if kind == "block" else HEADS[name]
    made = row.make(CHANNELS) if kind == "block" else row.make(CHANNELS, 10)
    return made.double().train(row.training_only)


def again(block: nn.Module, x: Tensor) -> Tensor:
    """The output, with the same noise whenever it is asked."""
    torch.manual_seed(3)
    return block(x).detach()


def same(tensor: Tensor) -> bool:
    """Whether it is the same for every image."""
    return bool((tensor - tensor[:1]).abs().max() < LEAST)


def test_exceptions_are_rows() -> None:
    assert {name for name, _ in SAME_MAP} | SAME_OUTPUT.keys() | SOME_SHUT <= {*BLOCKS, *HEADS}


@pytest.mark.parametrize("who", EVERYONE)
def test_the_output_depends_on_the_image_through_the_map(who: str) -> None:
    name = who.split()[1]
    for seed in SEEDS:
        block = build(who, seed)
        x = untrained(seed, str(block.placement))
        with recorded(block) as maps:
            y = again(block, x)
        with replaced(block, CONTROLS["foreign"]):
            foreign = again(block, x)
        for one in maps:
            if name not in SOME_SHUT:
                assert same(one.tensor) == ((name, one.kind) in SAME_MAP), (seed, one.name)
        moved = (foreign - y).norm() / y.norm()
        assert (moved < LEAST) == (name in SAME_OUTPUT), seed


def test_a_gate_of_two_units_is_caught() -> None:
    shut = 0
    for seed in SEEDS:
        block = build("block se", seed)
        assert isinstance(block, SE)
        block.squeeze, block.excite = nn.Linear(CHANNELS, 2), nn.Linear(2, CHANNELS)
        with recorded(block.double()) as maps:
            block(untrained(seed, "branch"))
        shut += same(maps[0].tensor)
    assert shut >= 2
