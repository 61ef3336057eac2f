"""Maps are heard, noise is drawn and costs are charged for the model and the thread meant."""

import copy
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents import SoftAgent
from hardattn.attention import BLOCKS
from hardattn.maps import (
    CONTROLS,
    AttentionMap,
    Map,
    charged,
    foreign_map,
    mean_map,
    recorded,
    replaced,
)
from hardattn.noise import noise_from
from tests.hardattn.blocks.test_blocks import EVERYONE, attending, awake, build, images


class Passes(NamedTuple):
    """All that comes out of several passes through a block or a head."""

    output: Tensor
    maps: list[Tensor]
    costs: list[Tensor]


def passes(
    block: nn.Module, x: Tensor, seed: int, sampled: bool, ready: Callable[[], Any], count: int
) -> Passes:
    """Several passes with noise of their own; `ready` is called before them and after them."""
    generator = torch.Generator().manual_seed(seed)
    said = noise_from(generator, sampled)
    with torch.no_grad(), said, recorded(block) as maps, charged() as costs:
        ready()
        outputs = [block(x) for _ in range(count)]
        ready()
    return Passes(torch.stack(outputs), [one.tensor for one in maps], costs)


def same(one: Passes, other: Passes) -> bool:
    """Whether all tensors are equal to the bit."""
    flat = [[each.output, *each.maps, *each.costs] for each in (one, other)]
    return len(flat[0]) == len(flat[1]) and all(map(torch.equal, *flat))


def beside(*jobs: Callable[[Callable[[], Any]], Any]) -> list[Any]:
    """What each job makes, in a thread of its own; all wait for each other whenever one is ready.

    So that what one has said is in force, if it is in force for others, when these run.
    """
    barrier, made = threading.Barrier(len(jobs), timeout=60), [None] * len(jobs)

    def work(number: int) -> None:
        try:
            made[number] = jobs[number](barrier.wait)
        except threading.BrokenBarrierError:
            pass
        except BaseException as fault:
            made[number] = fault  # type: ignore[call-overload]
            barrier.abort()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in made:
        if isinstance(one, BaseException):
            raise one
    return made


DRAWS = ((5, True), (6, False))  # seeds, and whether an agent samples


def alone_and_beside(
    pair: tuple[nn.Module, nn.Module], x: Tensor, count: int
) -> tuple[list[Passes], list[Passes]]:
    """Passes of two models, of which one samples: one after the other, and in two threads."""

    def job(block: nn.Module, seed: int, sampled: bool) -> Callable[[Callable[[], Any]], Passes]:
        twin = copy.deepcopy(block)  # what a block counts in training starts anew
        return lambda ready: passes(twin, x, seed, sampled, ready, count)

    alone = [job(block, *draw)(lambda: None) for block, draw in zip(pair, DRAWS, strict=True)]
    return alone, beside(*(job(block, *draw) for block, draw in zip(pair, DRAWS, strict=True)))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("who", EVERYONE)
def test_two_threads_make_the_passes_that_each_makes_alone(who: str, training: bool) -> None:
    one, other = (awake(build(who, seed=seed)).train(training) for seed in (1, 2))
    alone, together = alone_and_beside((one, other), images(count=2), 2)
    assert same(alone[0], together[0]), "who samples"
    assert same(alone[1], together[1]), "who does not"


def test_two_threads_draw_many_passes_as_each_does_alone() -> None:
    x = images(32, count=2)
    nets = (build("block bayesian_weibull", 32, 1), build("block bayesian_weibull", 32, 2))
    alone, together = alone_and_beside(nets, x, 40)
    assert all(map(same, alone, together))
    sampled, mean = (one.output for one in together)
    assert not torch.equal(sampled[0], sampled[1])
    assert all(torch.equal(each, mean[0]) for each in mean)


@pytest.mark.parametrize("who", EVERYONE)
def test_a_model_is_heard_and_no_other(who: str) -> None:
    block, x = attending(who), images()
    twin = copy.deepcopy(block)

    def again(model: nn.Module) -> Tensor:
        torch.manual_seed(3)
        return model(x)

    y = again(twin)
    with recorded(block) as maps:
        again(twin)
        assert not maps, "another model was heard"
        again(block)
        count = len(maps)
        again(twin)
    assert len(maps) == count > 0
    for one in maps:
        part = block.get_submodule(one.name)
        assert isinstance(part, AttentionMap)
        assert (one.kind, one.over) == (part.kind, part.over)
        assert not one.name or block.get_submodule(one.block)
    with replaced(block, lambda one: torch.zeros_like(one.tensor)):
        assert torch.equal(again(twin), y), "another model's map was replaced"


@pytest.mark.parametrize("who", EVERYONE)
def test_maps_have_no_weights_and_leave_no_hooks(who: str) -> None:
    block = build(who)
    parts = [(name, part) for name, part in block.named_modules() if isinstance(part, AttentionMap)]
    assert parts
    for name, part in parts:
        assert not part.state_dict()
        assert not [key for key in block.state_dict() if key.startswith(f"{name}.")]
    with (
        pytest.raises(RuntimeError, match="asked"),
        recorded(block),
        replaced(block, CONTROLS["mean"]),
    ):
        assert all(part.heard for _, part in parts)
        raise RuntimeError("asked for")
    assert not any(part.heard for _, part in parts)


def test_another_thread_that_runs_the_same_model_is_not_heard() -> None:
    block, x = build("block se"), images()
    plain = block(x)

    def listens(ready: Callable[[], Any]) -> list[Map]:
        with recorded(block) as maps, replaced(block, lambda one: 0 * one.tensor):
            ready()
            block(x)
            ready()
        return maps

    def runs(ready: Callable[[], Any]) -> Tensor:
        ready()
        y = block(x)
        ready()
        return y

    maps, y = beside(listens, runs)
    assert len(maps) == 1 and not maps[0].tensor.any()
    assert torch.equal(y, plain)


def test_a_map_knows_its_block_within_an_agent() -> None:
    agent = SoftAgent((1, 16, 16), 3, block=BLOCKS["cbam"].make, width=8).eval()
    with torch.no_grad(), recorded(agent) as maps:
        agent.head(agent.features(torch.rand(2, 1, 16, 16)))
    names = [one.name for one in maps]
    gates = [
        f"features.units.{unit}.gate.{gate}.map"
        for unit in (0, 1)
        for gate in ("channel", "spatial")
    ]
    assert names == [*gates, "head.map"]
    assert [one.block for one in maps][-2:] == ["features.units.1.gate.spatial", "head"]
    with torch.no_grad(), recorded(agent.features) as maps:
        agent.features(torch.rand(2, 1, 16, 16))
    assert [f"features.{one.name}" for one in maps] == gates


def test_one_block_of_several_can_be_replaced_by_its_name() -> None:
    agent = SoftAgent((1, 16, 16), 3, block=BLOCKS["se"].make, width=8).eval()
    x = torch.rand(2, 1, 16, 16)

    def shut(one: Map) -> Tensor:
        return 0 * one.tensor if one.block == "features.units.1.gate" else one.tensor

    with torch.no_grad(), recorded(agent) as maps, replaced(agent, shut):
        agent.features(x)
    assert [bool(one.tensor.any()) for one in maps] == [True, False]


def test_the_innermost_change_is_first_and_the_last_is_recorded() -> None:
    block, x = build("block se"), images()

    def plus(one: Map) -> Tensor:
        return one.tensor + 1

    def twice(one: Map) -> Tensor:
        return one.tensor * 2

    with recorded(block) as own:
        block(x)
    with (
        recorded(block) as outside,
        replaced(block, plus),
        recorded(block) as between,
        replaced(block, twice),
        recorded(block) as inside,
    ):
        y = block(x)
    wanted = own[0].tensor * 2 + 1
    for maps in (outside, between, inside):
        assert len(maps) == 1
        torch.testing.assert_close(maps[0].tensor, wanted)
    torch.testing.assert_close(y, x * wanted[:, :, None, None])


def test_torch_hooks_read_maps_too() -> None:
    block, x = build("head gated_pooling"), images()
    found: list[Tensor] = []
    handle = block.get_submodule("map").register_forward_hook(lambda *told: found.append(told[2]))
    with recorded(block) as maps:
        block(x)
    handle.remove()
    assert torch.equal(found[0], maps[0].tensor)


def test_what_is_no_module_has_no_maps() -> None:
    block = build("block se")
    with recorded(object()) as maps, replaced(object(), CONTROLS["mean"]):
        block(images())
    assert not maps


def test_a_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="'chanel gate': choose one of channel gate, spatial"):
        AttentionMap("chanel gate")


@pytest.mark.parametrize("control", [mean_map, foreign_map])
def test_an_image_alone_has_no_other_map(control: Callable[[Map], Tensor]) -> None:
    block = build("block se")
    with replaced(block, control):
        block(images(count=2))
        with pytest.raises(ValueError, match="map 'map': an image alone in its batch"):
            block(images(count=1))
