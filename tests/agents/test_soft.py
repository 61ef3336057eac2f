"""Soft attention in the one flow: backbone, blocks, head, what they charge, and their controls."""

from functools import lru_cache, partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents import BACKBONES, MeanPool, SoftAgent
from hardattn.agents.soft import CNN, ResidualUnit
from hardattn.attention import BLOCKS, HEADS
from hardattn.blocks.cbam import CBAMSpatial
from hardattn.blocks.sagan import SAGAN
from hardattn.data import load
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.evaluate import evaluate
from hardattn.experiments.measure import controlled, together
from hardattn.maps import CONTROLS, KINDS, charge, charged, recorded, replaced
from hardattn.rollout import Decision, rollout, soft
from hardattn.scenes import Scenes, fixed_scenes, translated
from hardattn.sensors import Whole
from hardattn.tasks import Classify
from hardattn.world import World

CLASSES, SIDE, COUNT = 10, 48, 4
WORLD = World(Whole(), Classify(CLASSES), 1, first="centre")


@lru_cache
def scenes(count: int = COUNT) -> Scenes:
    make = partial(translated, canvas=SIDE, zoom=2)
    return fixed_scenes(make, load("digits").train, 0).slice(0, count)


def build(seed: int = 0, image: tuple[int, ...] = (1, SIDE, SIDE), **options: Any) -> SoftAgent:
    torch.manual_seed(seed)
    return SoftAgent(image, CLASSES, **options)


def decide(agent: SoftAgent, some: Scenes) -> Decision:
    seen = WORLD.observe(WORLD.open(some), WORLD.first(some), 0)
    state = agent.start(WORLD.context(some))
    after, decision = agent.step(state, seen)
    assert torch.equal(after, state) and state.numel() == 0
    return decision


@pytest.mark.parametrize("image", [(1, 48, 48), (3, 30, 37)])
@pytest.mark.parametrize("backbone", ["cnn", "vit"])
def test_a_backbone_gives_a_map_of_a_quarter_of_the_sides(
    backbone: str, image: tuple[int, ...]
) -> None:
    agent = build(image=image, backbone=backbone, block=CBAMSpatial, width=16).eval()
    with recorded(agent) as maps:
        features = agent.features(torch.rand(2, *image))
    rounded = 3 if backbone == "cnn" else 0
    sides = tuple((side + rounded) // 4 for side in image[1:])
    assert features.shape == (2, 16, *sides)
    assert [one.tensor.shape for one in maps] == [(2, 1, *sides)] * 2
    assert [type(agent.get_submodule(one.block)) for one in maps] == [CBAMSpatial] * 2
    assert maps[0].block != maps[1].block


@pytest.mark.parametrize("backbone", BACKBONES)
def test_it_looks_once_and_at_everything(backbone: str) -> None:
    decision = decide(build(backbone=backbone, width=16).eval(), scenes())
    assert decision.logits.shape == (COUNT, CLASSES)
    assert torch.equal(decision.location.mode, torch.zeros(COUNT, 2))
    assert decision.halt is None and not decision.value.any() and not decision.cost.any()
    assert WORLD.sees((1, 12, 12)) == "sees everything"


def test_the_width_between_is_for_the_units_alone() -> None:
    """What a block gets does not depend on it, and weights grow linearly with it."""
    for backbone in BACKBONES:
        count = {
            middle: sum(w.numel() for w in build(backbone=backbone, middle=middle).parameters())
            for middle in (1, 2, 7, 32, None)
        }
        assert count[7] - count[2] == 5 * (count[2] - count[1])
        assert count[None] == count[32]


# What blocks and heads charge.


class Charges(nn.Module):
    """Charges each image the brightest of its features, times `price`."""

    placement = "branch"

    def __init__(self, channels: int, price: float = 1.0):
        super().__init__()
        self.price = price

    def forward(self, x: Tensor) -> Tensor:
        charge(self.price * x.amax((1, 2, 3)))
        return x


def test_what_is_charged_arrives_as_the_cost() -> None:
    agent = build(block=partial(Charges, price=0.5), head=HEADS["dvan"].make).eval()
    seen: list[Tensor] = []
    for part in agent.modules():
        if isinstance(part, Charges):
            part.register_forward_hook(lambda module, given, out: seen.append(given[0]))
    with charged() as outside:
        decision = decide(agent, scenes())
    with charged() as alone:
        agent.head(agent.features(WORLD.open(scenes())))
    assert len(seen) == 4 and len(alone) == 3
    wanted = 0.5 * (seen[0].amax((1, 2, 3)) + seen[1].amax((1, 2, 3))) + alone[-1]
    torch.testing.assert_close(decision.cost, wanted)
    assert outside == [], "a charge is collected once"


def test_what_is_charged_is_learned_from() -> None:
    """The loss grows by the mean charge, and its gradient by that of the charge."""
    losses, slopes = [], []
    for price in (0.0, 2.0):
        agent = build(head=partial(HEADS["dvan"].make, price=price))
        estimate = ESTIMATORS["reinforce"].make(agent, WORLD, scenes(), torch.Generator())
        losses.append(estimate.total)
        slopes.append(torch.autograd.grad(estimate.total, agent.head.key.weight)[0])
    agent = build(head=partial(HEADS["dvan"].make, price=2.0))
    cost = decide(agent, scenes()).cost.mean()
    torch.testing.assert_close(losses[1] - losses[0], cost)
    (slope,) = torch.autograd.grad(cost, agent.head.key.weight)
    torch.testing.assert_close(slopes[1] - slopes[0], slope, rtol=1e-3, atol=1e-6)


# Controls.


def logits(agent: SoftAgent, some: Scenes, control: str | None = None) -> Tensor:
    if control is None:
        return evaluate(agent, WORLD, some).log_probability[:, 0]
    with replaced(agent, CONTROLS[control]):
        return evaluate(agent, WORLD, some).log_probability[:, 0]


def sharp(agent: SoftAgent) -> SoftAgent:
    """With batch norms that have seen the images, and maps that differ and count."""
    with torch.no_grad():
        for _ in range(20):
            agent.features(WORLD.open(scenes()))
        for part in agent.modules():
            if isinstance(part, CBAMSpatial):
                part.norm.weight.mul_(10)
            if isinstance(part, SAGAN):
                part.gamma.fill_(3)
    return agent


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("block", [CBAMSpatial, SAGAN])
def test_a_control_takes_the_attention_away_and_nothing_else(
    block: type[nn.Module], control: str, backbone: str
) -> None:
    agent = sharp(build(block=block, backbone=backbone))
    real, false = logits(agent, scenes()), logits(agent, scenes(), control)
    assert (real - false).abs().amax(1).min() > 1e-4  # rounding is below 1e-5
    # Images that are all the same have each other's map, and the mean one.
    same = scenes().rows(torch.zeros(COUNT, dtype=torch.int64))
    torch.testing.assert_close(logits(agent, same, control), logits(agent, same))
    # Without attention there is nothing to take away: class activation is not on the way.
    plain = build(backbone=backbone)
    assert torch.equal(logits(plain, scenes(), control), logits(plain, scenes()))


def test_a_foreign_map_is_that_of_the_image_before() -> None:
    """The last gate of each image, multiplied in by hand."""
    agent = sharp(build(block=CBAMSpatial)).eval()
    net = agent.features
    assert isinstance(net, CNN)
    with torch.no_grad():
        x = net.stem(WORLD.open(scenes()))
        for unit in net.units:
            assert isinstance(unit, ResidualUnit)
            branch = unit.after(unit.second(torch.relu(unit.between(unit.first(unit.before(x))))))
            with recorded(unit.gate) as maps:
                unit.gate(branch)
            x = x + branch * maps[0].tensor.roll(1, 0)
        wanted = agent.head(torch.relu(net.norm(x))).log_softmax(1)
    torch.testing.assert_close(logits(agent, scenes(), "foreign"), wanted)


# Every row.

ROWS = [f"block {name}" for name in BLOCKS] + [f"head {name}" for name in HEADS]


def of_row(row: str) -> SoftAgent:
    kind, name = row.split()
    return build(block=BLOCKS[name].make) if kind == "block" else build(head=HEADS[name].make)


@pytest.mark.parametrize("row", ROWS)
def test_every_row_learns_and_is_measured(row: str) -> None:
    """One update as `train` makes it, and one measurement as `evaluate` does."""
    agent = of_row(row).train()
    path = rollout(agent, WORLD, scenes())
    assert path.logits.shape == (1, COUNT, CLASSES) and path.cost.shape == (1, COUNT)
    assert path.logits.isfinite().all() and path.cost.isfinite().all()
    (path.loss + path.cost).sum().backward()
    for name, weight in agent.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), name
    # The backbone before the attention learns through it.
    assert next(agent.features.parameters()).grad.abs().max() > 0
    columns = evaluate(agent, WORLD, scenes())
    assert agent.training, "evaluation did not put it back"
    total = columns.log_probability.exp().sum(-1)
    torch.testing.assert_close(total, torch.ones_like(total))
    for density in (columns.density, columns.activation):
        assert len(density) == COUNT and density.isfinite().all() and (density >= 0).all()


@pytest.mark.parametrize("row", ROWS)
def test_what_every_row_charges_is_the_same_without_gradients(row: str) -> None:
    """Some maps are gradients, and evaluation has none."""
    agent = of_row(row).eval()
    torch.manual_seed(3)
    with recorded(agent) as learning:
        cost = decide(agent, scenes()).cost
    torch.manual_seed(3)
    with torch.no_grad(), recorded(agent) as using:
        torch.testing.assert_close(decide(agent, scenes()).cost, cost)
    assert [one.kind for one in using] == [one.kind for one in learning]
    for one, other in zip(using, learning, strict=True):
        assert one.kind in KINDS
        torch.testing.assert_close(one.tensor, other.tensor.detach(), rtol=1e-4, atol=1e-5)


def test_class_activation_says_what_the_answer_was_read_from() -> None:
    """Its mean over places is the score of the answer, where it is nowhere negative."""
    head = MeanPool(6, CLASSES)
    with torch.no_grad():
        head.classifier.weight.uniform_(0.1, 1.0)
        head.classifier.bias.zero_()
        with recorded(head) as maps:
            scores = head(torch.rand(COUNT, 6, 5, 7))
    assert maps[0].density is not None
    torch.testing.assert_close(maps[0].density.mean((1, 2)), scores.amax(1))


@pytest.mark.parametrize("count", [2, 3, 7, 8, 9, 1000, 1001, 2001, 999_001])
def test_no_scene_is_alone_in_its_batch(count: int) -> None:
    for most in (20, 1000):
        batch = together(count, most)
        assert 2 <= batch <= most and count % batch != 1


def test_the_map_of_another_is_of_another_for_every_scene() -> None:
    """Of one scene more than a batch the last was given its own map."""
    some, agent = scenes().slice(0, 9), sharp(build(block=CBAMSpatial))
    own = evaluate(agent, WORLD, some).log_probability[:, 0]
    for name, found in controlled(agent, WORLD, some, soft, most=4).items():
        assert ((found.log_probability[:, 0] - own).abs().amax(1) > 1e-4).all(), name
    assert controlled(agent, WORLD, some.slice(0, 1), soft) == {}


def test_however_large_an_image_it_has_few_patches() -> None:
    for side, patches in ((1024, 32), (100, 25), (32, 32), (8, 8)):
        agent = SoftAgent((1, side, side), 10, backbone="vit_32", width=8)
        assert agent.features(torch.rand(1, 1, side, side)).shape[2:] == (patches, patches)
