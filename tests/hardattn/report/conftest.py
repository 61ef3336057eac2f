"""Runs of an agent, of its control and of a network that sees the whole image."""

import shutil
from pathlib import Path

import pytest

from tests.support.runs import write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("runs")
    for seed, (ram, random) in enumerate([(0.10, 0.30), (0.12, 0.36), (0.14, 0.33)]):
        write_run(top, "ram", seed, ram)
        write_run(top, "random", seed, random)
    write_run(top, "whole", 0, 0.05)
    return top


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(made, tmp_path / "runs"))
