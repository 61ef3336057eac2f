"""AdaGlimpse: where its tokens lie, what it foresees, and that it learns place and scale."""

import math
from functools import partial

import pytest
import torch

from hardattn.agents import AdaGlimpse, Scripted
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.metrics import error
from hardattn.rollout import greedy, rollout
from hardattn.sensors import Retina, Zoom
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.agents import build, scenes
from tests.support.learning import Elsewhere, Lesson, textures


def test_patches_lie_where_the_window_shows_them() -> None:
    """Of a window over half of the image, on its right: middles of 2 x 2 quarters of it."""
    agent, _ = build("agent ada_glimpse")
    place = torch.tensor([[0.5, 0.0, 1 + math.log(0.5)]])
    found = agent.centres(place)[0]
    wanted = [[0.25, -0.25], [0.75, -0.25], [0.25, 0.25], [0.75, 0.25]]
    assert torch.allclose(found[:, :2], torch.tensor(wanted))
    assert torch.allclose(found[:, 2], place[0, 2])


def test_what_is_not_there_has_no_influence() -> None:
    """Slots of looks to come are masked, whatever lies in them; those of looks before are not."""
    agent, world = build("agent ada_glimpse")
    seen = world.observe(world.open(scenes()), torch.zeros(12, 3), 0)
    state, decision = agent.step(agent.start(world.context(scenes())), seen)
    there = state.there.bool()
    assert there.sum(1).tolist() == [4] * 12
    for slots, same in ((~there, True), (there, False)):
        tokens = torch.where(slots[..., None], torch.randn_like(state.tokens), state.tokens)
        again = agent.answer(agent.encode(tokens, state.there)[:, 0])
        assert torch.allclose(again, decision.logits, atol=1e-6) == same


def test_its_policy_is_shown_all_patches_and_their_places() -> None:
    """Those of looks before, too; and no gradient comes back through what it reads."""
    agent, world = build("agent ada_glimpse")
    many, state = scenes(), agent.start(world.context(scenes()))
    shown = []
    for step in range(2):
        seen = world.observe(world.open(many), torch.full((12, 3), 0.1 * step), step)
        state, _ = agent.step(state, seen)
        cut = seen.glimpse.unflatten(2, (2, 2)).unflatten(4, (2, 2)).permute(0, 2, 4, 1, 3, 5)
        shown.append(torch.cat([cut.flatten(1, 2).flatten(2), agent.centres(seen.location)], 2))
    known = agent.summary(state)
    assert known.shape == (12, agent.summed) and not known.requires_grad
    read = known[:, agent.width :].unflatten(1, (agent.looks, 4, -1))
    for step, patches in enumerate(shown):
        assert torch.equal(read[:, step], patches)
    assert not read[:, 2:].any()


def test_it_is_charged_for_what_it_did_not_foresee() -> None:
    agent, world = build("agent ada_glimpse")
    path = rollout(agent.eval(), world, scenes(), greedy)
    assert not path.cost[0].any() and (path.cost[1:] > 0).all()
    # The place, not the glimpse, is what its guess is made of.
    with torch.no_grad():
        agent.pixels.weight.zero_()
        agent.pixels.bias.zero_()
    path = rollout(agent, world, scenes(), greedy)
    glimpse = world.sensor.look(world.open(scenes()), world.place(path.location[1]))
    assert torch.allclose(path.cost[1], (glimpse**2).mean((1, 2, 3)), atol=1e-6)


@pytest.mark.parametrize("glimpse, places", [((1, 5, 5), 3), ((1, 4, 4), 2), ((4,), 3)])
def test_what_it_cannot_cut_is_refused(glimpse: tuple[int, ...], places: int) -> None:
    with pytest.raises(ValueError, match="choose the sensor 'zoom'"):
        AdaGlimpse(glimpse, 10, looks=2, places=places, patch=2)


def test_a_stem_reads_each_patch_by_itself() -> None:
    """So a token hangs on the pixels of its own patch, of its own image, and on its place."""
    torch.manual_seed(0)
    agent = AdaGlimpse((1, 4, 4), 10, looks=2, patch=2, width=8, heads=2, filters=16)
    world = build("agent ada_glimpse")[1]
    seen = world.observe(world.open(scenes()), torch.zeros(12, 3), 0)
    before = agent.step(agent.start(torch.empty(12, 0)), seen)[0].tokens
    changed = seen.glimpse.clone()
    changed[3, :, 2:, :2] += 0.5  # the third of four patches
    after = agent.step(agent.start(torch.empty(12, 0)), seen._replace(glimpse=changed))[0].tokens
    differ = (before != after).any(-1)
    assert differ.nonzero().tolist() == [[3, 2]]
    with pytest.raises(ValueError, match="2 filters or more"):
        AdaGlimpse((1, 4, 4), 10, looks=2, patch=2, filters=1)


def test_a_script_s_looks_are_as_wide_as_it_is_told() -> None:
    """While the world's first look is as wide as the sensor has it."""
    agent, _ = build("agent ada_glimpse")
    sensor = Zoom(4, 1.0)
    world = World(sensor, Classify(10), 3)
    path = rollout(Scripted(agent, "raster", 3, sensor, 0.25), world, scenes())
    widths = (path.location[..., 2] - 1).exp()
    assert torch.allclose(widths[0], torch.ones(12))
    assert torch.allclose(widths[1:], torch.full((2, 12), 0.25))
    with pytest.raises(ValueError, match="in a look that zooms"):
        Scripted(agent, "raster", 3, Retina(4), 0.25)


# The first look shows the whole, so coarsely that textures are alike in it.
LESSON = Lesson(
    *(AdaGlimpse, dict(looks=2, patch=4, width=32, depth=1)),
    **dict(sensor=Zoom(8, 1.0), make=partial(textures, block=8), updates=400, rate=6e-3),
)


def test_learns_where_and_how_wide_to_look() -> None:
    """Errors of seed 0: 16 %; of looks anywhere, of a width that shows textures, 38."""
    how = ESTIMATORS["soft_actor_critic"].build(LESSON._agent(0), LESSON.world, temperature=0.02)
    learned = LESSON.learned(how)
    near = Elsewhere(LESSON._agent(0), Zoom(8, 0.3))
    control = LESSON._learn(near, ESTIMATORS["reinforce"].make, 0)
    assert error(control) > 0.3
    assert error(learned) < 0.6 * error(control)
