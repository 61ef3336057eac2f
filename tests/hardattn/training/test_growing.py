"""Scenes that grow: how large and how cluttered they are when, and who can have none."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn.data import load
from hardattn.estimators import ESTIMATORS
from hardattn.scenes import cluttered, localise, pair, plain, translated
from hardattn.scenes.majority import majority
from hardattn.training.growing import growable, grown
from hardattn.training.interrupt import Stopped
from tests.support.training import Interrupted, learn, outcome, same

SPLIT = load("digits").train  # 8x8
INDEX = torch.arange(40)


def made(make: Any, seed: int = 0) -> Any:
    return make(SPLIT, INDEX, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "make, sizes",
    [
        (partial(translated, canvas=48, zoom=2), {0.0: 16, 0.25: 21, 0.5: 28, 1.0: 48, 3.0: 48}),
        (partial(translated, canvas=48, zooms=(1, 2)), {0.0: 16, 0.5: 28}),
        (partial(cluttered, canvas=(20, 40)), {0.0: (8, 8), 0.5: (13, 18), 1.0: (20, 40)}),
        (partial(pair, canvas=48, zoom=2), {0.0: 32, 0.5: 39, 1.0: 48}),
        (partial(pair, canvas=20, zoom=2), {0.0: 20, 0.5: 20}),
        (partial(majority, canvas=104, zoom=2), {0.0: 48, 0.5: 71, 1.0: 104}),
    ],
)
def test_a_canvas_grows_from_the_size_of_its_images(make: Any, sizes: dict[float, Any]) -> None:
    for done, size in sizes.items():
        scenes = made(grown(make, done, "canvas"))
        assert scenes.image.shape[2:] == ((size, size) if isinstance(size, int) else size)
        assert scenes.box.min() >= -1 and scenes.box.max() <= 1


def test_clutter_grows_in_number_and_is_that_of_the_scene_in_the_end() -> None:
    make = partial(cluttered, canvas=48, distractors=4, distractor_size=8)
    for done, pieces in ((0.0, 0), (0.19, 0), (0.21, 1), (0.5, 2), (0.79, 3), (0.81, 4), (1.0, 4)):
        wanted = made(partial(make, distractors=pieces))
        for what in ("clutter", "both"):
            found = made(grown(make, done, what))
            if what == "clutter" or done >= 1:
                assert torch.equal(found.image, wanted.image)
    assert grown(make, 1.0, "both") is make
    by_default = made(grown(partial(cluttered, canvas=48), 0.0, "clutter"))
    assert torch.equal(by_default.image, made(partial(cluttered, canvas=48, distractors=0)).image)
    by_default = made(grown(partial(majority, canvas=48), 0.0, "clutter"))
    assert torch.equal(by_default.image, made(partial(majority, canvas=48, distractors=0)).image)


@pytest.mark.parametrize(
    "make, what, why",
    [
        (plain, "canvas", "cannot grow"),
        (partial(plain, zoom=2), "both", "cannot grow"),
        (partial(localise, canvas=48), "both", "cannot grow"),
        (partial(translated, canvas=48), "clutter", "no clutter"),
        (partial(cluttered, canvas=48, distractors=0), "clutter", "no clutter"),
        (partial(translated, canvas=48), "colour", "grow in clutter, canvas, both"),
    ],
)
def test_what_cannot_grow_is_refused(make: Any, what: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        growable(make, what)


def test_a_training_whose_scenes_grow_resumes_exactly(tmp_path: Path) -> None:
    seen: list[int] = []

    def watched(agent: Any, world: Any, scenes: Any, generator: Any) -> Any:
        seen.append(scenes.image.shape[-1])
        return ESTIMATORS["learned_baseline"].make(agent, world, scenes, generator)

    options: dict[str, Any] = {"growing": 0.5, "grows": "canvas"}
    learn(tmp_path / "whole", estimator=watched, **options)
    assert seen[0] == 8 and seen == sorted(seen)
    assert seen.count(12) >= len(seen) // 2 and seen[len(seen) // 4] == 10
    with pytest.raises(Stopped):
        learn(
            tmp_path / "parts",
            estimator=Interrupted(ESTIMATORS["learned_baseline"].make, 9),
            **options,
        )
    learn(tmp_path / "parts", **options)
    assert same(outcome(tmp_path / "parts"), outcome(tmp_path / "whole"))
