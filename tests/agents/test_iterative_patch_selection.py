"""Iterative patch selection: it keeps the best of all, in memory that does not grow, and learns."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn.agents import IterativePatchSelection
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.cost import memory
from hardattn.evaluation.metrics import error
from hardattn.rollout import greedy, rollout
from hardattn.scenes import majority
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.learning import CLASSES, Lesson, textures
from tests.support.scenes import make_split, numbers

SMALL: dict[str, Any] = dict(patch=4, kept=3, features=8, hidden=8, filters=4)


class Asked(Lesson):
    """A lesson that is asked at its end alone."""

    @property
    def world(self) -> World:
        return World(self.sensor, Classify(CLASSES), self.looks, first=self.first)


class Anywhere(IterativePatchSelection):
    """The control: it keeps patches by chance, and attends to them as the agent does."""

    def _keep(self, state: Any, seen: Any) -> Any:
        scored, self.scored = self.scored, lambda features: torch.rand(features.shape[:2])
        try:
            return super()._keep(state, seen)
        finally:
            self.scored = scored


def agent(looks: int = 10) -> tuple[IterativePatchSelection, World]:
    torch.manual_seed(3)
    world = World(Retina(8), Classify(CLASSES), looks)
    return IterativePatchSelection((1, 8, 8), CLASSES, looks=looks, **SMALL), world


def test_it_goes_over_all_and_keeps_the_best() -> None:
    """Those of a slow selection among all patches at once."""
    one, world = agent()
    scenes = textures(5, numbers(0), 24)
    state, view = one.start(world.context(scenes)), world.open(scenes)
    place = world.first(scenes, numbers(1))
    seen = []
    with torch.no_grad():
        for look in range(10):
            state, decision = one.step(state, world.observe(view, place, look))
            place = decision.location.mode
            seen.append(place)
    windows = {tuple(row.tolist()) for row in torch.stack(seen)[:9, 0].mul(3).round()}
    assert len(windows) == 9, "each window once"
    image = scenes.image / 255.0
    cut = image.unflatten(2, (6, 4)).unflatten(4, (6, 4)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    line = (torch.arange(6) + 0.5) / 6 * 2 - 1
    centres = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).flatten(0, 1)
    scores: Tensor = one.scored(one.patch(cut) + one.place(centres))
    wanted = scores.topk(3, 1)
    assert torch.allclose(state.scores, wanted.values, atol=1e-5)
    # Blank patches differ by their places alone.
    assert torch.allclose(state.places, centres[wanted.indices], atol=1e-5)
    kept = cut.flatten(2).gather(1, wanted.indices[..., None].expand(-1, -1, 16))
    assert torch.allclose(state.patches.flatten(2), kept, atol=1e-6)


def test_a_gradient_is_made_of_what_was_kept_and_of_nothing_before() -> None:
    one, world = agent()
    scenes = textures(5, numbers(0), 24)
    path = rollout(one, world, scenes, greedy, numbers(1))
    whole = torch.autograd.grad(path.logits.sum(), list(one.parameters()), retain_graph=True)
    last = torch.autograd.grad(path.logits[-1].sum(), list(one.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(whole, last, strict=True))
    one.eval()
    quiet = rollout(one, world, scenes, greedy, numbers(1))
    assert torch.allclose(quiet.logits, path.logits)


def test_memory_is_that_of_what_is_kept() -> None:
    """On 16 times the pixels: the same to the byte, in training but for the record of the looks."""
    sizes = []
    for canvas, side in ((512, 2), (2048, 8)):
        looks = side**2 + 1
        torch.manual_seed(0)
        one = IterativePatchSelection(
            (1, 256, 256), 10, looks=looks, **{**SMALL, "patch": 32, "kept": 8}
        )
        world = World(Retina(256), Classify(10), looks, first="centre")
        make = partial(majority, canvas=canvas, distractors=9, distractor_size=3)
        scenes = make(make_split(), torch.arange(2), numbers(1))
        memory(one.eval(), world, scenes)
        sizes.append(memory(one, world, scenes))
        one.train()
        held: list[int] = []
        hooks = torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, held=held: held.append(tensor.nbytes) or tensor, lambda tensor: tensor
        )
        with hooks:
            ESTIMATORS["reinforce"].make(one, world, scenes, numbers(2)).total.backward()
        sizes.append(sum(held))
    assert sizes[2] == sizes[0] and sizes[3] < 1.1 * sizes[1]


LESSON = Asked(
    IterativePatchSelection,
    dict(looks=5, patch=8, kept=2, features=32, hidden=32, filters=8),
    *("reinforce", "reinforce", Retina(16), 5),
    side=32,
    updates=300,
    rate=5e-3,
)


def test_learns_what_to_keep() -> None:
    """Errors of seeds 0, 1 and 2: 0, 0, 0 %; of the control 57, 58, 57."""
    learned = LESSON.learned()
    control = Asked(Anywhere, *list(vars(LESSON).values())[1:]).learned()
    assert error(control) > 0.3
    assert error(learned) < 0.7 * error(control)


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(ValueError, match="choose a patch that divides them"):
        IterativePatchSelection((1, 10, 10), 10, looks=5, patch=4)
