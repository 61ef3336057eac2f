"""Every row of ESTIMATORS: without bias where it says so, and refused where it cannot be used."""

import copy
import inspect
from collections.abc import Callable
from functools import partial

import pytest
import torch

from hardattn.agents import (
    RAM,
    SCAL,
    Player,
    Scripted,
)
from hardattn.estimators import ESTIMATORS, refuse
from hardattn.scenes import Scenes
from hardattn.sensors import Cells, GaussianWindow, Zoom
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.estimators import (
    CLASSES,
    UNBIASED,
    Blind,
    Setting,
    cells,
    generator_of,
    make,
    patches,
    plane,
    points,
    three,
    weights,
    z_scores,
)
from tests.support.exact import exact_gradient, flat_gradient
from tests.support.selection import some_patches, two_levels
from tests.support.settings import clusters, episodes, gates, hidden, stacks, views, zoomed


@pytest.fixture
def scenes() -> Scenes:
    return three()


def player() -> Setting:
    """LocationDistribution and moves at once, drawn from two distributions."""
    torch.manual_seed(5)
    world = World(Zoom(4), Classify(CLASSES), 2, first="centre")
    return Player((1, 4, 4), CLASSES, hidden=4, what=4, where=4), world


def without_guide() -> Setting:
    world = plane(GaussianWindow(2), bonus=0.0)[1]
    return RAM((1, 2, 2), CLASSES, hidden=4), world


def features(looks: int = 2, bonus: float = 0.0) -> Setting:
    """Attention over features of four cells, as SCAL's critic wants it."""
    torch.manual_seed(9)
    task = Classify(CLASSES, bonus=bonus)
    world = World(Cells(2, 2), task, looks, first="centre", context="whole")
    return SCAL((1, 2, 2), CLASSES, context=(1, 4, 4), features=8, hidden=8, reduction=2), world


def scripted(script: str) -> Setting:
    """Points of the plane that nobody chooses: uniform ones, or one after the other."""
    agent, world = plane(GaussianWindow(2), bonus=0.0)
    return Scripted(agent, script, world.looks), world


WIDE: dict[str, Callable[[], Setting]] = {
    "each look": points,
    "last look": partial(points, each=False),
    "it stops by itself": partial(points, each=False, halts=True),
    "a point of the plane": partial(plane, GaussianWindow(2, sigma=0.8)),
}
# One that takes all of the above is tested there; one that does not, wherever it can be used.
SETTINGS: dict[str, Callable[[], Setting]] = {
    **WIDE,
    "a point, no reward": partial(plane, GaussianWindow(2, sigma=0.8), bonus=0.0),
    "a point that no gradient passes": partial(plane, Blind(2, sigma=0.8)),
    "points, no reward": partial(points, bonus=0.0),
    "weights": weights,
    "cells": cells,
    "patches": patches,
}
# And those of which the exact gradient is not asked.
OTHERS: dict[str, Callable[[], Setting]] = {
    "one look": partial(cells, looks=1),
    "three looks at cells": partial(cells, looks=3),
    "rewarded cells": partial(cells, bonus=0.7),
    "stopping, no reward": partial(points, each=False, halts=True, bonus=0.0),
    "patches, no reward": partial(patches, bonus=0.0),
    "no guide": without_guide,
    "places and moves": player,
    "features": features,
    "features, rewarded": partial(features, bonus=0.7),
    "features, three looks": partial(features, looks=3),
    "clusters": clusters,
    "gates": gates,
    "episodes": episodes,
    "two levels": two_levels,
    "hidden patches": hidden,
    "views": views,
    "answers on the way": stacks,
    "answers on the way, rewarded": partial(stacks, 0.7),
    "place and scale": zoomed,
    "place and scale, rewarded": partial(zoomed, 0.7),
    "several patches": some_patches,
    "attention to several": partial(some_patches, "attention_sampling"),
    "several patches, rewarded": partial(some_patches, bonus=0.7),
    "several patches, three looks": partial(some_patches, looks=3),
    "random looks": partial(scripted, "random"),
    "looks by a script": partial(scripted, "raster"),
}
drawing = OTHERS["attention to several"]
TABLE = "its row in hardattn/estimators/__init__.py"
# Without a first phase it is another row, `leave_one_out`, and takes what that takes.
OPTIONS: dict[str, dict[str, object]] = {"three_phases": {"phases": (1, 1)}}


def refusal(name: str, setting: Setting) -> str:
    return ESTIMATORS[name].refusal(*setting, three())


def suiting(name: str, *settings: Callable[[], Setting]) -> Setting:
    """The first of these that the estimator can be used in."""
    return next(made for made in (each() for each in settings) if not refusal(name, made))


def unbiased() -> list[tuple[str, str]]:
    """Estimators that say they are unbiased, each with every setting that it is tested in."""
    found = []
    for name, row in ESTIMATORS.items():
        if not row.biased:
            wide = not any(refusal(name, setting()) for setting in WIDE.values())
            some = WIDE if wide else SETTINGS
            found += [(name, key) for key, setting in some.items() if not refusal(name, setting())]
    return found


@pytest.mark.parametrize("name, key", unbiased())
def test_unbiased_where_it_says_so(name: str, key: str, scenes: Scenes) -> None:
    """By enumeration; of places that are points of the plane, by quadrature."""
    agent, world = SETTINGS[key]()
    exact = exact_gradient(agent, world, scenes)
    exactly = ESTIMATORS[name].episodes is None
    estimator, copies = make(name, agent, world), 1 if exactly else 64
    z = z_scores(estimator, agent, world, scenes, exact, 2 if exactly else 200, copies)
    said = f"{name} is biased, and {TABLE} does not say so"
    assert exactly or (len(z) > 50 and z.abs().max() < UNBIASED), said


def test_every_row_is_used_somewhere() -> None:
    tested = {name for name, _ in unbiased()}
    for name, row in ESTIMATORS.items():
        settings = [setting() for setting in (SETTINGS | OTHERS).values()]
        assert any(not refusal(name, setting) for setting in settings), (
            f"{name} can be used in no world of this file: add one to OTHERS, or mend {TABLE}"
        )
        assert row.biased or name in tested, (
            f"{name} says that it is unbiased and is tested in no world: add one to SETTINGS"
        )


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_a_row_refuses_what_its_estimator_cannot_do_and_nothing_else(
    name: str, scenes: Scenes
) -> None:
    """Where the row says no the estimator would raise as well: never a wrong number."""
    for key, setting in (SETTINGS | OTHERS).items():
        agent, world = setting()
        why = refusal(name, (agent, world))
        options = OPTIONS.get(name, {})
        if why:
            with pytest.raises(ValueError, match=rf"estimator '{name}' [a-z ]+") as told:
                refuse(name, agent, world, scenes)
            assert why in str(told.value) and "\n" not in why and len(why) < 200
            with pytest.raises((ValueError, NotImplementedError)):
                make(name, agent, world, **options)(agent, world, scenes, generator_of(0))
                pytest.fail(f"{name} takes {key!r}, and {TABLE} says that it {why}")
        else:
            refuse(name, agent, world, scenes)
            loss = make(name, agent, world, **options)(agent, world, scenes, generator_of(0))
            assert loss.total.isfinite() and len(loss.path.loss) == world.looks, key


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_asking_a_row_changes_nothing(name: str, scenes: Scenes) -> None:
    """Neither the agent, which may be training, nor the noise of the process."""
    agent, world = features()
    agent.train()
    before, noise = copy.deepcopy(agent.state_dict()), torch.get_rng_state()
    ESTIMATORS[name].refusal(agent, world, scenes)
    assert agent.training and torch.equal(torch.get_rng_state(), noise)
    assert all(torch.equal(value, before[key]) for key, value in agent.state_dict().items())


def test_of_an_estimator_that_is_in_no_table_nothing_is_refused(scenes: Scenes) -> None:
    refuse("somebody's:Own", *clusters(), scenes)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_a_row_says_how_often_it_looks(name: str, scenes: Scenes) -> None:
    """Episodes of a scene, counted; those that branch are as many as there are."""
    made = [setting() for setting in (SETTINGS | OTHERS).values()]
    agent, world = next(each for each in made if not refusal(name, each))
    opened: list[int] = []

    class Counting(type(world)):  # type: ignore[misc]
        def open(self, scenes: Scenes) -> object:
            opened.append(len(scenes))
            return super().open(scenes)

    world.__class__ = Counting
    loss = make(name, agent, world)(agent, world, scenes, generator_of(0))
    row, each = ESTIMATORS[name], sum(opened) / len(scenes)
    if row.episodes is None:
        assert each == 1 and loss.path.loss.shape[1] > len(scenes), TABLE
    else:
        assert each == row.episodes, f"{name} looks {each} times at a scene: mend {TABLE}"


@pytest.mark.parametrize(
    "name",
    [name for name, row in ESTIMATORS.items() if not row.one_draw and row.needs in ("", "guide")],
)
def test_takes_part_in_a_curriculum_of_looks(name: str, scenes: Scenes) -> None:
    """An estimator made for three looks learns from one, then from two, then from all."""
    flat = partial(plane, GaussianWindow(2), bonus=0.0)
    agent, world = suiting(name, flat, cells, partial(patches, bonus=0.0), some_patches)
    whole = World(world.sensor, world.task, 3, first="centre")
    estimator = make(name, agent, whole)
    for looks in (1, 2, 3):
        loss = estimator(agent, whole.upto(looks), scenes, generator_of(0))
        assert loss.total.isfinite() and len(loss.path.loss) == len(loss.advantage) == looks
        assert flat_gradient(agent, loss.total).abs().max() > 0


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_draws_from_its_generator_alone(name: str, scenes: Scenes) -> None:
    flat = partial(plane, GaussianWindow(2), bonus=0.0)
    agent, world = suiting(
        name,
        flat,
        cells,
        patches,
        features,
        clusters,
        gates,
        episodes,
        zoomed,
        some_patches,
        drawing,
        two_levels,
        hidden,
        views,
        stacks,
    )
    totals = []
    for noise in (6, 7):
        torch.manual_seed(0)
        estimator = make(name, agent, world)
        torch.manual_seed(noise)
        totals.append(estimator(agent, world, scenes, generator_of(8)).total.item())
    assert totals[0] == totals[1]


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_has_a_source_and_says_whether_it_is_biased(name: str) -> None:
    words = inspect.getdoc(ESTIMATORS[name].make)
    assert words and "iased" in words, (
        f"the docstring of {ESTIMATORS[name].make.__name__} does not say whether it is biased"
    )
