"""Reinforced self-attention: its layers against slow loops, its masks, its three phases."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.agents import ReSAN, Scripted
from hardattn.distributions import Gaussian, IndependentBernoulli
from hardattn.estimators import ESTIMATORS, Loss, leave_one_out
from hardattn.estimators.score_function import credit, surrogate
from hardattn.estimators.three_phases import ThreePhases, everything
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import compute
from hardattn.rollout import greedy, rollout, sample
from hardattn.scenes import Scenes
from hardattn.sensors import Pairs, Retina
from hardattn.stochastic.token_selection import ReSA, Selector, Source2Token, keep, take
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.estimators import CAUGHT, UNBIASED, z_scores
from tests.support.exact import exact_gradient

ROWS, COLUMNS, SIDE, CLASSES = 3, 4, 4, 5
CELLS = ROWS * COLUMNS
IMAGE = (1, ROWS * SIDE, COLUMNS * SIDE)
WORLD = World(Pairs(ROWS, COLUMNS), Classify(CLASSES), looks=2, context="whole")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictured(image: Tensor) -> Scenes:
    count = len(image)
    box = torch.tensor([-0.5, -0.5, 0.5, 0.5]).expand(count, 1, 4)
    return Scenes(image, torch.arange(count) % CLASSES, box, torch.arange(count))


def scenes(count: int = 6) -> Scenes:
    return pictured(torch.randint(256, (count, *IMAGE), generator=seeded(0), dtype=torch.uint8))


def build(**options: float) -> ReSAN:
    torch.manual_seed(0)
    sizes = dict(features=8, hidden=6, groups=2)
    return ReSAN(IMAGE, CLASSES, context=IMAGE, grid=(ROWS, COLUMNS), **(sizes | options))


def answered(agent: ReSAN, some: Scenes, mask: Tensor) -> Tensor:
    """What it answers when these masks, (B, 2N), are what it looks at."""
    view = WORLD.open(some)
    _, decision = agent.step(agent.start(WORLD.context(some)), WORLD.observe(view, mask, 1))
    return decision.logits


def masks(count: int = 6, share: float = 0.5, seed: int = 1) -> Tensor:
    return (torch.rand(count, 2 * CELLS, generator=seeded(seed)) < share).float()


def slow_attention(layer: ReSA, tokens: Tensor, heads: Tensor, dependents: Tensor) -> Tensor:
    """One image, token by token: (N, D), (N,) bool twice -> the rows of the heads."""
    hidden, rows = F.elu(layer.tokens(tokens)), []
    for j in heads.nonzero()[:, 0].tolist():
        others = [i for i in dependents.nonzero()[:, 0].tolist() if i != j]
        parts = []
        for group, part in enumerate(hidden.chunk(layer.groups, 1)):
            if not others:
                parts.append(torch.zeros_like(part[0]))
                continue
            scores = []
            for i in others:
                r = layer.distance[layer.relative[j, i], group]
                score = layer.of_dependent(hidden[i])[group] + layer.of_head(hidden[j])[group] + r
                scores.append(layer.bound * torch.tanh(score / layer.bound))
            weight = torch.stack(scores).softmax(0)
            parts.append(sum(w * part[i] for w, i in zip(weight, others, strict=True)))
        attended = torch.cat(parts)
        gate = torch.sigmoid(layer.gate(torch.cat([hidden[j], attended])))
        rows.append(gate * hidden[j] + (1 - gate) * attended)
    return torch.stack(rows)


def test_attention_connects_the_selected_alone_as_a_slow_loop_does() -> None:
    torch.manual_seed(0)
    layer = ReSA(8, ROWS, COLUMNS, groups=2).double()
    tokens = torch.randn(4, CELLS, 8, generator=seeded(2), dtype=torch.float64)
    mask = masks(4).double()
    heads, dependents = mask.chunk(2, 1)
    heads[:, 0] = 1
    dependents[0] = 0  # nobody to attend to
    dependents[1] = F.one_hot(torch.tensor(0), CELLS)  # the head has only itself
    found = layer(tokens, keep(heads), keep(dependents))
    for image in range(4):
        wanted = slow_attention(layer, tokens[image], heads[image] > 0, dependents[image] > 0)
        torch.testing.assert_close(found[image, : len(wanted)], wanted)


def test_pooling_is_a_softmax_over_the_selected_for_each_feature() -> None:
    torch.manual_seed(0)
    layer = Source2Token(8).double()
    tokens = torch.randn(1, 5, 8, generator=seeded(2), dtype=torch.float64)
    weight = torch.tensor([[1.0, 0, 1, 1, 0]], dtype=torch.float64)
    chosen = tokens[:, weight[0] > 0]
    score = layer.score(F.elu(layer.hidden(chosen)))
    wanted = (score.softmax(1) * chosen).sum(1)
    torch.testing.assert_close(layer(tokens, weight), wanted)
    assert torch.equal(layer(tokens, 0 * weight), torch.zeros(1, 8, dtype=torch.float64))


def test_a_selector_sees_a_token_and_the_mean_of_all() -> None:
    torch.manual_seed(0)
    layer = Selector(8, 6, 0.9).double()
    tokens = torch.randn(2, CELLS, 8, generator=seeded(2), dtype=torch.float64)
    found, mean = layer(tokens), tokens.mean(1)
    for t in range(CELLS):
        seen = torch.cat([tokens[:, t], mean, tokens[:, t] * mean], 1)
        wanted = layer.logit(F.relu(layer.hidden(seen)))[:, 0]
        torch.testing.assert_close(found[:, t], wanted)
    with torch.no_grad():
        layer.logit.weight.zero_()
    torch.testing.assert_close(layer(tokens).sigmoid(), torch.full_like(found, 0.9))


def test_what_is_kept_is_what_the_mask_has() -> None:
    mask = masks(5, 0.3)[:, :CELLS]
    tokens = torch.arange(5 * CELLS).view(5, CELLS, 1)
    kept = keep(mask)
    assert kept.weight.shape[1] == mask.sum(1).max()
    for image in range(5):
        chosen = take(tokens, kept)[image][kept.weight[image] > 0].flatten()
        assert sorted(chosen.tolist()) == tokens[image][mask[image] > 0].flatten().tolist()


def test_all_selected_is_the_layer_without_masks() -> None:
    torch.manual_seed(0)
    layer = ReSA(8, ROWS, COLUMNS, groups=2).double()
    tokens = torch.randn(2, CELLS, 8, generator=seeded(2), dtype=torch.float64)
    every = keep(torch.ones(2, CELLS, dtype=torch.float64))
    assert every.index.shape == (1, CELLS)
    some = torch.ones(2, CELLS, dtype=torch.float64)
    some[1, 3] = 0  # makes the rows be gathered
    found = layer(tokens, keep(some), every)[0]
    torch.testing.assert_close(found, layer(tokens, every, every)[0])


def test_a_patch_in_neither_mask_has_no_influence() -> None:
    agent, some, mask = build(), scenes(), masks(share=0.4)
    neither = (mask.view(-1, 2, ROWS, COLUMNS).sum(1) == 0)[:, None]
    assert neither.any()
    hidden = neither.repeat_interleave(SIDE, 2).repeat_interleave(SIDE, 3)
    noise = torch.randint(256, some.image.shape, generator=seeded(5), dtype=torch.uint8)
    changed = pictured(torch.where(hidden, noise, some.image))
    view = WORLD.open(some), WORLD.open(changed)
    state = agent.start(WORLD.context(some))
    one, other = (agent.step(state, WORLD.observe(each, mask, 1))[1].logits for each in view)
    assert torch.equal(one, other)
    shown = pictured(torch.where(hidden, some.image, noise))
    _, decision = agent.step(state, WORLD.observe(WORLD.open(shown), mask, 1))
    assert not torch.allclose(decision.logits, one), "what is selected does not matter, either"


def test_nothing_selected_is_a_constant_answer_with_a_gradient() -> None:
    agent, some = build(), scenes()
    logits = answered(agent, some, torch.zeros(6, 2 * CELLS))
    assert logits.isfinite().all() and torch.equal(logits, logits[:1].expand_as(logits))
    logits.sum().backward()
    for weight in agent.parameters():
        assert weight.grad is None or weight.grad.isfinite().all()


def test_the_price_is_that_of_the_mean_mask() -> None:
    agent, some = build(sparsity=3.0, prior=0.3), scenes()
    drawn = torch.stack(
        [rollout(agent, WORLD, some, generator=seeded(k)).location[1] for k in range(400)]
    )
    path = rollout(agent, WORLD, some, generator=seeded(0))
    share = drawn.mean((0, 2))
    error = 4 * (0.25 / (400 * 2 * CELLS)) ** 0.5
    assert ((path.cost.sum(0) / 3 - share).abs() < error).all()
    # A bug: to charge at every look.
    assert ((2 * path.cost.sum(0) / 3 - share).abs() > error).all()


SELECTORS = ("heads.", "dependents.")


def moved(agent: nn.Module) -> set[str]:
    """Whose weights the last gradient moves: "selection", "answer"."""
    found = set()
    for name, weight in agent.named_parameters():
        if weight.grad is not None and weight.grad.abs().max() > 0:
            found.add("selection" if name.startswith(SELECTORS) else "answer")
    return found


def test_each_phase_moves_what_it_is_for() -> None:
    agent, some = build(prior=0.5), scenes()
    estimator = ThreePhases(agent, WORLD, phases=(1, 2))
    found, selected = [], []
    for update in range(4):
        agent.zero_grad()
        loss = estimator(agent, WORLD, some, seeded(update))
        loss.total.backward()
        found.append(moved(agent))
        selected.append(loss.path.location[1].mean().item())
    assert found == [{"answer"}, {"selection"}, {"selection"}, {"answer", "selection"}]
    assert selected[0] == 1 and all(0.2 < share < 0.8 for share in selected[1:])


def pair() -> tuple[ReSAN, World, Scenes]:
    """Two patches, so that all sixteen masks can be visited; three scenes."""
    torch.manual_seed(1)
    image = torch.randint(256, (3, 1, 4, 4), generator=seeded(0), dtype=torch.uint8)
    world = World(Pairs(1, 2), Classify(3), looks=2, context="whole")
    sizes = dict(features=6, hidden=5, groups=2, sparsity=2.0, prior=0.5)
    agent = ReSAN((1, 4, 4), 3, context=(1, 4, 4), grid=(1, 2), **sizes)
    with torch.no_grad():
        for name, weight in agent.named_parameters():
            if "logit" in name or "answer.2" in name:
                weight.mul_(4)
    return agent, world, pictured(image)


def test_masks_learn_by_the_exact_gradient_and_planted_bugs_do_not() -> None:
    agent, world, some = pair()
    exact = exact_gradient(agent, world, some)
    estimator = ThreePhases(agent, world)
    told = partial(z_scores, agent=agent, world=world, scenes=some, exact=exact, copies=16)
    assert told(estimator).abs().max() < UNBIASED

    def crossed(places: IndependentBernoulli, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Each selector is told how the other's mask did."""
        value, _ = sample(places, generator)
        return value, places.log_prob(torch.cat(value.chunk(2, 1)[::-1], 1))

    def misled(*given: Any) -> Loss:
        *rest, generator = given
        path = rollout(*rest, crossed, generator)
        return Loss(surrogate(path, credit(path)), path, credit(path))

    def free(*given: Any) -> Loss:
        """What is charged is told to nobody."""
        path = estimator(*given).path
        path = path._replace(cost=torch.zeros_like(path.cost))
        return Loss(surrogate(path, credit(path)), path, credit(path))

    for planted in (misled, free):
        assert told(planted).abs().max() > CAUGHT


def test_the_third_phase_is_leave_one_out() -> None:
    agent, some = build(), scenes()
    mine = ThreePhases(agent, WORLD, samples=3)(agent, WORLD, some, seeded(0))
    wanted = leave_one_out(agent, WORLD, some, seeded(0), samples=3)
    assert torch.equal(mine.total, wanted.total)


def test_a_run_that_is_taken_up_is_in_the_same_phase() -> None:
    agent, some = build(), scenes()
    one = ThreePhases(agent, WORLD, phases=(1, 1))
    one(agent, WORLD, some, seeded(0))
    other = ThreePhases(agent, WORLD, phases=(1, 1))
    other.load_state_dict(one.state_dict())
    totals = [each(agent, WORLD, some, seeded(3)).total for each in (one, other)]
    assert torch.equal(*totals) and one.updates == other.updates == 2


def test_who_has_no_masks_is_told() -> None:
    with pytest.raises(ValueError, match="of cells, not of a Gaussian"):
        everything(Gaussian(torch.zeros(1, 2), 1.0))
    with pytest.raises(ValueError, match="no updates or more"):
        ThreePhases(build(), WORLD, phases=(-1, 0))
    assert ESTIMATORS["three_phases"].make is ThreePhases


@pytest.mark.parametrize("script", ["centre", "oracle"])
def test_other_controls_select_what_is_nearest(script: str) -> None:
    agent, some = build(), scenes()
    world = WORLD if script == "centre" else World(WORLD.sensor, WORLD.task, 2, context="target")
    box = torch.tensor([0.4, -1.0, 1.0, -0.4]).expand(6, 1, 4)
    some = Scenes(some.image, some.target, box, some.index)
    control = Scripted(agent, script, 2, world.sensor, (2 if script == "centre" else 4) / CELLS)
    with torch.no_grad():
        path = rollout(control, world, some, greedy, seeded(0))
    cells = world.sensor.density(path.location[1]).long()
    wanted = torch.zeros(ROWS, COLUMNS, dtype=torch.long)
    if script == "centre":
        wanted[1, 1:3] = 1
    else:
        wanted[:2, 2:] = 1
    assert torch.equal(cells, wanted.expand_as(cells)) and path.logits.isfinite().all()


def test_a_share_is_of_a_grid() -> None:
    for sensor, share in ((Retina(3), 0.1), (WORLD.sensor, 0.0), (WORLD.sensor, 1.1)):
        with pytest.raises(ValueError, match="of the cells of a grid"):
            Scripted(build(), "random", 2, sensor, share)


def test_what_it_looked_at_is_either_mask() -> None:
    agent, some = build(prior=0.5), scenes()
    columns = evaluate(agent, WORLD, some)
    with torch.no_grad():
        heads, dependents = rollout(agent, WORLD, some, greedy).location[1].chunk(2, 1)
    either = torch.maximum(heads, dependents)
    assert torch.equal(columns.density.flatten(1), either)
    assert compute(columns)["kept"] == pytest.approx(either.mean().item())
    assert not torch.equal(heads, dependents)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_random_control_selects_its_share(share: float) -> None:
    agent, some = build(), scenes()
    control = Scripted(agent, "random", 2, WORLD.sensor, share)
    with torch.no_grad():
        path = rollout(control, WORLD, some, greedy, seeded(0))
    heads, dependents = path.location[1].chunk(2, 1)
    assert torch.equal(heads, dependents)
    assert (heads.sum(1) == max(1, round(share * CELLS))).all()
    assert share == 1 or not torch.equal(heads[0], heads[1])


def test_it_learns_which_patch_to_select() -> None:
    """One patch holds the answer, the others noise: selected, and most others dropped."""
    torch.manual_seed(0)
    generator = seeded(0)
    world = World(Pairs(3, 4), Classify(2), looks=2, context="whole")
    agent = ReSAN(
        IMAGE, 2, context=IMAGE, grid=(3, 4), features=16, hidden=16, groups=2, sparsity=0.5
    )
    estimator = ThreePhases(agent, world, phases=(60, 60))
    descent = torch.optim.Adam(agent.parameters(), 5e-3)

    def draw(count: int) -> tuple[Scenes, Tensor]:
        target = torch.randint(2, (count,), generator=generator)
        where = torch.randint(12, (count,), generator=generator)
        patches = torch.randint(60, (count, 12, 4, 4), generator=generator)
        bright = torch.full((4, 4), 255)
        bright[:2] = 0
        sign = torch.stack([bright, bright.flip(0)])[target]
        patches[torch.arange(count), where] = sign
        image = patches.unflatten(1, (3, 4)).transpose(2, 3).reshape(count, 1, 12, 16)
        box = torch.zeros(count, 1, 4)
        return Scenes(image.to(torch.uint8), target, box, torch.arange(count)), where

    for update in range(260):
        loss = estimator(agent, world, draw(64)[0], generator.manual_seed(update))
        descent.zero_grad()
        loss.total.backward()
        descent.step()
    some, where = draw(500)
    with torch.no_grad():
        path = rollout(agent, world, some, greedy, generator)
    kept = world.sensor.density(path.location[1]).flatten(1)
    assert (path.logits[-1].argmax(-1) == some.target).float().mean() > 0.95
    assert kept.gather(1, where[:, None]).mean() > 0.9
    assert kept.mean() < 0.5


def test_a_mask_is_drawn_of_both_selectors() -> None:
    agent, some = build(), scenes()
    state = agent.start(WORLD.context(some))
    tokens = agent.embed(WORLD.context(some))
    wanted = torch.cat([agent.heads(tokens), agent.dependents(tokens)], 1)
    torch.testing.assert_close(state, wanted)
    _, decision = agent.step(state, WORLD.observe(WORLD.open(some), WORLD.first(some), 0))
    assert isinstance(decision.location, IndependentBernoulli) and torch.equal(
        decision.location.logits, state
    )
