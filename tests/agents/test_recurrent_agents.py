"""What is special to DRAM, MRAM, DT-RAM and EDRAM; and that each learns where to look."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents import RAM
from hardattn.agents.dram import DRAM
from hardattn.agents.dt_ram import DTRAM
from hardattn.agents.edram import EDRAM
from hardattn.agents.mram import MRAM
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.metrics import error
from hardattn.rollout import greedy, pathwise, rollout, sample
from hardattn.scenes import Scenes
from hardattn.sensors import Affine, Retina, Sensor
from hardattn.tasks import Classify
from hardattn.world import Observation, World
from tests.support.learning import CLASSES, Lesson, holes, textures

SIDE = 20
IMAGE = (1, SIDE, SIDE)
COARSE = (1, 12, 12)


def some(count: int = 6) -> Scenes:
    return textures(count, torch.Generator().manual_seed(0), SIDE)


def world(looks: int = 3, sensor: Sensor | None = None, **options: Any) -> World:
    each = options.pop("each", True)
    return World(sensor or Retina(4, 3), Classify(CLASSES, each=each), looks, **options)


def gradients(agent: nn.Module, value: Tensor) -> dict[str, Tensor | None]:
    names, weights = zip(*agent.named_parameters(), strict=True)
    grads = torch.autograd.grad(value, weights, allow_unused=True, retain_graph=True)
    return dict(zip(names, grads, strict=True))


def reached(agent: nn.Module, value: Tensor) -> set[str]:
    """The parts of the agent that the value moves with."""
    grads = gradients(agent, value)
    return {name.split(".")[0] for name, g in grads.items() if g is not None and g.abs().max() > 0}


# DRAM.


def dram(context: tuple[int, ...] = COARSE, **options: Any) -> DRAM:
    torch.manual_seed(0)
    return DRAM((3, 4, 4), CLASSES, context=context, hidden=12, features=10, filters=4, **options)


def told(agent: Any, where: World, draw: Any) -> tuple[Any, Tensor]:
    """An episode, and the context that it began with, whose gradient can be asked for."""
    context = where.context(some()).requires_grad_()

    class Told(nn.Module):
        def start(self, given: Tensor) -> Any:
            return agent.start(context)

        def step(self, state: Any, seen: Observation) -> Any:
            return agent.step(state, seen)

    first = torch.linspace(-0.5, 0.5, 12).view(6, 2)
    first = where.sensor.at(first)
    return rollout(Told(), where, some(), draw, torch.Generator().manual_seed(0), first), context


def test_the_context_says_where_to_look_and_never_what_is_seen() -> None:
    agent = dram()
    path, context = told(agent, world(context="coarse"), sample)
    for row in range(3):
        found = torch.autograd.grad(path.logits[row].sum(), context, allow_unused=True)
        assert found[0] is None  # the places were drawn, and are detached
    for row in (1, 2):
        (found,) = torch.autograd.grad(path.log_prob[row].sum(), context, retain_graph=True)
        assert (found.flatten(1).abs().amax(1) > 0).all()


def test_only_the_places_carry_the_context_into_the_answer() -> None:
    """Given the places, what one was told changes no answer; not given, it does."""
    agent, where = dram(), world(context="coarse")
    view, given = where.open(some()), where.context(some())
    places = torch.linspace(-1, 1, 36).view(3, 6, 2)
    answers = []
    for context in (given, torch.rand_like(given)):
        state, rows = agent.start(context), []
        for look in range(3):
            state, decision = agent.step(state, where.observe(view, places[look], look))
            rows.append((decision.logits, decision.location.mean, decision.value))
        answers.append([torch.stack(each) for each in zip(*rows, strict=True)])
    (logits, mean, value), (others, elsewhere, worth) = answers
    assert torch.equal(logits, others)
    assert (mean != elsewhere).all() and (value != worth).all()


def test_dram_without_context_starts_from_nothing() -> None:
    agent = dram((0,))
    state = agent.start(torch.zeros(5, 0))
    assert [part.shape for part in state] == [(5, 24), (5, 24)]
    assert not any(part.any() for part in state)
    with_context = dram().start(torch.rand(5, *COARSE))
    assert not with_context.lower.any() and with_context.upper.all()
    with pytest.raises(ValueError, match=r"an image \(C, h, w\), or nothing"):
        dram((2,))


def test_dram_multiplies_what_and_where() -> None:
    """A place that the net is blind to hides the glimpse altogether."""
    net = dram().glimpse
    glimpse, place = torch.rand(5, 3, 4, 4), torch.rand(5, 2)
    whole = net(glimpse, place)
    what = torch.relu(net.what(net.convs(glimpse).flatten(1)))
    assert torch.allclose(whole, what * torch.relu(place @ net.where.weight.T + net.where.bias))
    nn.init.constant_(net.where.weight, -1.0)
    nn.init.zeros_(net.where.bias)
    assert not net(glimpse, place).any()


def test_the_layers_of_dram_and_mram_are_each_others_reverse() -> None:
    """Which parts move an answer, and which a place, after one look at what was seen there."""
    agents = {"dram": dram(), "mram": MRAM((3, 4, 4), CLASSES, hidden=12, joint=True)}
    seen = world().observe(world().open(some()), torch.zeros(6, 2), 0)
    found = {}
    for name, agent in agents.items():
        context = torch.rand(6, *COARSE) if name == "dram" else torch.zeros(6, 0)
        _, decision = agent.step(agent.start(context), seen)
        found[name] = (
            reached(agent, decision.logits.square().sum()),
            reached(agent, decision.location.mean.square().sum()),
            reached(agent, decision.value.sum()),
        )
    both = {"glimpse", "lower", "upper"}
    assert found["dram"] == (
        both - {"upper"} | {"classifier"},
        both | {"context", "emission"},
        {"critic"},
    )
    assert found["mram"] == (both | {"classifier"}, both - {"upper"} | {"locator"}, {"critic"})


def test_the_balance_scales_what_the_policy_teaches_below_the_emission() -> None:
    grads = []
    for balance in (1.0, 0.25):
        agent, where = dram(balance=balance), world(context="coarse")
        path = rollout(agent, where, some(), sample, torch.Generator().manual_seed(0))
        grads.append(gradients(agent, path.log_prob.sum()))
    for name, full in grads[0].items():
        if full is not None:
            factor = 1.0 if name.startswith("emission") else 0.25
            assert torch.allclose(grads[1][name], factor * full, rtol=1e-3, atol=1e-6), name


# MRAM.


def test_mram_is_two_lstms_one_upon_the_other() -> None:
    torch.manual_seed(0)
    agent = MRAM((3, 4, 4), CLASSES, hidden=12)
    stack = nn.LSTM(12, 12, num_layers=2)
    for layer, core in enumerate((agent.lower, agent.upper)):
        for name, weight in core.cell.named_parameters():
            getattr(stack, f"{name}_l{layer}").data.copy_(weight.data)
    where, state, inputs, logits = world(), agent.start(torch.zeros(6, 0)), [], []
    view = where.open(some())
    for look in range(3):
        seen = where.observe(view, torch.full((6, 2), look / 3), look)
        state, decision = agent.step(state, seen)
        inputs.append(agent.glimpse(seen.glimpse, seen.location))
        logits.append(decision.logits)
    upper, (h, c) = stack(torch.stack(inputs))
    assert torch.allclose(agent.classifier(upper), torch.stack(logits), atol=1e-6)
    for layer, part in enumerate(state):
        assert torch.allclose(part, torch.cat([h[layer], c[layer]], 1), atol=1e-6)


@pytest.mark.parametrize("joint", [False, True])
def test_the_policy_of_mram_trains_what_it_may(joint: bool) -> None:
    agent = MRAM((3, 4, 4), CLASSES, hidden=12, joint=joint)
    path = rollout(agent, world(), some(), sample, torch.Generator().manual_seed(0))
    below = {"glimpse", "lower"} if joint else set()
    assert reached(agent, path.log_prob.sum()) == below | {"locator"}


# DT-RAM.


def dt_ram(**options: Any) -> DTRAM:
    torch.manual_seed(0)
    return DTRAM((3, 4, 4), CLASSES, hidden=12, what=9, where=7, **options)


def stops(agent: DTRAM, logit: float) -> DTRAM:
    """The same, but it stops with probability sigmoid(logit), whatever it sees."""
    last = agent.decider[2]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, logit)
    return agent


def test_dt_ram_that_never_stops_is_ram() -> None:
    agent = stops(dt_ram(price=0.3), -5.0)
    torch.manual_seed(0)
    ram = RAM((3, 4, 4), CLASSES, hidden=12, what=9, where=7)
    ram.load_state_dict({k: v for k, v in agent.state_dict().items() if "decider" not in k})
    first = torch.zeros(6, 2)
    one, other = (rollout(who, world(), some(), greedy, None, first) for who in (agent, ram))
    assert (one.alive == 1).all() and torch.allclose(one.cost, torch.full((3, 6), 0.3))
    for name in ("location", "logits", "value", "loss", "reward", "alive"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


@pytest.mark.parametrize("logit", [-1.0, 0.0, 1.5])
def test_dt_ram_stops_as_often_as_it_says(logit: float) -> None:
    """Looks are geometric up to T: their mean is the sum of (1 - p)^t; z below 4.5."""
    agent, count, most = stops(dt_ram(price=0.25), logit), 20_000, 5
    scenes = some(1).repeat(count)
    with torch.no_grad():
        path = rollout(agent, world(most, each=False), scenes, sample, torch.Generator())
    taken = path.alive.sum(0)
    go_on = 1 - torch.sigmoid(torch.tensor(logit)).item()
    z = (taken.mean() - sum(go_on**t for t in range(most))) / (taken.std() / count**0.5)
    assert abs(z) < 4.5
    assert torch.allclose(path.cost.sum(0), 0.25 * taken)
    assert (path.alive[1:] <= path.alive[:-1]).all() and (path.alive[0] == 1).all()
    # One answer is asked, at the last look taken; nothing happens after.
    asked = (path.loss > 0).float()
    assert torch.equal(asked.sum(0), torch.ones(count))
    assert torch.equal(asked.argmax(0), taken.long() - 1)
    for field in (path.log_prob, path.entropy, path.cost, path.loss):
        assert not field[path.alive == 0].any()


@pytest.mark.parametrize("each", [False, True])
def test_stopping_is_learned_by_score_function_alone(each: bool) -> None:
    """p(stop at 1) = p: E[loss] = p L1 + (1 - p) (price + L2); its derivative in the logit.

    Asked after each look, L2 is the mean of both answers' losses, and L1 that of the first twice.
    """
    agent = stops(dt_ram(price=0.1, std=1e-6), 0.4)
    scenes, first = some(1).repeat(40_000), torch.zeros(40_000, 2)
    where = world(2, each=each, first="centre")
    with torch.no_grad():
        one, two = (
            rollout(stops(agent, logit), where, some(1), greedy, None, first[:1]).loss.sum().item()
            for logit in (9.0, -9.0)
        )
    stops(agent, 0.4)
    loss = ESTIMATORS["reinforce"].make(agent, where, scenes, torch.Generator().manual_seed(0))
    found = gradients(agent, loss.total)["decider.2.bias"]
    p = torch.sigmoid(torch.tensor(0.4)).item()
    wanted = p * (1 - p) * (one - two - 0.1)
    deviation = (p * (1 - p)) ** 0.5 * max(one, two) * 2 / 200
    assert found is not None and abs(found.item() - wanted) < 4.5 * deviation
    assert abs(wanted) > 0


# EDRAM.


def edram(context: tuple[int, ...] = COARSE) -> EDRAM:
    torch.manual_seed(0)
    return EDRAM((1, 5, 5), CLASSES, context=context, hidden=12, features=10, filters=4)


def test_edram_is_told_through_the_glimpse() -> None:
    """Backpropagation reaches the context through the places; the first answer knows nothing."""
    agent, where = edram(), world(sensor=Affine(5), context="coarse")
    for draw, through in ((greedy, (False, False, False)), (pathwise, (False, True, True))):
        path, context = told(agent, where, draw)
        for row, moves in enumerate(through):
            (found,) = torch.autograd.grad(
                path.logits[row].sum(), context, allow_unused=True, retain_graph=True
            )
            assert (found is not None and bool(found.any())) == moves


def test_edram_begins_upright_and_its_whole_map_is_learned() -> None:
    agent, where = edram(), world(sensor=Affine(5), context="coarse")
    path = rollout(agent, where, some(), greedy)
    upright = Affine(5).at(torch.zeros(1, 2))
    assert (path.location[1:] - upright).abs().max() < 0.1
    loss = ESTIMATORS["pathwise"].make(agent, where, some(), torch.Generator().manual_seed(0))
    moved = gradients(agent, loss.total)["emission.bias"]
    assert moved is not None and (moved != 0).all()
    assert not path.log_prob.any() and not path.entropy.any()


# Learning.


SMALL: dict[str, Any] = dict(context=COARSE, hidden=64, features=64, filters=4)
RECURRENT: dict[str, Any] = dict(hidden=64, std=0.25, joint=True)
# Beside each, the errors (%) of seeds 0, 1 and 2, and the control's. Untaught, by `answering`, the
# looks left of the control's error 0.97 (DRAM), 1.05 (MRAM) and 1.06 (EDRAM) or more.
LESSONS = {
    "dram": Lesson(  # 0, 0, 0; control 41, 39, 40
        DRAM, dict(SMALL, std=0.25), context="coarse", updates=200, rate=5e-3
    ),
    "mram": Lesson(MRAM, RECURRENT),  # 2, 2, 5; control 39, 37, 38
    "edram": Lesson(  # 0, 14, 3; control 48, 47, 46
        *(EDRAM, dict(SMALL, zoom=0.3), "pathwise", "pathwise", Affine(6, 0.3)),
        **dict(context="coarse", make=holes, side=24, updates=400, rate=5e-3),
    ),
}


@pytest.mark.parametrize("name", LESSONS)
def test_learns_where_to_look(name: str) -> None:
    """Half the error, or less, that the same observer has under random looks."""
    control = LESSONS[name].controlled()
    assert error(control) > 0.3
    assert error(LESSONS[name].learned()) < error(control) / 2


def test_dt_ram_learns_where_to_look_and_when_to_stop() -> None:
    """It takes one look where that shows all: the first, by chance.

    It has the paper's aids, a loss after each look and a curriculum, or it might stop at once
    always. Seeds 0, 1 and 2: errors of 1, 5 and 8 % (control 43, 41 and 43), 2.1 to 2.3 looks, 1.1
    to 1.2 of them where the first hit, else 2.3 to 2.5. Untaught: 62 %.
    """
    options = dict(RECURRENT, core="gru")
    lesson = Lesson(DTRAM, options, first="random", looks=3, updates=500, rate=5e-3, curriculum=0.5)
    learned, control = lesson.learned(), lesson.controlled()
    assert error(control) > 0.3 and error(learned) < error(control) / 2
    looks, at_once = learned.looks.double(), learned.hit[:, 0]
    assert looks.mean() < 2.7
    assert looks[at_once].mean() < 1.5 and looks[~at_once].mean() > 1.8
