"""The benchmark of the start runs programs of their own, and says which of them failed."""

from pathlib import Path

import pytest

from hardattn.experiments.benchmarks import start
from hardattn.experiments.recipe import UsageError


def test_what_needs_torch_is_told_beyond_it() -> None:
    rows = start.starting(programs=("import torch", "hardattn --help"), count=1)
    assert [row["what"] for row in rows] == [
        "import torch, this version",
        "hardattn --help, this version",
    ]
    assert rows[0]["share"] == 1 and rows[0]["beyond"] == 0
    assert "limit" not in rows[1] and rows[1]["value"] > 0


@pytest.mark.slow
def test_a_training_of_digits_begins_and_ends() -> None:
    rows = start.starting(count=1)
    assert len(rows) == len(start.PROGRAMS)
    assert all(row["beyond"] >= 0 for row in rows if "beyond" in row)


def test_a_program_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be measured \(ZeroDivisionError"):
        start._Program(tmp_path, "1 / 0")()
