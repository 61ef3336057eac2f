"""RAM as published and as well as we can: what each is made of, and controls that share it."""

import pytest

from hardattn.experiments.recipe import Spec
from hardattn.experiments.recipes import RECIPES

TASKS = [name.removeprefix("ram-published-") for name in RECIPES if "ram-published" in name]
FOUND = [
    "digits",
    "cluttered-digits",
    "mnist",
    "fashion",
    "translated-60",
    "cluttered-60",
    "cluttered-100",
    "pairs",
    "folder",
]
# Tasks of a comparison, which scripts RAM itself.
COMPARED = ["search-digits", "cluttered-1024"]
# Fields in which a control may differ from the agent whose observer it has: who looks, and how
# nobody learns to.
SCRIPTED = {"script", "estimator", "first", "context", "discount"}


def test_every_problem_of_ram_has_it_as_published() -> None:
    assert sorted(TASKS) == sorted([*FOUND, *COMPARED, "circle-square"])


@pytest.mark.parametrize("task", TASKS)
def test_what_is_published_is_rewarded_at_the_end_and_by_that_alone(task: str) -> None:
    recipe = RECIPES[f"ram-published-{task}"]
    settings = recipe.settings()
    assert not recipe.problem.each and recipe.problem.bonus == 1.0
    assert recipe.estimator == Spec("learned_baseline", reward_only=True, policy_coef=0.01)
    plain = {
        "core": "rnn",
        "orthogonal": True,
        "joint": False,
        "hidden": 256,
        "what": 128,
        "where": 128,
    }
    plain |= {"filters": None, "std_end": None}
    assert {name: settings[name] for name in plain} == plain
    wanted = {"optimizer": "sgd", "momentum": 0.9, "schedule": "linear", "led": 0.0}
    assert {name: settings[name] for name in wanted} == wanted
    assert "Departs from the paper" in recipe.about


@pytest.mark.parametrize("task", FOUND)
@pytest.mark.parametrize("script", ["random", "centre", "raster", "oracle"])
def test_a_control_differs_from_ram_in_who_looks_alone(task: str, script: str) -> None:
    name = f"{script}-{task}"
    if script == "oracle" and (task in ("mnist", "fashion", "pairs")):
        assert name not in RECIPES  # nobody knows where the target is, or there are two
        return
    mine, ram = RECIPES[name].settings(), RECIPES[f"ram-{task}"].settings()
    assert mine["script"] == script
    differ = {key for key in mine.keys() | ram.keys() if mine.get(key) != ram.get(key)}
    assert differ <= SCRIPTED


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith("ram-")])
def test_what_departs_from_the_paper_is_said(name: str) -> None:
    if name.endswith("circle-square"):
        assert RECIPES[name].estimator is not None
    else:
        assert "Departs from the paper" in RECIPES[name].about
