"""What the README shows works, and what there is stands in it."""

import re
from pathlib import Path

import pytest

from hardattn.agents import AGENTS
from hardattn.attention import BLOCKS, HEADS
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.metrics import METRICS
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.studies.robustness.changes import CHANGES
from hardattn.training.loop import OPTIMISERS

TEXT = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_snippets_run(number: int) -> None:
    exec(compile(SNIPPETS[number], f"README.md, snippet {number}", "exec"), {})


@pytest.mark.parametrize(
    "name", [*AGENTS, *BLOCKS, *HEADS, *ESTIMATORS, *METRICS, *CHANGES, *OPTIMISERS]
)
def test_every_row_is_named(name: str) -> None:
    assert f"`{name}`" in TEXT


def test_commands_name_recipes_that_there_are() -> None:
    named = re.findall(r"experiments\.run ([a-z0-9-]+)", TEXT)
    assert named and set(named) <= set(RECIPES)
