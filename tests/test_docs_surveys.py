"""The page of what the surveys name: every file and row there is, every block is on it."""

import re
from pathlib import Path

import pytest

from hardattn.agents import AGENTS
from hardattn.attention import BLOCKS, HEADS
from hardattn.blocks.temporal import TEMPORAL

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/methods/surveys.md").read_text()
LINES = [line for line in PAGE.splitlines() if line.startswith("| ") and "system" not in line]
CODE = re.compile(r"`([^`]+)`")
# Agents that the surveys name; others are of later work.
NAMED = (
    *("ram", "dram", "show_attend_tell", "variational", "variational_dirichlet", "scal"),
    *("reinforced", "gat_cluster", "das_net", "sequential", "kalman", "temporal", "soft"),
    *("masked_autoencoder", "self_distilled"),
)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


@pytest.mark.parametrize("line", LINES, ids=lambda line: cells(line)[0][:40])
def test_a_line_says_where_a_system_is_or_why_it_is_missing(line: str) -> None:
    system, row, file, task, note = cells(line)
    assert system
    rows, files = CODE.findall(row), CODE.findall(file)
    known = {*BLOCKS, *HEADS, *AGENTS, *TEMPORAL}
    assert set(rows) <= known, f"no row is called {set(rows) - known}"
    for path in (*files, *(word for word in CODE.findall(note) if "/" in word)):
        assert (ROOT / path).is_file(), path
    assert bool(rows) == bool(files)
    if rows:
        assert task, "the task that it is measured on"
    else:
        assert note, "why it is missing"


def test_every_block_and_head_and_every_named_agent_is_listed() -> None:
    listed = {name for line in LINES for name in CODE.findall(cells(line)[1])}
    assert not {*BLOCKS, *HEADS, *NAMED} - listed
    assert set(NAMED) <= set(AGENTS)
