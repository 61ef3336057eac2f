"""What is committed of results, and what recipes say to expect of them."""

import json
from pathlib import Path

import pytest

from hardattn.experiments.cli import main
from hardattn.experiments.command_line.parse import called
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.recipes.expected import FILE
from hardattn.experiments.records import committed
from hardattn.experiments.revive import recipe_of
from tests.support.runs import write_run


def test_what_recipes_expect_is_what_the_committed_results_say() -> None:
    """If not: hardattn results collect, or the line that this fails with."""
    assert FILE.read_text(encoding="utf-8") == committed.expected()
    known = json.loads(FILE.read_text(encoding="utf-8"))
    for name, recipe in RECIPES.items():
        measured = (committed.RESULTS / f"{name}.json").exists()
        assert measured == (name in known) == (recipe.minutes > 0)
        assert measured == (recipe.expect != "not measured yet")


def test_results_are_of_the_recipe_that_their_name_means() -> None:
    """If not, the command under a table trains something else: train these again."""
    found = {}
    for file in sorted(committed.RESULTS.glob("*.json")):
        for result in json.loads(file.read_text(encoding="utf-8")):
            # A stride that is not said is one of 1, which older results say.
            if result["recipe"].get("filter_stride") == 1:
                result["recipe"]["filter_stride"] = None
            name = result["name"].partition(",")[0]
            label, _ = called(name, RECIPES[name].complete(), recipe_of(result, file))
            if label != result["name"]:
                found[f"{file.name}, seed {result['seed']}"] = label
    assert not found


def test_expectations_are_written_with_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "runs", "ram", 0)
    monkeypatch.setattr(committed, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(committed, "FILE", tmp_path / "expected.json")
    monkeypatch.setitem(committed.RECIPES, "ram", RECIPES["ram-digits"])
    for file in (tmp_path / "runs").rglob("result.json"):
        told = json.loads(file.read_text())
        told["made_with"]["processor"] = "a machine"
        file.write_text(json.dumps(told))
    (tmp_path / "results").mkdir()
    written = committed.collect([tmp_path / "runs"], committed.results())
    assert [path.name for path in written] == ["ram.json", "expected.json"]
    found = json.loads((tmp_path / "expected.json").read_text())["ram"]
    assert "1 seed, on a machine" in found["expect"] and found["minutes"] == 9 / 60
    elsewhere = committed.collect([tmp_path / "runs"], tmp_path / "elsewhere")
    assert [path.name for path in elsewhere] == ["ram.json"]


def test_without_a_checkout_a_folder_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hardattn.experiments.studies import claims

    assert claims.CLAIMS  # who reads RESULTS when it is imported keeps what was read then
    monkeypatch.setattr(committed, "RESULTS", tmp_path / "nowhere")
    assert main(["results", "claims"]) == 2
    assert "give a folder" in capsys.readouterr().err
