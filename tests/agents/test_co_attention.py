"""Co-attention and co-excitation against slow formulas; and that the example decides."""

import pytest
import torch
from torch import Tensor

from hardattn.agents import CoAttention
from hardattn.agents.co_attention import Boxes, CoExcitation, MutualAttention, Pair
from hardattn.data import load
from hardattn.experiments import build
from hardattn.experiments.recipe import ProblemOptions, Spec
from hardattn.maps import foreign_map, mean_map, recorded, replaced
from hardattn.problem import Problem
from hardattn.scenes import Scenes


def asking(count: int = 30, context: str = "none", absent: float = 0.25) -> tuple[Problem, Scenes]:
    digits = load("digits")
    scene = Spec("query", canvas=48, zoom=2, clutter=0, absent=absent)
    given = ProblemOptions(
        scene=scene, sensor=Spec("whole"), looks=1, first="centre", context=context
    )
    one = build.built(given, digits.classes, (1, 8, 8))
    return one, one.make(digits.train, torch.arange(count), torch.Generator().manual_seed(0))


def made(one: Problem, **options: object) -> CoAttention:
    torch.manual_seed(0)
    agent = build.agent(Spec("co_attention", **options), (1, 48, 48), one.world, (1, 48, 48))
    assert isinstance(agent, CoAttention)  # told as it is, and not beside what it sees
    return agent.eval()


def said(agent: CoAttention, one: Problem, scenes: Scenes) -> Tensor:
    world = one.world
    seen = world.observe(world.open(scenes), world.place(world.first(scenes)), 0)
    with torch.no_grad():
        return agent.step(agent.start(world.context(scenes)), seen)[1].logits


def test_each_attends_to_the_other_as_it_is_written() -> None:
    torch.manual_seed(0)
    both = MutualAttention(6).eval()
    pair = Pair(torch.randn(2, 6, 3, 4), torch.randn(2, 6, 2, 2))
    with torch.no_grad():
        found = both(pair)
        for b in range(2):
            shown, asked = (each[b].flatten(1).T for each in pair)  # (N, C)
            key = [both.phi(one[None, :, None, None])[0, :, 0, 0] for one in shown]
            query = [both.theta(one[None, :, None, None])[0, :, 0, 0] for one in asked]
            value = [both.g(one[None, :, None, None])[0, :, 0, 0] for one in shown]
            for i in range(4):
                weight = torch.stack([query[i] @ one for one in key]).softmax(0)
                mixed = sum(w * v for w, v in zip(weight, value, strict=True))
                assert isinstance(mixed, Tensor)
                more = both.to_example(mixed[None, :, None, None])[0, :, 0, 0]
                wanted = asked[i] + more
                assert torch.allclose(found.example[b].flatten(1)[:, i], wanted, atol=1e-5)


def test_one_gate_squeezes_the_example_and_excites_both() -> None:
    torch.manual_seed(0)
    gated = CoExcitation(32, 16)
    pair = Pair(torch.randn(3, 32, 5, 5), torch.randn(3, 32, 2, 2))
    with torch.no_grad():
        found, other = gated(pair), gated(pair._replace(scene=torch.zeros(3, 32, 5, 5)))
    gate = found.example / pair.example
    assert torch.allclose(gate, gate[:, :, :1, :1].expand_as(gate), atol=1e-4)
    assert torch.allclose(found.scene, pair.scene * gate[:, :, :1, :1], atol=1e-4)
    assert torch.equal(other.example, found.example) and ((gate > 0) & (gate < 1)).all()


@pytest.mark.parametrize("side, scene", [(4, 12), (3, 11), (2, 8)])
def test_boxes_are_the_features_at_the_places_of_a_query(side: int, scene: int) -> None:
    features, example = torch.randn(2, 5, scene, scene), torch.randn(2, 5, side, side)
    boxes, asked = Boxes((scene, scene), (side, side), 4)(features, example)
    half = scene / 2
    for number, (top, left) in enumerate(
        (y, x)
        for y in (0, half - side, half, scene - side)
        for x in (0, half - side, half, scene - side)
    ):
        if top == int(top) and left == int(left):
            y, x = int(top), int(left)
            wanted = features[:, :, y : y + side, x : x + side].flatten(1)
            assert torch.allclose(boxes[:, number], wanted, atol=1e-5)
    assert boxes.shape == (2, 16, 5 * side**2)
    assert torch.allclose(asked, example.flatten(1), atol=1e-6)


@pytest.mark.parametrize("parts", [(True, True), (False, False)])
def test_the_example_decides_and_its_copy_is_found(parts: tuple[bool, bool]) -> None:
    """Without attention the box that shows the very example has a cosine of nearly 1."""
    one, scenes = asking(absent=0.0)
    attend, excite = parts
    agent = made(one, attend=attend, excite=excite)
    copy = load("digits").train.images[scenes.index].flatten(1) / 255.0
    found = said(agent, one, Scenes(*scenes[:4], copy))
    assert not torch.allclose(found, said(agent, one, scenes), atol=1e-3)
    assert found.shape == (30, 17) and not found[:, 16].any()
    if not attend:
        right = (found[:, :16].argmax(1) == scenes.target).double().mean()
        assert right > 0.6  # of weights that have learned nothing; a guess is 1 / 16


def test_a_picture_as_context_leaves_the_cue_first() -> None:
    (alone, scenes), (beside, _) = asking(), asking(context="coarse")
    one, other = made(alone), made(beside)
    assert torch.equal(said(one, alone, scenes), said(other, beside, scenes))


def test_maps_say_what_they_are_and_matter() -> None:
    one, scenes = asking()
    agent = made(one)
    with recorded(agent) as maps:
        logits = said(agent, one, scenes)
    kinds = [each.kind for each in maps]
    assert kinds == ["pooled query", "pooled query", "channel gate"]
    back, there, _ = maps
    assert back.density is None and back.tensor.shape == (30, 144, 16)
    density = there.density
    assert density is not None and density.shape == (30, 12, 12)
    assert torch.allclose(density.sum((1, 2)), torch.ones(30), atol=1e-5)
    for control in (mean_map, foreign_map):
        with replaced(agent, control):
            assert not torch.allclose(said(agent, one, scenes), logits, atol=1e-5)


def test_what_does_not_fit_is_refused_in_a_line() -> None:
    with pytest.raises(ValueError, match="take a scene that tells one, as query does"):
        CoAttention((1, 12, 12), 10)
    with pytest.raises(ValueError, match="as many channels as the scene"):
        CoAttention((3, 12, 12), 10, cue=(1, 8, 8))
    with pytest.raises(ValueError, match="n x n boxes and none of them, which 9 are not"):
        CoAttention((1, 12, 12), 9, cue=(1, 8, 8))
