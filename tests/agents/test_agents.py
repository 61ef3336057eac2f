"""One conformance test over all who look, and the flow that takes them through an episode."""

import copy
import math
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn import storage
from hardattn.agents import AGENTS, BACKBONES, NETS, RAM, SCRIPTS, FullView, Scripted, SoftAgent
from hardattn.blocks.se import SE
from hardattn.data import load
from hardattn.distributions import LocationDistribution, Stop, Uniform
from hardattn.estimators import ESTIMATORS
from hardattn.layers import CORES
from hardattn.maps import Map, recorded
from hardattn.rollout import Decision, Trajectory, greedy, rollout, sample
from hardattn.scenes import Scenes, fixed_scenes, translated
from hardattn.sensors import SENSORS, Affine, Cells, GaussianWindow, Pairs, Retina, Whole
from hardattn.tasks import Classify
from hardattn.world import Observation, World
from tests.support.exact import Tiny

CLASSES, SIDE = 10, 12
SMALL: dict[str, Any] = dict(hidden=12, what=9, where=7)

# Who needs more than a retina: the options, the sensor and what is told before the first look.
GRID: dict[str, Any] = dict(sensor=Cells(3, 3), context="whole")
TOKENS = dict(features=8, hidden=12, groups=2, prior=0.5)
OTHERS: dict[str, dict[str, Any]] = {
    "dram": dict(hidden=12, features=9, filters=4, sensor=Retina(5, 2), context="coarse"),
    "edram": dict(hidden=12, features=9, filters=4, sensor=Affine(6), context="coarse"),
    "dt_ram": dict(SMALL, sensor=Retina(3, 2)),
    "mram": dict(SMALL, sensor=Retina(3, 2), joint=True),
    "show_attend_tell": dict(GRID, features=8, hidden=12),
    "variational": dict(GRID, features=8, hidden=12),
    "variational_dirichlet": dict(GRID, features=8, hidden=12),
    "sequential": dict(GRID, hidden=12, keys=4, values=6),
    "scal": dict(GRID, features=16, hidden=12, reduction=2, attention="both"),
    "draw": dict(SMALL, sensor=SENSORS["filterbank"](4)),
    "zoom_ram": dict(SMALL, sensor=SENSORS["zoom"](4), joint=True),
    "spread_ram": dict(SMALL, sensor=Retina(3, 2), joint=True),
    "move_ram": dict(SMALL, sensor=SENSORS["crop"](4, 0.4), joint=True),
    "player": dict(SMALL, sensor=SENSORS["zoom"](4), joint=True),
    "guided_ram": dict(SMALL, sensor=Retina(3, 2), joint=True),
    "glance_focus": dict(sensor=Retina(6), context="coarse", hidden=12, features=9),
    "temporal": dict(SMALL, sensor=Retina(3, 2), joint=True, attention=5),
    "kalman": dict(SMALL, sensor=Retina(3, 2), joint=True),
    "gat_cluster": dict(sensor=Whole(), width=8),
    "reinforced": dict(sensor=Pairs(3, 3), context="whole", grid=(3, 3), **TOKENS),
}
EVERYONE = [f"ram {core}" for core in CORES]
EVERYONE += [f"agent {name}" for name in OTHERS]
EVERYONE += [
    "ram joint",
    *(f"script {name}" for name in SCRIPTS),
    *(f"net {name}" for name in NETS),
    *(f"backbone {name}" for name in BACKBONES),
]


@lru_cache
def scenes() -> Scenes:
    made = fixed_scenes(partial(translated, canvas=SIDE), load("digits").train, 0)
    return made.slice(0, 12)


def build(who: str, looks: int = 3, seed: int = 0) -> tuple[Any, World]:
    """An agent, and a world for it."""
    kind, name = who.split()
    torch.manual_seed(seed)
    if kind == "net":
        world = World(Whole(), Classify(CLASSES, each=True), looks, first="centre")
        return FullView((1, SIDE, SIDE), CLASSES, net=name), world
    if kind == "backbone":
        world = World(Whole(), Classify(CLASSES, each=True), looks, first="centre")
        # With fewer hidden units a gate is dead for a whole batch in many seeds: the mean over
        # places, which it sees, hardly depends on the image after a transformer.
        block = partial(SE, reduction=1)
        return SoftAgent((1, SIDE, SIDE), CLASSES, backbone=name, width=8, block=block), world
    if kind == "agent":
        given = dict(OTHERS[name])
        sensor, told = given.pop("sensor"), given.pop("context", "none")
        world = World(sensor, Classify(CLASSES, each=name != "dt_ram"), looks, context=told)
        if told != "none":
            given["context"] = world.context_shape((1, SIDE, SIDE))
        if name in ("show_attend_tell", "temporal"):
            given["looks"] = looks
        return AGENTS[name].make(sensor.shape((1, SIDE, SIDE)), CLASSES, **given), world
    sensor = Retina(3, 2)
    context = "target" if name == "oracle" else "none"
    world = World(sensor, Classify(CLASSES, each=True), looks, context=context)
    options: dict[str, Any] = dict(joint=True) if name == "joint" else {}
    if name in CORES:
        options["core"] = name
    agent = RAM(sensor.shape((1, SIDE, SIDE)), CLASSES, **SMALL, **options)
    return (Scripted(agent, name, looks) if kind == "script" else agent), world


def quiet(agent: Any, world: World, some: Scenes, first: Tensor) -> Trajectory:
    """The greedy episode; where there is no mode, always the same draws."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return rollout(agent, world, some, greedy, generator, first)


def test_the_table_is_whole() -> None:
    missing = AGENTS.keys() - {"ram", "full_view", "soft", *OTHERS}
    assert not missing, f"OTHERS in tests/test_agents.py says of no small world for {missing}"
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
        place, log_prob = sample(decision.location)
        assert place.shape == (count, world.sensor.places) and log_prob.shape == (count,)
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


def test_what_a_script_is_told_its_observer_is_not() -> None:
    """The oracle's knowledge of the target must not reach whoever answers."""

    class Asked(nn.Module):
        def start(self, context: Tensor) -> Tensor:
            assert context.shape == (len(scenes()), 0)
            return context

        def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
            nought = seen.step
            return state, Decision(Uniform(seen.location), nought[:, None], nought, nought)

    told = torch.rand(len(scenes()), 2)
    agent = Scripted(Asked(), "oracle", 3)
    seen = Observation(torch.zeros(12, 1), torch.zeros(12, 2), torch.zeros(12))
    _, decision = agent.step(agent.start(told), seen)
    assert torch.equal(decision.location.mode, told)
    with pytest.raises(ValueError, match="context"):
        agent.step(agent.start(told[:, :0]), seen)


# RAM.


@pytest.mark.parametrize("core, gates", [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_ram_has_the_weights_of_the_paper(core: str, gates: int) -> None:
    """Counted by hand: two encoders of 128, features and core of 256, three linear heads."""
    g, h, k = 8 * 8, 256, 10
    glimpse = (g * 128 + 128) + (2 * 128 + 128) + 2 * (128 * h + h)
    heads = (h * k + k) + (h * 2 + 2) + (h + 1)
    agent = RAM((1, 8, 8), k, core=core)
    count = sum(weight.numel() for weight in agent.parameters())
    assert count == glimpse + gates * 2 * (h * h + h) + heads


def policy_gradient(joint: bool) -> dict[str, Tensor | None]:
    """The gradient of the log-probability of looks alone, by weight."""
    agent, world = build("ram joint" if joint else "ram rnn")
    path = rollout(agent, world, scenes(), sample, torch.Generator().manual_seed(0))
    names, weights = zip(*agent.named_parameters(), strict=True)
    grads = torch.autograd.grad(path.log_prob.sum(), weights, allow_unused=True)
    return dict(zip(names, grads, strict=True))


def test_the_policy_trains_the_core_only_if_joint() -> None:
    reached = {name for name, grad in policy_gradient(joint=False).items() if grad is not None}
    assert reached == {"locator.weight", "locator.bias"}
    joint = policy_gradient(joint=True)
    unreached = {name for name, grad in joint.items() if grad is None}
    assert unreached == {
        f"{head}.{kind}" for head in ("classifier", "critic") for kind in ("weight", "bias")
    }
    assert all(grad.abs().max() > 0 for grad in joint.values() if grad is not None)


def test_the_critic_moves_nothing_but_itself() -> None:
    agent, world = build("ram joint")
    path = rollout(agent, world, scenes(), sample, torch.Generator().manual_seed(0))
    names, weights = zip(*agent.named_parameters(), strict=True)
    grads = torch.autograd.grad(path.value.sum(), weights, allow_unused=True)
    reached = {name for name, grad in zip(names, grads, strict=True) if grad is not None}
    assert reached == {"critic.weight", "critic.bias"}


def test_an_lstm_remembers_in_both_of_its_states() -> None:
    agent, world = build("ram lstm")
    state = agent.start(world.context(scenes()))
    assert state.shape == (len(scenes()), 2 * SMALL["hidden"])
    seen = world.observe(world.open(scenes()), world.first(scenes()), 0)
    once, _ = agent.step(state, seen)
    cell = nn.LSTMCell(SMALL["hidden"], SMALL["hidden"])
    cell.load_state_dict(agent.core.cell.state_dict())
    nought = torch.zeros(len(scenes()), SMALL["hidden"])
    h, c = cell(agent.glimpse(seen.glimpse, seen.location), (nought, nought))
    assert torch.equal(once, torch.cat([h, c], 1))


# RAM with another memory.


def looked(agent: Any, world: World, looks: int) -> tuple[list[Any], list[Decision], list[Map]]:
    """States, decisions and maps of looks at the same places, in float64."""
    generator = torch.Generator().manual_seed(0)
    view = world.open(scenes())
    state, states, decisions = agent.start(world.context(scenes()).double()), [], []
    with torch.no_grad(), recorded(agent) as maps:
        for look in range(looks):
            seen = world.observe(view, world.first(scenes(), generator), look)
            state, decision = agent.step(state, Observation(*(each.double() for each in seen)))
            states.append(state)
            decisions.append(decision)
    return states, decisions, maps


def test_temporal_attention_begins_as_ram_and_weighs_the_looks_taken() -> None:
    agent, world = build("agent temporal", looks=4)
    agent.double()
    ram_states, answers, _ = looked(agent.ram, world, 4)
    states, decisions, maps = looked(agent, world, 4)
    assert torch.allclose(decisions[0].logits, answers[0].logits)
    assert not torch.allclose(decisions[1].logits, answers[1].logits)
    for look, one in enumerate(maps):
        assert torch.equal(decisions[look].location.mode, answers[look].location.mode)
        assert one.tensor.shape == (12, 1, 4)
        assert (one.tensor[..., : 3 - look] == 0).all() and (one.tensor[..., 3 - look :] > 0).all()
        assert torch.allclose(one.tensor.sum(2), torch.ones(12, 1).double())
        assert states[look].taken.sum(1).tolist() == [look + 1] * 12
        memory = torch.stack(ram_states[: look + 1], 1)
        assert torch.equal(states[look].seen[:, 3 - look :], memory)
        weight, out = agent.score[0], agent.score[2].weight[0]
        score = torch.stack([torch.tanh(weight(each)) @ out for each in memory.unbind(1)], 1)
        mean = (score.softmax(1)[..., None] * memory).sum(1)
        assert torch.allclose(decisions[look].logits, agent.ram.classifier(mean))


def test_temporal_attention_forgets_what_it_has_no_row_for() -> None:
    agent, world = build("agent temporal", looks=2)
    states, _, maps = looked(agent.double(), world, 3)
    assert torch.equal(states[2].seen[:, 0], states[1].seen[:, 1])
    assert states[2].taken.all() and (maps[2].tensor > 0).all()


def test_a_kalman_memory_is_attention_over_looks_and_the_prior() -> None:
    agent, world = build("agent kalman", looks=3)
    agent.double()
    with torch.no_grad():
        agent.prior_mean.normal_()
        agent.prior_log_precision.fill_(0.5)
    features: list[Tensor] = []
    agent.glimpse.register_forward_hook(lambda module, seen, out: features.append(out))
    states, decisions, _ = looked(agent, world, 3)
    for look in range(3):
        values = torch.stack([agent.prior_mean.expand(12, -1), *features[: look + 1]], 1)
        precision = agent.log_precision(values)[..., 0].exp()
        precision[:, 0] = math.exp(0.5)
        mean = (precision[..., None] * values).sum(1) / precision.sum(1, keepdim=True)
        assert torch.allclose(states[look].mean, mean)
        assert torch.allclose(states[look].log_precision[:, 0], precision.sum(1).log())
        assert torch.allclose(decisions[look].logits, agent.classifier(mean))


def test_without_a_prior_the_first_look_is_all_that_a_kalman_memory_holds() -> None:
    agent, world = build("agent kalman")
    features: list[Tensor] = []
    agent.double().glimpse.register_forward_hook(lambda module, seen, out: features.append(out))
    with torch.no_grad():
        agent.prior_mean.normal_()
    for log_precision, wanted in [(-1e4, lambda: features[-1]), (1e4, lambda: agent.prior_mean)]:
        with torch.no_grad():
            agent.prior_log_precision.fill_(log_precision)
        states, _, _ = looked(agent, world, 1)
        assert torch.allclose(states[0].mean, wanted().expand(12, -1))


# The flow.


class Remembering(nn.Module):
    """Another agent, whose observations are kept."""

    def __init__(self, agent: Any):
        super().__init__()
        self.agent, self.seen = agent, []

    def start(self, context: Tensor) -> Any:
        return self.agent.start(context)

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        self.seen.append(seen)
        return self.agent.step(state, seen)


@pytest.mark.parametrize("make", [partial(Retina, 3, 2), partial(GaussianWindow, 3), Whole])
def test_what_was_shown_is_what_the_world_shows(make: Any) -> None:
    """To the bit, and at the places that the trajectory tells."""
    sensor = make()
    torch.manual_seed(0)
    world = World(sensor, Classify(CLASSES), 4)
    agent = Remembering(RAM(sensor.shape((1, SIDE, SIDE)), CLASSES, **SMALL, std=2.0))
    path = rollout(agent, world, scenes(), sample, torch.Generator().manual_seed(0))
    assert path.location.abs().max() > 1  # some were asked for beyond the edge
    view = world.open(scenes())
    for look, seen in enumerate(agent.seen):
        again = world.observe(view, path.location[look], look)
        assert all(torch.equal(*pair) for pair in zip(seen, again, strict=True))
        assert seen.location.abs().max() <= 1 and (seen.step == look / 4).all()
        assert seen.glimpse.shape[1:] == sensor.shape((1, SIDE, SIDE))
    assert len(agent.seen) == 4


def test_a_place_that_is_none_is_the_centre() -> None:
    world = World(Retina(3), Classify(CLASSES), 1)
    asked = torch.tensor([[torch.nan, 2.0], [torch.inf, -torch.inf], [0.3, -1.0]])
    shown = world.observe(world.open(scenes().slice(0, 3)), asked, 0).location
    assert torch.equal(shown, torch.tensor([[0.0, 1.0], [1.0, -1.0], [0.3, -1.0]]))


def test_the_first_place_may_be_given() -> None:
    agent, world = build("ram gru")
    first = torch.linspace(-1, 1, 24).view(12, 2)
    path = rollout(agent, world, scenes(), first=first)
    assert torch.equal(path.location[0], first)
    assert not path.log_prob[0].any() and not path.entropy[0].any()
    assert path.log_prob[1:].all() and path.entropy[1:].all()


@pytest.mark.parametrize(
    "first, context, sees",
    [
        ("random", "none", "never sees the image"),
        ("target", "none", "is told where the target is"),
        ("centre", "target", "is told where the target is"),
    ],
)
def test_a_world_says_what_it_shows(first: str, context: str, sees: str) -> None:
    assert World(Retina(3), Classify(2), 2, first, context).sees((1, 9, 9)) == sees
    with pytest.raises(ValueError, match="at least one look"):
        World(Retina(3), Classify(2), 0, first, context)


@pytest.mark.parametrize("each", [True, False], ids=["each look", "last look"])
@pytest.mark.parametrize("halts", [True, False], ids=["halts", "looks on"])
def test_a_trajectory_is_what_was_drawn(each: bool, halts: bool) -> None:
    """Rebuilt from the distributions and the draws, one by one."""
    looks, count = 5, len(scenes())
    torch.manual_seed(3)
    world = World(Retina(2), Classify(CLASSES, each, bonus=0.5), looks)
    agent = Tiny(4, CLASSES, "gaussian", halts)
    drawn: list[tuple[LocationDistribution, Tensor]] = []

    def recording(
        places: LocationDistribution, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        value, log_prob = sample(places, generator)
        drawn.append((places, value))
        return value, log_prob

    with torch.no_grad():
        path = rollout(agent, world, scenes(), recording, torch.Generator().manual_seed(2))
    places = [(one, value) for one, value in drawn if not isinstance(one, Stop)]
    stops = [(one, value) for one, value in drawn if isinstance(one, Stop)]
    # What follows the last look is never drawn.
    assert len(places) == looks - 1 and len(stops) == (looks - 1 if halts else 0)

    alive = torch.ones(count)
    for t in range(looks):
        assert torch.equal(path.alive[t], alive)
        log_prob = torch.zeros(count)
        if t > 0:
            one, value = places[t - 1]
            assert torch.equal(path.location[t], value)
            assert torch.allclose(path.entropy[t], one.entropy() * alive)
            log_prob = log_prob + one.log_prob(value)
        stop = torch.full((count,), float(t + 1 == looks))
        if halts and t + 1 < looks:
            one, stop = stops[t]
            log_prob = log_prob + one.log_prob(stop)
        assert torch.allclose(path.log_prob[t], log_prob * alive, atol=1e-6)
        share = torch.where(stop.bool(), (looks - t) / looks, 1 / looks)
        weight = alive * (share if each else stop)
        loss = nn.functional.cross_entropy(path.logits[t], scenes().target, reduction="none")
        right = (path.logits[t].argmax(-1) == scenes().target).float()
        assert torch.allclose(path.loss[t], weight * loss, atol=1e-6)
        assert torch.allclose(path.reward[t], weight * 0.5 * right)
        alive = alive * (1 - stop)
    assert not alive.any()
    assert (path.alive[1:] <= path.alive[:-1]).all()
    if halts:
        assert 0 < path.alive[-1].sum() < count  # some stopped, some did not
        for field in (path.log_prob, path.entropy, path.cost, path.reward, path.loss):
            assert not field[path.alive == 0].any()
    slow = torch.stack([(path.loss + path.cost - path.reward)[t:].sum(0) for t in range(looks)])
    assert torch.allclose(path.to_go(), slow, atol=1e-6)
