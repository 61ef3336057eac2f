"""Runs whose policy is asked whether it mattered."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardattn.experiments import measure, run as execute
from hardattn.experiments.cli import main
from tests.support.policy_gain import SMALL


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run that learns to look, and one that looks at random."""
    top = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "tune", lambda threads: "default")
        patch.setattr(measure, "PASSES", 1)
        for more in ([], ["--script", "random"]):
            words = ["ram-digits", *SMALL, *more, "--device", "cpu", "--out", str(top)]
            assert main(["train", *words]) == 0
        yield top


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    """A copy to measure and to spoil."""
    return Path(shutil.copytree(made, tmp_path / "runs"))
