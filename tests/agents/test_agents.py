"""One conformance test over all who look."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn import storage
from hardattn.agents import AGENTS, RAM, FullView, Scripted
from hardattn.distributions import LocationDistribution
from hardattn.estimators import ESTIMATORS
from hardattn.rollout import Decision, Trajectory, greedy, rollout, sample
from hardattn.scenes import Scenes
from hardattn.world import World
from tests.support.agents import CLASSES, EVERYONE, OTHERS, build, scenes


def quiet(agent: Any, world: World, some: Scenes, first: Tensor) -> Trajectory:
    """The greedy episode; where there is no mode, always the same draws."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return rollout(agent, world, some, greedy, generator, first)


def test_the_table_is_whole() -> None:
    assert OTHERS.keys() < AGENTS.keys(), "a small agent is of a row of AGENTS that there is"
    for name, row in AGENTS.items():
        assert row.learns_by in ESTIMATORS, f"{name} learns by no row of ESTIMATORS"
    for who in EVERYONE:
        agent, _ = build(who)
        assert sum(weight.numel() for weight in agent.parameters()) > 0


@pytest.mark.parametrize("who", EVERYONE)
@pytest.mark.parametrize("looks, count", [(3, 12), (1, 12), (3, 1), (1, 1)])
def test_keeps_the_contract(who: str, looks: int, count: int) -> None:
    agent, world = build(who, looks)
    agent.eval()
    some = scenes().slice(0, count)
    state = agent.start(world.context(some))
    view, place = world.open(some), world.first(some)
    for look in range(looks):
        state, decision = agent.step(state, world.observe(view, place, look))
        assert isinstance(decision, Decision)
        assert (decision.halt is None) == (who != "agent dt_ram")
        assert decision.location.batch_shape == (count,)
        assert decision.location.event_shape == (world.sensor.places,)
        assert decision.logits.shape == (count, CLASSES)
        assert decision.value.shape == decision.cost.shape == (count,)
        assert decision.logits.isfinite().all() and decision.value.isfinite().all()
        place, _ = sample(decision.location)
        assert place.shape == (count, world.sensor.places)
        assert decision.location.log_prob(place).shape == (count,)
        assert decision.location.entropy().shape == (count,)
    path = rollout(agent, world, some)
    assert path.location.shape == (looks, count, world.sensor.places)
    assert path.logits.shape[0] == looks
    for field in (path.log_prob, path.entropy, path.value, path.cost, path.reward, path.loss):
        assert field.shape == (looks, count)
    assert (path.alive == 1).all() or who == "agent dt_ram"


@pytest.mark.parametrize("who", [who for who in EVERYONE if who != "script random"])
def test_no_image_knows_of_another(who: str) -> None:
    """In evaluation each image alone is answered as in a batch, in whatever order."""
    agent, world = build(who)
    agent.eval()
    first = world.first(scenes(), torch.Generator().manual_seed(0))
    whole = quiet(agent, world, scenes(), first)
    for i in range(len(scenes())):
        alone = quiet(agent, world, scenes().slice(i, i + 1), first[i : i + 1])
        for name in ("logits", "value", "location", "loss"):
            one, of_all = getattr(alone, name)[:, 0], getattr(whole, name)[:, i]
            assert torch.allclose(one, of_all, atol=1e-4), (name, i)
    order = torch.randperm(len(scenes()), generator=torch.Generator().manual_seed(1))
    mixed = quiet(agent, world, scenes().rows(order), first[order])
    assert torch.allclose(mixed.logits, whole.logits[:, order], atol=1e-4)


def test_random_looks_do_not_leak_between_answers() -> None:
    """Its places are drawn; given these, an answer depends on its own image alone."""
    agent, world = build("script random")
    first = world.first(scenes(), torch.Generator().manual_seed(0))
    whole = quiet(agent, world, scenes(), first)
    image = scenes().image.clone()
    image[5] = 255
    other = quiet(agent, world, Scenes(image, *scenes()[1:]), first)
    changed = (whole.logits != other.logits).any(-1).any(0)
    assert changed.nonzero().flatten().tolist() == [5]
    assert torch.equal(whole.location, other.location)


@pytest.mark.parametrize("who", EVERYONE)
def test_a_gradient_reaches_every_weight(who: str) -> None:
    row = AGENTS.get(who.split()[1])
    name = row.learns_by if row is not None else "learned_baseline"
    looks = 2 if ESTIMATORS[name].one_draw else 3
    agent, world = build(who, looks=1 if who.startswith("net") else looks)
    estimator = ESTIMATORS[name].build(agent, world)
    loss = estimator(agent, world, scenes(), torch.Generator().manual_seed(0))
    loss.total.backward()
    for name, weight in agent.named_parameters():
        if who.startswith("script") and "locator" in name:
            assert weight.grad is None
        else:
            assert weight.grad is not None and weight.grad.isfinite().all(), name
            assert weight.grad.abs().max() > 0, name


def plain_attributes(agent: nn.Module) -> dict[str, Any]:
    """What a module remembers beside its tensors and its parts."""
    plain = int | float | bool | str | tuple | list | None
    return {
        f"{name}.{key}": copy.copy(value)
        for name, part in agent.named_modules()
        for key, value in vars(part).items()
        if isinstance(value, plain)
    }


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("who", EVERYONE)
def test_a_step_is_pure(who: str, training: bool) -> None:
    agent, world = build(who)
    agent.train(training)
    attributes, tensors = plain_attributes(agent), copy.deepcopy(agent.state_dict())
    view = world.open(scenes())
    seen = world.observe(view, world.first(scenes(), torch.Generator().manual_seed(0)), 1)
    state = agent.start(world.context(scenes()))
    state, _ = agent.step(state, seen)
    before = [each.clone() for each in flat((state, seen))]
    once, twice = (agent.step(state, seen) for _ in range(2))
    for left, right in zip(flat(once), flat(twice), strict=True):
        assert torch.equal(left, right)
    for left, right in zip(flat((state, seen)), before, strict=True):
        assert torch.equal(left, right)
    assert plain_attributes(agent) == attributes
    for name, tensor in agent.state_dict().items():
        if not (training and ("running" in name or "num_batches" in name)):  # of batch norm
            assert torch.equal(tensor, tensors[name]), name


def flat(value: Any) -> list[Tensor]:
    """All tensors in a structure, those that make up a distribution among them."""
    if isinstance(value, Tensor):
        return [value.detach()]
    if isinstance(value, LocationDistribution):
        try:
            return [value.mode.detach(), value.entropy().detach()]
        except NotImplementedError:
            return [value.entropy().detach()]
    return [each for part in value or () for each in flat(part)]


@pytest.mark.parametrize("who", EVERYONE)
def test_survives_a_checkpoint(who: str, tmp_path: Path) -> None:
    agent, world = build(who)
    other, _ = build(who, seed=1)
    first = world.first(scenes(), torch.Generator().manual_seed(0))
    wanted = quiet(agent.eval(), world, scenes(), first)
    assert not torch.equal(quiet(other.eval(), world, scenes(), first).logits, wanted.logits)
    storage.write(tmp_path / "agent.pt", agent.state_dict())
    other.load_state_dict(storage.read(tmp_path / "agent.pt"))
    found = quiet(other, world, scenes(), first)
    assert all(torch.equal(*pair) for pair in zip(found, wanted, strict=True))


@pytest.mark.gpu
@pytest.mark.parametrize("who", EVERYONE)
def test_moves_to_a_device(who: str) -> None:
    agent, world = build(who)
    first = world.first(scenes(), torch.Generator().manual_seed(0))
    here = quiet(agent.eval(), world, scenes(), first)
    with torch.no_grad():
        there = rollout(agent.to("cuda"), world, scenes().to("cuda"), greedy, None, first.cuda())
    assert all(field.is_cuda for field in there)
    if who != "script random":
        assert torch.allclose(here.logits, there.logits.cpu(), atol=1e-3)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: RAM((1, 3, 3), 10, core="gruu"), "rnn, gru, lstm"),
        (lambda: FullView((1, 8, 8), 10, net="vgg"), "mlp, conv_2014, cnn"),
        (lambda: Scripted(build("ram gru")[0], "radom", 3), "random, centre, raster, oracle"),
    ],
    ids=["core", "net", "script"],
)
def test_a_wrong_name_is_answered_with_the_right_ones(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
