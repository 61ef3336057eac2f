"""Graphs answer and look as their agent does, through torch.export and through onnxruntime."""

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from hardattn.agents import AGENTS, RAM, Scripted, SoftAgent
from hardattn.attention import BLOCKS, HEADS, Entry
from hardattn.data import load
from hardattn.evaluation.evaluate import evaluate
from hardattn.export import Deployed, ExportError, programs, to_onnx
from hardattn.rollout import Draw, greedy, sample, soft
from hardattn.scenes import Scenes, fixed_scenes, translated
from hardattn.sensors import Retina, Whole
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.agents import CLASSES, SIDE, SMALL, build

NAMED = {"ram": "ram gru", "full_view": "net cnn", "soft": "backbone vit"}
# One of each kind: two states, places to choose from, a stop, everything at once.
QUICK = ("ram", "dt_ram", "show_attend_tell", "soft")
TABLE = [
    pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow)
    for name, row in AGENTS.items()
    if not row.export
]


@lru_cache
def scenes() -> Scenes:
    return fixed_scenes(partial(translated, canvas=SIDE), load("digits").test, 0).slice(0, 7)


def awake(agent: Any) -> Any:
    """The same with weights that have moved, so that what starts at zero or alike does not stay."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for weight in agent.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return agent.eval()


def made(name: str) -> tuple[Any, World]:
    who = NAMED.get(name, f"agent {name}")
    agent, world = build(who, looks=1 if name in ("full_view", "soft", "gat_cluster") else 3)
    return awake(agent), world


def assert_alike(agent: Any, deployed: Any, world: World, draw: Draw = greedy) -> None:
    """Every answer, place and stop of whole episodes, in batches of one, three and seven."""
    ours = evaluate(agent, world, scenes(), draw)
    for batch in (1, 3, 7):
        theirs = evaluate(deployed, world, scenes(), batch=batch)
        for name in ("log_probability", "location"):
            one, other = getattr(theirs, name), getattr(ours, name)
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0, equal_nan=True)
        assert torch.equal(theirs.looks, ours.looks)


def onnx(agent: Any, world: World, folder: Path, draw: Draw = greedy) -> Deployed:
    to_onnx(programs(agent, world, scenes(), draw), folder)
    return Deployed(folder)


@pytest.mark.parametrize("name", TABLE)
def test_agents_through_onnxruntime(name: str, tmp_path: Path) -> None:
    agent, world = made(name)
    draw = soft if name in ("show_attend_tell", "sequential", "scal") else greedy
    assert_alike(agent, onnx(agent, world, tmp_path, draw), world, draw)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["show_attend_tell", "sequential", "scal", "variational"])
def test_hard_looks_at_cells_through_onnxruntime(name: str, tmp_path: Path) -> None:
    agent, world = made(name)
    assert_alike(agent, onnx(agent, world, tmp_path), world)


@pytest.mark.parametrize("name", [name for name, row in AGENTS.items() if row.export])
def test_what_is_said_to_have_no_graph_has_none(name: str) -> None:
    agent, world = made(name)
    with pytest.raises(Exception, match="data-dependent"):
        programs(agent, world, scenes())


def test_a_graph_of_torch_is_the_agent_and_draws_nothing() -> None:
    agent, world = made("spread_ram")
    graphs = programs(agent, world, scenes())
    step = graphs["step"].module()
    for count in (1, 5):
        some = scenes().slice(0, count)
        place = world.place(world.first(some, torch.Generator().manual_seed(3)))
        seen = world.observe(world.open(some), place, 1)
        state = agent.start(world.context(some))
        (started,) = graphs["start"].module()(world.context(some))
        assert torch.equal(started, state)
        with torch.no_grad():
            after, decision = agent.step(state, seen)
            following, where, logits = step((state,), *seen)
        assert torch.equal(following, after)
        assert torch.equal(where, decision.location.mode) and torch.equal(logits, decision.logits)
    drawn = ("rand", "uniform", "normal", "exponential", "bernoulli", "multinomial", "cdist")
    names = [str(node.target) for graph in graphs.values() for node in graph.graph.nodes]
    assert len(names) > 20 and not [name for name in names if any(word in name for word in drawn)]


def test_names_and_batch_of_a_step(tmp_path: Path) -> None:
    agent, world = made("dt_ram")
    sessions = onnx(agent, world, tmp_path).sessions
    given, returned = sessions["step"].get_inputs(), sessions["step"].get_outputs()
    assert [each.name for each in given] == ["state_0", "glimpse", "location", "step"]
    assert [each.name for each in returned] == ["next_0", "place", "logits", "stop"]
    assert [each.shape for each in given] == [
        ["batch", 12],
        ["batch", 2, 3, 3],
        ["batch", 2],
        ["batch"],
    ]
    assert [each.name for each in sessions["start"].get_outputs()] == ["state_0"]


def test_other_weights_are_told_apart(tmp_path: Path) -> None:
    agent, world = made("ram")
    deployed = onnx(agent, world, tmp_path)
    with torch.no_grad():
        agent.locator.bias += 1e-3
    with pytest.raises(AssertionError):
        assert_alike(agent, deployed, world)


def test_who_draws_has_no_graph() -> None:
    world = World(Retina(3, 2), Classify(CLASSES), 3)
    drifting = Scripted(RAM((2, 3, 3), CLASSES, **SMALL), "random", 3)
    with pytest.raises(ExportError, match="its looks are drawn"):
        programs(drifting, world, scenes())
    with pytest.raises(ExportError, match="no noise"):
        programs(RAM((2, 3, 3), CLASSES, **SMALL), world, scenes(), sample)


def test_exporting_leaves_the_agent_as_it_was() -> None:
    agent, world = made("ram")
    before = [weight.clone() for weight in tree_leaves(agent.state_dict())]
    agent.train()
    programs(agent, world, scenes())
    assert agent.training and all(weight.requires_grad for weight in agent.parameters())
    for one, other in zip(tree_leaves(agent.state_dict()), before, strict=True):
        assert torch.equal(one, other)


def test_an_empty_folder_is_no_agent(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no forward.onnx and no step.onnx"):
        Deployed(tmp_path)


LAYERS = [("block", name, row) for name, row in BLOCKS.items()]
LAYERS += [("head", name, row) for name, row in HEADS.items()]


def attending(kind: str, row: Entry) -> tuple[nn.Module, World]:
    torch.manual_seed(0)
    world = World(Whole(), Classify(CLASSES), 1, first="centre")
    options: dict[str, Any] = {kind: row.make}
    return awake(SoftAgent((1, SIDE, SIDE), CLASSES, width=16, **options)), world


def test_reasons_are_given_for_rows_there_are() -> None:
    for _, name, row in LAYERS:
        assert not (row.export and row.onnx), f"{name} cannot be exported, so not become ONNX"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The tensor attributes.*_flat_weights:UserWarning")
@pytest.mark.parametrize("kind, name, row", LAYERS, ids=[f"{k} {n}" for k, n, _ in LAYERS])
def test_soft_attention_through_onnxruntime(
    kind: str, name: str, row: Entry, tmp_path: Path
) -> None:
    agent, world = attending(kind, row)
    if row.export or row.onnx:
        with pytest.raises(Exception, match=r"onnx|export|ONNX|batch"):
            onnx(agent, world, tmp_path)
        return
    assert_alike(agent, onnx(agent, world, tmp_path), world)
