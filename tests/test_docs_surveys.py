"""The page of what the surveys name: every file, row and recipe there is, every block is on it."""

import re
from pathlib import Path

import pytest

from hardattn.agents import AGENTS
from hardattn.attention import BLOCKS, HEADS
from hardattn.blocks.temporal import TEMPORAL
from hardattn.decoders import DECODERS
from hardattn.experiments.recipes import RECIPES

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/methods/surveys.md").read_text().partition("## What came of them")[0]
LINES = [line for line in PAGE.splitlines() if line.startswith("| ") and "| system" not in line]
CODE = re.compile(r"`([^`]+)`")
KNOWN = {*BLOCKS, *HEADS, *AGENTS, *TEMPORAL, *DECODERS}
# Agents that the surveys name; others are of later work.
NAMED = (
    *("ram", "dram", "show_attend_tell", "variational", "variational_dirichlet", "scal"),
    *("reinforced", "gat_cluster", "das_net", "two_level", "sequential", "kalman", "temporal"),
    *("soft", "masked_autoencoder", "self_distilled", "co_attention", "cross_attention"),
    *("stacked_hourglass", "multi_context_stack", "stacked_cross_attention", "sat_captioner"),
    *("transformer_captioner", "x_linear_captioner", "boosted_captioner", "prophet_captioner"),
)
# Who attends in no way: twins.
TWINS = ("none", "convolution", "plain")
# In this one every block and head is an option, and so is the backbone.
ANY = "soft-long"
# Scenes that ask another thing than the class of a digit, as the page calls it.
ASKED = {
    "masks": ("masks", "salient"),
    "pasted": ("pasted",),
    "keypoints": ("key points",),
    "query": ("query",),
    "few_shot": ("few-shot",),
    "captions": ("captions",),
    "matching": ("matching",),
    "clips": ("clips",),
}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def made_of(name: str) -> set[str]:
    """The rows that a recipe has, of tables that have systems."""
    agent = RECIPES[name].agent
    parts = [agent.get(part) for part in ("block", "head", "decoder", "temporal")]
    return {agent.name, *(getattr(part, "name", part) for part in parts if part)}


@pytest.mark.parametrize("line", LINES, ids=lambda line: cells(line)[0][:40])
def test_a_line_says_where_a_system_is_or_why_it_is_missing(line: str) -> None:
    system, row, file, task, recipe, note = cells(line)
    assert system
    rows, files, recipes = CODE.findall(row), CODE.findall(file), CODE.findall(recipe)
    assert set(rows) <= KNOWN, f"no row is called {set(rows) - KNOWN}"
    for path in (*files, *(word for word in CODE.findall(note) if "/" in word)):
        assert (ROOT / path).is_file(), path
    assert bool(rows) == bool(files) == bool(recipes)
    if not rows:
        assert note and not task, "why it is missing"
        return
    assert set(recipes) <= set(RECIPES), f"no recipe is called {set(recipes) - set(RECIPES)}"
    tasks = task.split(", ")
    for name in recipes:
        optional = name == ANY and {*BLOCKS, *HEADS, "soft"} & set(rows)
        assert optional or made_of(name) & set(rows), f"{name} trains none of {rows}"
        asked = ASKED.get(RECIPES[name].problem.scene.name)
        assert asked is None or set(asked) & set(tasks), f"{name} asks for none of {tasks}"


@pytest.mark.parametrize("line", LINES, ids=lambda line: cells(line)[0][:40])
def test_every_row_has_a_recipe_of_its_line_that_trains_it(line: str) -> None:
    _, row, _, _, recipe, note = cells(line)
    recipes = CODE.findall(recipe)
    trained = {name for one in recipes for name in made_of(one)}
    if ANY in recipes:
        trained |= {*BLOCKS, *HEADS}
    for name in set(CODE.findall(row)) - trained:
        assert re.search(rf"--\w+ {name}\b", note), f"nothing trains {name}, and no option is named"


def test_what_stands_beside_a_system_is_a_recipe() -> None:
    notes = [cells(line)[5] for line in LINES]
    beside = {name for note in notes for name in re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", note)}
    assert len(beside) > 10 and beside <= set(RECIPES)


@pytest.mark.parametrize("line", LINES, ids=lambda line: cells(line)[0][:40])
def test_what_a_recipe_is_compared_with_is_named(line: str) -> None:
    recipe, note = cells(line)[4:6]
    if "`random-`" not in note:
        for name in CODE.findall(recipe):
            assert not (
                missing := set(RECIPES[name].controls) - set(CODE.findall(note + recipe))
            ), f"{name}: {missing}"


def test_every_block_and_head_and_decoder_and_every_named_agent_is_listed() -> None:
    listed = {name for line in LINES for name in CODE.findall(cells(line)[1])}
    assert not {*BLOCKS, *HEADS, *TEMPORAL, *DECODERS, *NAMED} - {*TWINS, *listed}
    assert set(NAMED) <= set(AGENTS)


def test_nothing_waits_to_be_written() -> None:
    assert "not yet" not in "\n".join(LINES)
