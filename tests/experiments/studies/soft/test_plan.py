"""What is compared, how each is trained, and in which order."""

import pytest
import torch

from hardattn.attention import BLOCKS, HEADS
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.studies.soft import plan
from hardattn.experiments.studies.soft.plan import FULL, LEFT_OUT, QUICK, RATES, Cell, Row


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return plan.rows_of(FULL)


def test_every_block_and_head_is_a_row_and_there_are_sixty(rows: list[Row]) -> None:
    names = {row.name for row in rows}
    assert BLOCKS.keys() >= LEFT_OUT.keys()
    for name in BLOCKS:
        assert (f"block={name}" in names) != (name in LEFT_OUT), name
    assert {f"head={name}" for name in HEADS} <= names
    assert len([row for row in rows if row.kind in ("block", "head")]) >= 60
    assert len(names) == len(rows)


def test_who_is_left_out_for_another_is_that_other_to_the_bit() -> None:
    made = []
    for name in ("sagan", "danet_position"):
        torch.manual_seed(0)
        made.append(BLOCKS[name].make(16))
    one, other = (block.state_dict() for block in made)
    assert all(torch.equal(one[key], other[key]) for key in one) and one.keys() == other.keys()
    assert isinstance(made[1], type(made[0])) and type(made[1]).forward is type(made[0]).forward


def test_the_control_comes_first_and_then_the_cheapest(rows: list[Row]) -> None:
    assert rows[0].kind == "control"
    assert [row.work for row in rows[1:]] == sorted(row.work for row in rows[1:])


def test_the_backbone_is_as_wide_for_all(rows: list[Row]) -> None:
    for row in rows:
        _, recipe = plan.recipe_of(FULL, Cell(row, 1e-3, 0, False))
        assert recipe.agent.get("width") is None and recipe.agent.get("weights") is None
        assert (recipe.agent.get("middle") is not None) == (row.kind == "wider")


def test_a_second_control_has_at_least_the_weights_and_no_more_than_it_must(
    rows: list[Row],
) -> None:
    control, wide = rows[0], [row for row in rows if row.kind == "wider"]
    for row in rows:
        second = plan.wider_than(row, rows)
        if row.weights <= control.weights:
            assert second is None
        else:
            assert second is not None and second.weights >= row.weights
            assert not any(row.weights <= one.weights < second.weights for one in wide)


def test_all_are_trained_alike(rows: list[Row]) -> None:
    """Only the images of the control that is trained for longer differ, and what a row is."""
    told = set()
    for row in rows:
        if row.kind != "longer":
            _, recipe = plan.recipe_of(FULL, Cell(row, 1e-3, 0, False))
            told.add(str((recipe.training, recipe.problem, recipe.estimator)))
    assert len(told) == 1
    assert RECIPES[FULL.recipe].training.max_grad_norm == 1


def test_the_search_is_the_same_for_all_and_on_a_seed_of_its_own(rows: list[Row]) -> None:
    rates = {row.name: RATES[0] for row in rows}
    search = [cell for cell in plan.cells(FULL, rows, rates) if cell.search]
    for row in rows:
        tried = [cell for cell in search if cell.row is row]
        assert [cell.rate for cell in tried] == ([] if row.kind == "longer" else list(RATES))
        assert {cell.seed for cell in tried} <= {plan.SEARCH_SEED}
    assert plan.SEARCH_SEED not in range(FULL.seeds)
    lengths = {plan.recipe_of(FULL, cell)[1].training.images for cell in search}
    assert lengths == {int(plan.SEARCH_SHARE * RECIPES[FULL.recipe].training.images)}


def test_a_seed_of_all_comes_before_the_next_of_any(rows: list[Row]) -> None:
    rates = {row.name: RATES[0] for row in rows}
    cells = [cell for cell in plan.cells(FULL, rows, rates) if not cell.search]
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)
    assert len(cells) == FULL.seeds * len(rows)
    unknown = {rows[0].name: RATES[1]}
    named = {cell.row.name for cell in plan.cells(FULL, rows, unknown) if not cell.search}
    assert named == {row.name for row in rows if row.kind in ("control", "longer")}


def test_a_cell_is_what_the_command_line_makes_of_the_same_words(rows: list[Row]) -> None:
    row = next(row for row in rows if row.name == "block=em_attention,bases=4")
    name, recipe = plan.recipe_of(FULL, Cell(row, 1e-3, 0, False))
    words = ["soft-long", "--block", "em_attention", "--bases", "4", "--lr", "0.001"]
    assert parse(words)[:2] == (name, recipe)


def test_quick_is_one_short_training_of_each_and_no_search() -> None:
    control = Row("", "control", {})
    cells = list(plan.cells(QUICK, [control], {"": 3e-3}))
    assert cells == [Cell(control, 3e-3, 0, False)]
    training = RECIPES[QUICK.recipe].training
    assert training.images // training.batch_size == 200
