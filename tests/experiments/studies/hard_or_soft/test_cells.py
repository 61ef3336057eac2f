"""The cells: every agent on every task, its controls, and the best of soft attention."""

import json
from pathlib import Path

import pytest

from hardattn.experiments.recipe import Spec, UsageError
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.studies.hard_or_soft.cells import (
    AGENTS,
    SCRIPTS,
    TASKS,
    TAUGHT_TO_ANSWER,
    best_of_soft,
    chosen,
    given,
    named,
)


def test_every_agent_is_on_every_task_with_a_space_of_one_size() -> None:
    cells = given(Path("nowhere"))
    agents = [cell for cell in cells if not cell.script]
    assert {(cell.task, cell.agent) for cell in agents} == {
        (task, name) for task in TASKS for name in [*AGENTS, *best_of_soft(Path("nowhere"))]
    }
    assert len({cell.name for cell in cells}) == len(cells)
    trained = [cell for cell in agents if not cell.missing]
    assert len(trained) == len(TASKS) * len(AGENTS)
    for cell in trained:
        recipe = RECIPES[cell.recipe]
        flags = {flag.name for flag in recipe.flags()}
        assert len(recipe.space) == 3 and {each.flag for each in recipe.space} <= flags
        assert cell.full_recipe.training.images == cell.changes["images"]
        assert cell.full_recipe.training.keep == "best"
    # On a task all look at the same scenes.
    for task in TASKS:
        assert len({one.full_recipe.problem.scenes() for one in trained if one.task == task}) == 1


def test_a_control_is_its_agent_under_another_who_looks() -> None:
    cells = {cell.name: cell for cell in given(Path("nowhere"))}
    ram, random = cells["ram-search-digits"], cells["random-ram-search-digits"]
    assert random.changes == ram.changes | TAUGHT_TO_ANSWER | {"script": "random"}
    assert random.full_recipe.estimator == Spec("reinforce")
    # Where the answers of an agent do not weigh alike, no more do those of its controls.
    late, same = (cells[f"{name}ram-cluttered-60"].full_recipe for name in ("", "random-"))
    assert late.estimator == same.estimator and late.estimator.options["late"] > 0
    assert {cell.script for cell in cells.values() if cell.agent == "sat-soft"} == {""}
    oracle = cells["oracle-ram-cluttered-60"].full_recipe
    assert oracle.problem.context == oracle.problem.first == "target"
    assert {cell.script for cell in cells.values() if cell.agent == "ram"} == {"", *SCRIPTS}
    # Who sees everything at once has no control; who is told something of the image no oracle.
    assert {cell.script for cell in cells.values() if cell.agent == "cnn"} == {""}
    assert {cell.script for cell in cells.values() if cell.agent == "dram"} == {"", *SCRIPTS[:3]}
    assert named(random)[0].startswith("ram-search-digits,")


def test_hard_and_soft_are_one_network() -> None:
    cells = {cell.name: cell for cell in given(Path("nowhere"))}
    for task in TASKS:
        hard, soft = (cells[f"sat-{kind}-{task}"].full_recipe for kind in ("hard", "soft"))
        assert hard.agent == soft.agent
        assert (hard.problem.draw, soft.problem.draw) == ("greedy", "soft")


def row(kind: str, name: str, errors: list[float]) -> dict[str, object]:
    return {
        **{"name": f"{kind}={name}", "kind": kind, "changes": {kind: name}, "weights": 10},
        **{"flops": 1, "rate": 1e-3, "seeds": list(range(len(errors))), "diverged": []},
        **{"greedy": {"error": errors}, "controls": {}, "curve": [], "search": {}},
    }


def test_the_best_blocks_and_the_best_head_are_those_that_are_committed(tmp_path: Path) -> None:
    three = [0.2, 0.21, 0.22]
    rows = [
        row("block", "se", [one - 0.1 for one in three]),
        row("block", "eca", three),
        row("block", "stand_alone", [one - 0.05 for one in three]),
        row("block", "cbam", [one + 0.1 for one in three]),
        row("block", "fca", [0.01, 0.01]),  # too few seeds
        row("head", "slot", three),
        row("head", "retain", [one + 0.1 for one in three]),
    ]
    control = row("block", "none", three) | {"name": "", "kind": "control", "changes": {}}
    path = tmp_path / "soft.json"
    path.write_text(json.dumps({"recipe": "soft-long", "rows": [control, *rows]}))
    found = best_of_soft(path)
    best = {name: who.changes.get("block", who.changes.get("head")) for name, who in found.items()}
    assert best == {"block-1": "se", "block-2": "stand_alone", "block-3": "eca", "head-1": "slot"}
    # A block in place of a convolution has as many channels before as behind.
    assert [who.knob for who in found.values()] == ["weights", "width", "weights", "weights"]
    cells = {cell.name: cell for cell in given(path)}
    assert cells["block-1-cluttered-60"].full_recipe.agent.get("block") is not None
    assert cells["head-1-search-digits"].missing == ""


def test_a_name_that_there_is_not_is_said() -> None:
    cells = given(Path("nowhere"))
    assert chosen(cells, ()) == cells
    assert [cell.name for cell in chosen(cells, ("cnn-circle-square",))] == ["cnn-circle-square"]
    with pytest.raises(UsageError, match="no cell is called 'ram-cluttered-6': perhaps ram-"):
        chosen(cells, ("ram-cluttered-6",))
    with pytest.raises(UsageError, match="is not committed"):
        chosen(cells, ("block-1-cluttered-60",))
