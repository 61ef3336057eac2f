"""A row's title says what was changed; its class what its looks can show. Over all recipes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn.experiments.build import world
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.recipe import ProblemOptions, Spec
from hardattn.experiments.recipes import RECIPES
from hardattn.report.controls import sees
from hardattn.report.rows import tables
from hardattn.report.runs import read
from hardattn.report.titles import changes, title
from hardattn.sensors import SENSORS, SIGHTS, Retina
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.runs import change, rewritten, told as told_by, write_run
from tests.support.sensors import example

NEVER, COARSELY, EVERYTHING = SIGHTS


def another(value: Any) -> str:
    """An option's value that differs from that one."""
    if isinstance(value, bool):
        return str(not value)
    return {int: lambda: str(value + 1), float: lambda: str(value / 2 + 0.013)}[type(value)]()


@pytest.mark.parametrize("name", RECIPES)
def test_whatever_is_changed_of_a_recipe_is_in_its_title(name: str) -> None:
    """Every number and switch of every recipe, all at once; and its estimator."""
    base = RECIPES[name]
    words, told = [name], []
    for flag in base.flags():
        value = flag.value
        if flag.name in ("momentum", "curriculum", "train_fraction") or flag.part == "estimator":
            continue
        if type(value) not in (bool, int, float) or abs(value) == float("inf"):
            continue
        words += [f"--{flag.name}", another(value)]
        told.append(flag.name)
    rows = []
    if base.estimator is not None:
        rows = ["estimator"]
        words += ["--estimator", "leave_one_out" if base.estimator.name == "vimco" else "vimco"]
    run_name, recipe, _ = parse(words)
    before, after = base.settings(), recipe.settings()
    differ = {f"{key}={after[key]}" for key in after if after[key] != before.get(key)}
    assert {one.partition("=")[0] for one in differ} == {*told, *rows}
    assert recipe.title.startswith(base.title) and len(differ) > 10
    assert all(one in recipe.title for one in differ)
    # Of a result too, be its name too long to say it.
    result = {"name": run_name, "title": recipe.title, "recipe": recipe.settings()}
    assert len(run_name) < 201 and {*changes(run_name, recipe.title)} == differ
    kept = {one for one in differ if one.partition("=")[0] not in ("block", "head", "bases")}
    assert all(one in title(told_by(**result)) for one in kept)


def test_a_recipe_as_it_is_has_its_own_title() -> None:
    for name, recipe in RECIPES.items():
        assert parse([name])[1] == recipe


def test_an_older_result_of_another_estimator_says_so(tmp_path: Path) -> None:
    write_run(tmp_path, "ram", 0)
    rewritten(tmp_path / "ram", tmp_path, "ram,estimator=reinforce", 0.3)
    change(tmp_path / "ram,estimator=reinforce" / "seed-0" / "result.json", title="RAM")
    (one,) = tables(read([tmp_path]))
    assert {row.title for row in one.rows} == {"RAM", "RAM (estimator=reinforce)"}
    (alone,) = tables(read([tmp_path / "ram,estimator=reinforce"]))
    assert alone.rows[0].title == "RAM (estimator=reinforce)", "beside nobody as well"


def test_soft_attention_says_what_else_was_changed() -> None:
    _, recipe, _ = parse(["soft", "--block", "se", "--lr", "0.5", "--images", "7"])
    result = {"name": "soft,block=se,images=7,lr=0.5", "title": recipe.title}
    assert title(told_by(**result, recipe=recipe.settings())) == "se (images=7, lr=0.5)"


IMAGE = (1, 24, 32)
TOLD = "is told where the target is"
# What six looks of each kind of sensor can show of 24x32 pixels, by hand.
SIGHT: list[tuple[str, dict[str, Any], str]] = [
    ("retina", {"size": 6}, NEVER),
    ("retina", {"size": 6, "scales": 3}, NEVER),  # 24 wide
    ("retina", {"size": 8, "scales": 3}, COARSELY),  # 32 wide, and 3 times 4 of the finest
    ("retina", {"size": 12}, EVERYTHING),  # 2 times 3 beside each other
    ("retina", {"size": 32}, EVERYTHING),
    ("gaussian_window", {"size": 8}, NEVER),
    ("gaussian_window", {"size": 8, "stride": 4.0}, COARSELY),
    ("gaussian_window", {"size": 12}, EVERYTHING),
    ("gaussian_window", {"size": 12, "sigma": 3.0}, NEVER),
    ("gaussian_window", {"size": 32, "sigma": 3.0}, COARSELY),
    ("affine", {"size": 6}, COARSELY),  # as wide as it likes
    ("affine", {"size": 12}, EVERYTHING),
    ("filterbank", {"size": 6}, COARSELY),
    ("zoom", {"size": 6}, COARSELY),
    ("zoom", {"size": 12}, EVERYTHING),
    ("crop", {"size": 6, "cover": 0.25}, NEVER),
    ("crop", {"size": 6, "cover": 1.0}, COARSELY),
    ("crop", {"size": 16, "cover": 0.5}, EVERYTHING),
    ("cells", {"rows": 4, "columns": 4}, NEVER),
    ("cells", {"rows": 3, "columns": 2}, EVERYTHING),
    ("patches", {"rows": 4, "columns": 4}, EVERYTHING),
    ("pairs", {"rows": 4, "columns": 4}, EVERYTHING),
    ("whole", {}, EVERYTHING),
]


@pytest.mark.parametrize("name, options, wanted", SIGHT)
def test_what_looks_can_show(name: str, options: dict[str, Any], wanted: str) -> None:
    sensor = SENSORS[name](**options)
    world = World(sensor, Classify(2), 6)
    assert world.sees(IMAGE) == wanted
    # An older result has what it was told alone.
    described = {**vars(sensor), "sensor": name, "looks": 6, "image": list(IMAGE)}
    assert sees(told_by(sees=NEVER, world=described)) == wanted
    assert sees(told_by(sees=TOLD, world=described)) == TOLD
    # What it is told counts as well.
    assert World(sensor, Classify(2), 6, context="whole").sees(IMAGE) == EVERYTHING
    coarse = World(sensor, Classify(2), 6, context="coarse")
    assert coarse.sees(IMAGE) == max(wanted, COARSELY, key=SIGHTS.index)
    assert coarse.sees((1, 12, 12)) == EVERYTHING, "a coarse view of so little is all of it"


@pytest.mark.parametrize("name", SENSORS)
def test_every_sensor_says_what_it_shows(name: str) -> None:
    """Of any that is new as well: a result tells it from what is kept of the world."""
    sensor = example(name)
    described = {**vars(sensor), "sensor": name, "looks": 6, "image": list(IMAGE)}
    shown = World(sensor, Classify(2), 6).sees(IMAGE)
    assert shown in SIGHTS and sees(told_by(sees=NEVER, world=described)) == shown


@pytest.mark.parametrize("size", [3, 4, 6, 8, 11, 12, 13])
@pytest.mark.parametrize("scales", [1, 2])
def test_a_single_look_of_a_retina_shows_what_it_says(size: int, scales: int) -> None:
    """Held against each pixel lit alone, looked at from a place that the patch is exact at."""
    sensor, side = Retina(size, scales), 12
    place = torch.full((side**2, 2), -1 / side if scales == 1 and size % 2 else 0.0)
    lit = torch.eye(side**2).view(-1, 1, side, side).mul(255).to(torch.uint8)
    seen = sensor.look(sensor.open(lit), place).flatten(1).sum(1) > 0
    rows, columns = sensor.wide((1, side, side))
    assert seen.sum() == min(rows, side) * min(columns, side)


def test_a_scene_that_changes_is_not_pieced_together() -> None:
    def sees(scene: str, scales: int) -> str:
        sensor = Spec("retina", size=6, scales=scales)
        problem = ProblemOptions(scene=Spec(scene), sensor=sensor, looks=24)
        return world(problem, 2, (1, 24, 24)).sees((1, 24, 24))

    assert sees("catch", 1) == NEVER
    assert sees("catch", 3) == COARSELY
    assert sees("plain", 1) == EVERYTHING


def test_a_retina_as_wide_as_the_image_is_no_match_for_one_that_never_sees_it(
    tmp_path: Path,
) -> None:
    for seed in range(2):
        write_run(tmp_path, "ram", seed)
        write_run(tmp_path, "random", seed)
    for file in (tmp_path / "ram").rglob("result.json"):
        world = json.loads(file.read_text())["world"]
        change(file, world={**world, "size": 15, "scales": 1})
    (one,) = tables(read([tmp_path]))
    rows = {row.group.name: row for row in one.rows}
    assert rows["ram"].sees == EVERYTHING and rows["random"].sees == NEVER
    assert rows["ram"].difference is None
