"""What a glimpse agent says of where it looked, and of nowhere else."""

from typing import Any

import torch

from hardattn.agents import MaskRAM, Scripted
from hardattn.data import load
from hardattn.estimators.score_function import learned_baseline
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import error_after
from hardattn.evaluation.places import mean_iou
from hardattn.problem import problem
from hardattn.scenes import fixed_scenes
from hardattn.sensors import Retina

SIDE = 24


def made(spacing: int = 2) -> tuple[Any, Any, Any]:
    data = load("digits")
    eye = Retina(8, 2)
    one = problem("masks", eye, data.classes, (1, 8, 8), canvas=SIDE, spacing=spacing, looks=3)
    scenes = fixed_scenes(one.make, data.test, 1).slice(0, 5)
    torch.manual_seed(0)
    task = one.world.task
    window = (8 / SIDE, 8 / SIDE)
    agent = MaskRAM((2, 8, 8), task.classes, layout=task.layout, window=window, hidden=16, what=9)
    return agent.eval(), one.world, scenes


def test_a_place_gets_what_is_said_of_its_pixel() -> None:
    """A look that paints what it sees paints the image, where it looked, and 0 elsewhere."""
    agent, world, scenes = made(spacing=1)
    view = world.open(scenes)
    for at in ((0.0, 0.0), (0.5, -0.25), (-1.0, 1.0)):
        # On the edges of pixels, where the retina's rounding has nothing to choose.
        place = torch.tensor([at]).expand(5, 2)
        seen = world.observe(view, place, 0)
        canvas = agent.placed(seen.glimpse[:, :1], place)[:, 0]
        image = scenes.image[:, 0] / 255.0
        left, top = (round((one + 1) / 2 * SIDE) - 4 for one in at)
        wanted = torch.zeros_like(image)
        rows, columns = (slice(max(0, edge), max(0, edge + 8)) for edge in (top, left))
        wanted[:, rows, columns] = image[:, rows, columns]
        assert torch.allclose(canvas, wanted)


def test_background_is_the_answer_where_it_never_looked_and_looks_add_up() -> None:
    agent, world, scenes = made()
    view, state = world.open(scenes), agent.start(world.context(scenes))
    prior = state[1].clone()
    for look in range(2):
        place = torch.full((5, 2), 0.5 - look)
        before = state[1]
        state, decision = agent.step(state, world.observe(view, place, look))
        assert torch.equal(decision.logits, agent.maps.logits(state[1]))
        changed = (state[1] != before).any(1)[0]
        inside = (torch.arange(12)[:, None] + 0.5) / 6 - 1 - (0.5 - look)
        wanted = (inside.abs() < 8 / SIDE).expand(-1, 12)
        assert torch.equal(changed, wanted & wanted.T)
    never = ~((state[1] != prior).any(1))
    assert never.any() and (state[1].argmax(1)[never] == 0).all()


def test_it_learns_in_seconds() -> None:
    """Which places belong to a digit on an empty canvas, under random looks."""
    data, eye = load("digits"), Retina(8)
    options: dict[str, Any] = {"canvas": 14, "digits": 1, "distractors": 0, "label": "salient"}
    one = problem("masks", eye, data.classes, (1, 8, 8), **options, looks=4, each=True, bonus=0.0)
    world = one.world
    torch.manual_seed(0)
    agent = MaskRAM(
        (1, 8, 8),
        world.task.classes,
        layout=world.task.layout,
        window=(8 / 14, 8 / 14),
        hidden=32,
        what=16,
    )
    looking = Scripted(agent, "random", world.looks)
    optimizer = torch.optim.Adam(agent.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        index = torch.randint(len(data.train), (32,), generator=generator)
        scenes = one.make(data.train, index, generator)
        optimizer.zero_grad()
        learned_baseline(looking, world, scenes, generator).total.backward()
        optimizer.step()
    test = fixed_scenes(one.make, data.validation, 1).slice(0, 100)
    columns = evaluate(looking, world, test)
    errors = error_after(columns)
    assert errors[-1] < errors[0] and mean_iou(columns) > 0.6  # type: ignore[operator]
