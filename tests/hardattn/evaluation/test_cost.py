"""Bytes of tensors against a count by hand, and what is measured of an episode."""

import json
import time
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn.agents import RAM, FullView, SoftAgent
from hardattn.attention import HEADS
from hardattn.data import load
from hardattn.distributions import Stop
from hardattn.evaluation import cost
from hardattn.evaluation.cost import Memory, flops, measure, memory
from hardattn.rollout import greedy, rollout
from hardattn.scenes import Scenes, fixed_scenes, translated
from tests.support.agents import EVERYONE, OTHERS, build
from tests.support.cost import LOOKS, ONCE, T


def test_an_agent_that_differentiates_is_counted(scenes: Scenes) -> None:
    agent = SoftAgent((1, 16, 16), 10, width=16, head=HEADS["gain"].make).eval()
    plain = SoftAgent((1, 16, 16), 10, width=16).eval()
    once = 2 * 16 * 16 * 16 * 9  # its convolution on 4x4 places
    assert flops(agent, ONCE, scenes) - flops(plain, ONCE, scenes) > 3 * once


def test_bytes_by_hand() -> None:
    held = torch.zeros(100)
    with Memory(held) as watched:
        assert watched.alive == 400
        a = torch.zeros(1000)  # 4,000 more
        b = a.view(10, 100)[:5]  # none more
        c = b + 1  # 2,000 more
        assert watched.alive == watched.peak == 6400
        del a
        assert watched.alive == 6400, "a view holds all that it was cut from"
        del b
        assert watched.alive == 2400 and watched.peak == 6400
        c.mul_(2)
        d = c.double()  # 4,000 more
        assert watched.alive == watched.peak == 6400
        del c, d
    assert watched.alive == 400 and watched.peak == 6400


def test_memory_of_an_mlp_by_hand() -> None:
    scenes = fixed_scenes(partial(translated, canvas=16), load("digits").test, 0).slice(0, 8)
    agent = FullView((1, 16, 16), 10, net="mlp").eval()
    weights = 4 * (256 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10)
    given = 8 * (256 + 8 + 4 * 4 + 8)  # a byte a pixel, target, box, index
    view = 4 * 8 * 256
    places = 4 * 8 * (2 + 1 + 1)  # as asked and seen; the step; who goes on
    widest = 4 * 8 * (256 + 256)  # a layer, and the one that it is made of
    assert memory(agent, ONCE, scenes) == weights + given + view + places + widest


def test_a_slice_is_charged_for_itself(scenes: Scenes) -> None:
    agent = RAM((2, 4, 4), 10).eval()
    alone = Scenes(*(part[:1].clone() for part in scenes))
    memory(agent, LOOKS, alone)  # the retina keeps its plan
    assert memory(agent, LOOKS, scenes.slice(0, 1)) == memory(agent, LOOKS, alone)


class Hasty(RAM):
    """Stops after its second look."""

    def step(self, state: Tensor, seen: Any) -> Any:
        state, decision = super().step(state, seen)
        return state, decision._replace(halt=Stop(torch.where(seen.step > 0.1, 9.0, -9.0)))


def test_an_episode_ends_when_the_agent_stops(scenes: Scenes) -> None:
    agent = Hasty((2, 4, 4), 10).eval()
    assert len(list(cost.episode(agent, LOOKS, scenes))) == 2
    assert len(list(cost.episode(agent, LOOKS, scenes, whole=True))) == 5


@pytest.mark.parametrize("who", [who for who in EVERYONE if who != "script random"])
def test_an_episode_answers_as_a_rollout_does(who: str, small: Scenes) -> None:
    agent, world = build(who)
    agent.eval()
    one, other = (torch.Generator().manual_seed(4) for _ in range(2))
    with torch.no_grad():
        looked = torch.stack(list(cost.episode(agent, world, small, greedy, one, whole=True)))
        wanted = rollout(agent, world, small, greedy, other).logits  # of all looks at once
        assert torch.allclose(looked, wanted, atol=1e-6)


def test_all_is_measured(scenes: Scenes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of times only what must hold of any; they are no matter of tests."""
    monkeypatch.setattr(cost, "SECONDS", 0.0)
    agent = RAM((2, 4, 4), 10).eval()
    threads = torch.get_num_threads()
    found = measure(agent, LOOKS, scenes)
    assert torch.get_num_threads() == threads and found["threads"] == 1
    assert json.loads(json.dumps(found)) == found
    assert found["parameters"] == sum(weight.numel() for weight in agent.parameters())
    assert found["flops"] == flops(agent, LOOKS, scenes) == found["flops_after"][-1]
    assert found["pixels_after"] == [32, 64, 96, 128, 160] and found["pixels"] == 160
    assert found["memory"]["weights"] == 4 * found["parameters"]
    assert found["memory"]["weights"] < found["memory"]["one"] < found["memory"]["batch"]
    latency, throughput = found["latency"], found["throughput"]
    assert throughput["batch"] == 3 and throughput["images_per_second"] > 0
    assert len(latency["after"]) == 5 and latency["after"] == sorted(latency["after"])
    for times in (latency, throughput):
        low, high = times["quartiles"]
        assert 0 < low <= times["seconds"] <= high and times["passes"] == cost.PASSES
        assert times["clock"] == "processor"
    exact = {key: one for key, one in found.items() if key not in ("latency", "throughput")}
    assert measure(agent, LOOKS, scenes, timed=False).keys() == exact.keys()


def test_what_a_pass_waits_is_nobodys_time(scenes: Scenes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside others a process waits for its turn: that is on the wall, and not in its time."""

    class Waiting(RAM):
        def step(self, state: Tensor, seen: Any) -> Any:
            time.sleep(0.02)
            return super().step(state, seen)

    monkeypatch.setattr(cost, "SECONDS", 0.0)
    found = measure(Waiting((2, 4, 4), 10).eval(), LOOKS, scenes)
    slept = LOOKS.looks * 0.02
    assert max(found["latency"]["quartiles"]) < slept > max(found["latency"]["after"])


def test_a_coarse_view_counts_as_pixels(small: Scenes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "SECONDS", 0.0)
    agent, world = build("agent dram", looks=T)
    assert OTHERS["dram"]["context"] == "coarse"
    assert measure(agent.eval(), world, small)["pixels"] == 144 + T * 2 * 25


@pytest.mark.gpu
def test_a_gpu_s_memory_is_that_of_its_tensors_and_a_little_more(scenes: Scenes) -> None:
    agent = RAM((2, 4, 4), 10).eval()
    here = memory(agent, LOOKS, scenes)
    there = memory(agent.cuda(), LOOKS, scenes.to("cuda"))
    assert here <= there
    assert measure(agent, LOOKS, scenes.to("cuda"))["memory"]["batch"] >= here
