"""A retina on one frame of a clip: which frame, which place, and nothing of the others."""

import pytest
import torch

from hardattn.agents import Scripted
from hardattn.distributions import Delta
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import METRICS
from hardattn.rollout import Decision
from hardattn.scenes import Scenes
from hardattn.sensors import Frames, Retina, Whole
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.sensors import pictures

STRIP = pictures(5, 2, 7, 4 * 9)


def test_it_is_a_retina_on_the_frame_alone() -> None:
    sensor, retina = Frames(4, 2, frames=4), Retina(4, 2)
    generator = torch.Generator().manual_seed(0)
    place = torch.rand(5, 3, generator=generator) * 2 - 1
    seen = sensor.look(sensor.open(STRIP), place)
    for row in range(5):
        frame = int((place[row, 2] + 1) / 2 * 4)
        alone = STRIP[row : row + 1, :, :, 9 * frame : 9 * frame + 9]
        wanted = retina.look(retina.open(alone), place[row : row + 1, :2])
        assert torch.equal(seen[row], wanted[0])


def test_points_of_the_strip_are_places_and_back() -> None:
    sensor = Frames(4, frames=4)
    x = torch.linspace(-0.999, 0.999, 29)
    point = torch.stack([x, x.flip(0)], 1)
    place = sensor.at(point)
    assert place.shape == (29, 3) and place.abs().max() <= 1
    assert torch.allclose(sensor.point(place), point, atol=1e-6)
    assert set(sensor.frame(place).tolist()) == {0, 1, 2, 3}
    assert sensor.at(torch.ones(1, 2)).tolist() == [[1.0, 1.0, 0.75]]


def test_a_strip_that_frames_do_not_share_is_refused() -> None:
    with pytest.raises(ValueError, match="5 frames do not share a width of 36 pixels evenly"):
        Frames(4, frames=5).open(STRIP)
    with pytest.raises(ValueError, match="a clip has at least 1 frame, not 0"):
        Frames(4, frames=0)
    with pytest.raises(ValueError, match="a sensor of 4 frames looks at no clip of 3"):
        World(Frames(4, frames=4), Classify(10), 2, frames=3)


class Blind:
    """Answers nothing, and looks at nothing in particular."""

    def start(self, context):  # type: ignore[no-untyped-def]
        return context

    def step(self, state, seen):  # type: ignore[no-untyped-def]
        nought = torch.zeros_like(seen.step)
        logits = nought[:, None].expand(-1, 10)
        return state, Decision(Delta(seen.location), logits, nought, nought)


def test_frames_that_were_looked_at_are_counted() -> None:
    box = torch.full((5, 1, 4), torch.nan)
    scenes = Scenes(STRIP, torch.zeros(5, dtype=torch.long), box, torch.arange(5))
    world = World(Frames(4, frames=4), Classify(10), 3, first="centre", frames=4)
    # The centre of the strip is the left border of the third frame; then the first one, twice.
    agent = Scripted(Blind(), "path:-0.9,0,-0.8,0", 3, world.sensor)
    columns = evaluate(agent, world, scenes)
    assert columns.frame[0].int().tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    assert METRICS["frames_looked"](columns) == 2
    everything = World(Whole(), Classify(10), 1, frames=4)
    assert METRICS["frames_looked"](evaluate(Blind(), everything, scenes)) == 4
    assert (
        METRICS["frames_looked"](evaluate(Blind(), World(Whole(), Classify(10), 1), scenes)) is None
    )
