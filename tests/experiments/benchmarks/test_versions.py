"""Two checkouts answer in turn; what is none is said in one line."""

from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.benchmarks import versions
from hardattn.experiments.benchmarks.versions import ROOT, against, answering
from hardattn.experiments.cli import main
from hardattn.experiments.recipe import UsageError


def test_this_version_against_itself() -> None:
    asked = {"few environments": dict(what="vector", count=2)}
    before, now = against(ROOT, asked, "steps/s", 1)
    name = versions.version(ROOT)
    assert before["what"] == f"few environments, {name}" and "ratio" not in before
    assert now["what"] == "few environments, this version"
    assert now["beside"] == f"that of {name}"
    assert now["ratio"] == pytest.approx(now["value"] / before["value"], rel=1e-2)
    assert against(None, asked, "steps/s", 1) == []


def test_a_folder_that_is_no_checkout_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkout of hardattn"), answering(tmp_path):
        pass


@pytest.mark.parametrize("name", ["training", "canvas", "memory", "start", "environments"])
def test_it_is_named_before_anything_is_measured(name: str, tmp_path: Path, capsys: Any) -> None:
    assert main(["bench", name, "--against", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert not said.out and "no checkout of hardattn" in said.err


def test_a_version_that_cannot_be_measured_says_why(tmp_path: Path) -> None:
    (tmp_path / "hardattn").mkdir()
    (tmp_path / "hardattn" / "__init__.py").write_text("raise ImportError('of another age')")
    with answering(tmp_path) as process, pytest.raises(UsageError, match="of another age"):
        process.ask({"what": "before"})
    assert versions.version(tmp_path) == tmp_path.name
