"""The plan: every cell is built, as wide as its task asks, and measured."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hardattn.data import DataError
from hardattn.experiments.recipe import UsageError
from hardattn.experiments.studies.hard_or_soft import cells, plan
from hardattn.experiments.studies.hard_or_soft.plan import FULL, QUICK

NOWHERE = Path("nowhere")


@pytest.fixture(scope="module")
def measured() -> list[cells.Cell]:
    """All agents on the tasks whose data are there."""
    there = [one for one in cells.given(NOWHERE) if not one.script and not one.missing]
    found = []
    for cell in there:
        if cell.full_recipe.problem.dataset != "mnist" or _has_mnist():
            found.append(plan.measured(cell))
    return found


def _has_mnist() -> bool:
    try:
        plan._dataset("mnist", None)
    except DataError:
        return False
    return True


def test_all_cells_have_as_many_weights_as_their_task_asks(measured: list[cells.Cell]) -> None:
    assert len(measured) >= 3 * len(cells.AGENTS)
    for cell in measured:
        wanted = cells.TASKS[cell.task].weights
        assert abs(cell.weights - wanted) <= 0.05 * wanted, cell.name
    for task in {cell.task for cell in measured}:
        weights = [cell.weights for cell in measured if cell.task == task]
        assert max(weights) <= 1.1 * min(weights)


def test_training_costs_more_than_use_and_reading_all_more_than_windows(
    measured: list[cells.Cell],
) -> None:
    by_name = {cell.name: cell for cell in measured}
    for cell in measured:
        assert 1.5 * cell.flops < cell.training_flops < 4 * cell.flops, cell.name
    ram, cnn = by_name["ram-cluttered-1024"], by_name["cnn-cluttered-1024"]
    assert cnn.training_flops > 1000 * ram.training_flops
    assert (ram.pixels, cnn.pixels) == (8 * 6 * 12 * 12, 1024 * 1024)


def test_a_width_is_found_or_it_is_said_that_there_is_none() -> None:
    assert plan.fitting(lambda width: width**2, 10_000) == 100
    assert plan.fitting(lambda width: width**2 + width, 10_000) == 100
    with pytest.raises(UsageError, match="no width has about 5 weights"):
        plan.fitting(lambda width: 1_000 + width, 5)


def test_what_no_machine_could_hold_is_missing() -> None:
    (cell,) = (one for one in cells.given(NOWHERE) if one.name == "cnn-cluttered-1024")
    block = replace(cell, changes=cell.changes | {"block": "non_local"})
    assert "65,536 places" in plan.measured(block).missing


def test_a_folder_keeps_its_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = replace(cells.given(NOWHERE)[0], weights=7)
    monkeypatch.setattr(plan, "made", lambda protocol, root: [cell])
    path = tmp_path / "plan.json"
    assert plan.kept(path, FULL) == [cell]
    assert json.loads(path.read_text())["protocol"] == "full"
    monkeypatch.setattr(plan, "made", None)
    assert plan.kept(path, FULL) == [cell]
    with pytest.raises(UsageError, match="holds runs of the full comparison"):
        plan.kept(path, QUICK)


def test_a_smoke_test_has_few_images() -> None:
    cell = cells.given(NOWHERE)[0]
    assert plan.shortened(cell, FULL) == cell
    assert plan.shortened(cell, QUICK).full_recipe.training.images == 2_048


def test_a_plan_goes_on_when_the_best_blocks_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [one for one in cells.given(NOWHERE) if one.name == "block-1-search-digits"]
    monkeypatch.setattr(plan, "made", lambda protocol, root: before)
    monkeypatch.setattr(plan, "given", lambda: before)
    assert plan.kept(tmp_path / "plan.json", FULL) == before
    now = [replace(before[0], missing="", recipe="soft-search-digits")]
    monkeypatch.setattr(plan, "made", lambda protocol, root: now)
    monkeypatch.setattr(plan, "given", lambda: now)
    assert plan.kept(tmp_path / "plan.json", FULL) == now
