"""Several images of which three are alike, surveys of them, and who looks at large ones."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn.agents import AGENTS
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.cost import memory
from hardattn.problem import SCENES
from hardattn.scenes import Scenes, fixed_scenes, majority
from hardattn.scenes.sprites import Sprites
from hardattn.sensors import Several
from hardattn.tasks import Classify
from hardattn.world import SURVEY, World
from tests.hardattn.scenes.test_canvas import OPTIONS
from tests.support.scenes import make_split, numbers, pixels_of

PLACED = [name for name in SCENES if name not in ("circle_square", "catch")]


def test_three_are_of_the_class_and_two_of_others() -> None:
    split, index = make_split(count=200), torch.arange(200)
    scenes = majority(split, index, numbers(1), canvas=24, distractors=0)
    sprites = Scenes(*majority(split, index, numbers(1), canvas=600, distractors=0))
    assert isinstance(sprites.picture, Sprites)
    label = split.labels[sprites.picture.source.long()]
    assert torch.equal(sprites.target, split.labels)
    assert (label[:, :3] == split.labels[:, None]).all()
    assert (label[:, 3:] != split.labels[:, None]).all()
    assert torch.equal(sprites.picture.source[:, 0].long(), index)
    assert scenes.box.shape == (200, 3, 4)
    for row in range(20):
        for image, box in zip(range(3), scenes.box[row], strict=True):
            left, top, right, bottom = pixels_of(box, 24, 24)
            seen = scenes.image[row, :, top:bottom, left:right]
            if image == 0:
                assert torch.equal(seen, split.images[row])
    cells = ((scenes.box[:, :, :2] + 1) / 2 * 3 + 1e-4).floor()
    apart = (cells[:, 0] != cells[:, 1]).any(1)
    assert apart.all(), "each has a cell of its own"


def test_what_does_not_fit_a_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="an image of 6x7 pixels does not fit a cell of 6x6"):
        majority(make_split(), torch.arange(2), numbers(0), canvas=20, distractors=0)


def binned(image: Tensor, height: int, width: int) -> Tensor:
    """The slow survey of painted scenes, pixel by pixel."""
    count, channels, rows, columns = image.shape
    sums = torch.zeros(count, channels, height, width, dtype=torch.float64)
    times = torch.zeros(height, width, dtype=torch.float64)
    for y in range(rows):
        for x in range(columns):
            at = y * height // rows, x * width // columns
            sums[:, :, *at] += image[:, :, y, x]
            times[at] += 1
    return sums / times


@pytest.mark.parametrize("name", PLACED)
def test_a_survey_is_that_of_the_painted_scenes(name: str) -> None:
    """Where pieces lie on each other as well, or are not there."""
    options: dict[str, Any] = OPTIONS[name][-1]
    scenes = SCENES[name].make(make_split(channels=3), torch.arange(5), numbers(5), **options)
    scene = fixed_scenes(partial(SCENES[name].make, **options), make_split(), 3).slice(0, 5)
    for some in (scenes, scene):
        picture = some.picture if isinstance(some.picture, Sprites) else Sprites.of(some.picture)
        wanted = binned(some.image, 4, 5)
        assert torch.allclose(picture.averaged(4, 5).double(), wanted, atol=1e-3)


def test_a_survey_of_sprites(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of pieces that lie on each other, cut off where they are too bright; read in parts or not."""
    split = make_split()
    split.images.clamp_(min=120)
    some = dict(canvas=(21, 27), distractors=12, distractor_size=5)
    painted = majority(split, torch.arange(6), numbers(2), **some).image  # type: ignore[arg-type]
    monkeypatch.setattr("hardattn.scenes.canvas.LARGE", 0)
    scenes = majority(split, torch.arange(6), numbers(2), **some)  # type: ignore[arg-type]
    assert isinstance(scenes.picture, Sprites) and (painted == 255).sum() > 200
    whole = scenes.picture.averaged(5, 4)
    assert torch.allclose(whole.double(), binned(painted, 5, 4), atol=1e-3)
    monkeypatch.setattr("hardattn.scenes.sprites.TOGETHER", 1)
    assert torch.equal(scenes.picture.averaged(5, 4), whole)
    monkeypatch.setattr(Sprites, "painted", None)
    world = World(Several(3, 3, 2, 5), Classify(10), 2, context="survey")
    assert torch.allclose(world.context(scenes)[0, 0, 3, 4] * 255, painted[0, 0, 3, 4].float())


LARGE: dict[str, Any] = dict(grid=(10, 10), features=8, filters=4)


def looking(name: str, canvas: int) -> tuple[Any, World, Scenes]:
    split = make_split(height=20, width=20)
    make = partial(majority, canvas=canvas, distractors=20, distractor_size=8)
    scenes = make(split, torch.arange(3), numbers(1))
    world = World(Several(10, 10, 4, 32), Classify(10), 2, context="survey", first="centre")
    told = world.context_shape((1, canvas, canvas))
    torch.manual_seed(0)
    shape = world.sensor.shape((1, canvas, canvas))
    return AGENTS[name].make(shape, 10, context=told, **LARGE), world, scenes


@pytest.mark.parametrize("name", ["patch_selection", "attention_sampling"])
def test_memory_does_not_grow_with_the_canvas(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 1500 to 8192 pixels a side: not by a byte; and a training goes through unpainted."""
    peaks = []
    for canvas in (1500, 8192):
        agent, world, scenes = looking(name, canvas)
        assert world.sees(scenes.shape) == "sees a coarse view"
        assert world.context(scenes).shape == (3, 1, SURVEY, SURVEY)
        memory(agent.eval(), world, scenes)  # what is kept from the first time on
        peaks.append(memory(agent, world, scenes))
    assert peaks[0] == peaks[1] < 2 * 8192**2
    monkeypatch.setattr(Sprites, "painted", None)
    agent.train()
    row = ESTIMATORS[AGENTS[name].learns_by]
    loss = row.build(agent, world)(agent, world, scenes, numbers(2))
    loss.total.backward()
    assert agent.scores.score.weight.grad.abs().sum() > 0
