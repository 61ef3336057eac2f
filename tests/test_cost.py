"""Operations against formulas by hand, and against torch's counter."""

from functools import partial
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hardattn.agents import DRAM, RAM, FullView, SoftAgent, no_block
from hardattn.blocks import HEADS
from hardattn.blocks.sagan import SAGAN
from hardattn.cost import Operations, flops
from hardattn.data import load
from hardattn.rollout import greedy, rollout
from hardattn.scenes import Scenes, frozen, translated
from hardattn.sensors import Retina, Whole
from hardattn.tasks import Classify
from hardattn.world import World


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return frozen(partial(translated, canvas=16), load("digits").test, 0).slice(0, 3)


LOOKS = World(Retina(4, 2), Classify(10), 5)
ONCE = World(Whole(), Classify(10), 1, first="centre")


def test_ram_by_hand(scenes: Scenes) -> None:
    agent = RAM((2, 4, 4), 10, hidden=12, what=7, where=5)
    glimpse = 32 * 7 + 7 * 12 + 2 * 5 + 5 * 12
    core, heads = 2 * 12 * 12, 12 * (10 + 2 + 1)
    assert flops(agent, LOOKS, scenes) == 2 * 5 * (glimpse + core + heads)


def test_self_attention_by_hand(scenes: Scenes) -> None:
    block = partial(SoftAgent, (1, 16, 16), 10, width=16)
    plain, attending = (flops(block(block=each), ONCE, scenes) for each in (no_block, SAGAN))
    places, projections = 16, 16 * (2 + 2 + 16)
    assert attending - plain == 2 * 2 * (places * projections + places**2 * (2 + 16))


def test_a_fused_lstm_by_hand() -> None:
    with torch.no_grad(), Operations() as counter:
        torch.nn.LSTM(7, 5, 2)(torch.randn(3, 4, 7))
    assert counter.total == 2 * 3 * 4 * (4 * 5 * (7 + 5) + 4 * 5 * (5 + 5))


@pytest.mark.parametrize("who", ["ram", "dram", "cnn", "vit"])
def test_as_torch_counts(who: str, scenes: Scenes) -> None:
    whole: Any = SoftAgent((1, 16, 16), 10, width=16, backbone="vit")
    agent, world = {
        "ram": (RAM((2, 4, 4), 10, core="gru"), LOOKS),
        "dram": (DRAM((2, 4, 4), 10), LOOKS),
        "cnn": (FullView((1, 16, 16), 10), ONCE),
        "vit": (whole, ONCE),
    }[who]
    agent.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        rollout(agent, world, scenes.slice(0, 1), greedy)
    assert flops(agent, world, scenes) == counter.get_total_flops() > 0


def test_an_agent_that_differentiates_is_counted(scenes: Scenes) -> None:
    agent = SoftAgent((1, 16, 16), 10, width=16, head=HEADS["gain"]).eval()
    plain = SoftAgent((1, 16, 16), 10, width=16).eval()
    once = 2 * 16 * 16 * 16 * 9  # its convolution on 4x4 places
    assert flops(agent, ONCE, scenes) - flops(plain, ONCE, scenes) > 3 * once
