"""A search: what is drawn, by what it is judged, and how it goes on where it was stopped."""

import builtins
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.cli import main
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.options.space import Range
from hardattn.experiments.recipe import UsageError
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.records.claim import plain
from hardattn.experiments.sweeps.parallel import Swept, Training
from hardattn.experiments.sweeps.search import (
    DIVERGED,
    TRIAL_SEED,
    Search,
    failed,
    judged,
    shortened,
    table,
)

SPACE = (
    Range("lr", 1e-3, 1e-1),
    Range("batch_size", among=(64, 128)),
    Range("hidden", among=(16, 32)),
)


@pytest.fixture(autouse=True)
def searchable(monkeypatch: pytest.MonkeyPatch) -> None:
    spaced = dataclasses.replace(RECIPES["ram-digits"], space=SPACE)
    monkeypatch.setitem(RECIPES, "ram-digits", spaced)


def search(out: Path, trials: int = 3, **named: Any) -> Search:
    words = ["ram-digits", "--images", "1024", "--out", str(out), "--device", "cpu"]
    found = Search(words, trials, **named)
    found.begin()
    return found


def ended(words: list[str], error: float | None, code: int = 0, last: str = "") -> Swept:
    """A training that came to that error, or failed."""
    training = Training(words, *parse(words))
    training.folder.mkdir(parents=True)
    if error is not None:
        told = plain(training.recipe.settings()) | {"seed": training.run.seed}
        (training.folder / "recipe.json").write_text(json.dumps(told))
        curve = {"training": {"curve": [[128, error + 0.1], [256, error]]}}
        training.result.write_text(json.dumps(curve))
    return Swept(training, code, last)


def test_a_trial_is_a_run_of_a_quarter_of_the_images_that_is_not_tested(tmp_path: Path) -> None:
    found = search(tmp_path)
    for words in found.commands():
        name, recipe, run = parse(words)
        assert recipe.training.images == 256 and recipe.training.validate_every == 256
        assert run.validate_only and run.seed == TRIAL_SEED and run.out == tmp_path / "search"
        assert run.device == "cpu" and name.startswith("ram-digits,")
        assert 1e-3 <= recipe.training.lr <= 1e-1
        assert recipe.training.lr == float(f"{recipe.training.lr:.3g}")
        assert recipe.training.batch_size in (64, 128) and recipe.agent.get("hidden") in (16, 32)
    assert shortened(RECIPES["ram-digits"]).training.validate_every == 20_000


def test_what_a_trial_tries_follows_from_its_number_and_the_seed(tmp_path: Path) -> None:
    three = [one.values for one in search(tmp_path / "a").found()]
    stopped = search(tmp_path / "b", trials=1)
    assert [one.values for one in stopped.found()] == three[:1]
    more = [one.values for one in search(tmp_path / "b", trials=4).found()]
    assert more[:3] == three and len(more) == 4
    assert [one.values for one in search(tmp_path / "c", seed=1).found()] != three
    assert len({json.dumps(one) for one in more}) == 4


def test_the_best_is_that_of_least_validation_error_and_failures_are_counted(
    tmp_path: Path,
) -> None:
    found = search(tmp_path, trials=4)
    first, second, third, fourth = found.commands()
    found.note(
        [
            ended(first, 0.3),
            ended(second, None, DIVERGED, "error: the loss is no number"),
            ended(third, 0.2),
            ended(fourth, None, 2, "error: no such data"),
        ]
    )
    again = search(tmp_path, trials=4)
    trials = again.found()
    assert [one.error for one in trials] == [0.3, None, 0.2, None]
    assert trials[1].failed == "diverged: the loss is no number"
    # What no setting is to blame for is tried again.
    assert again.commands() == [fourth] and not trials[3].over
    best = again.best()
    assert best is not None and best.number == 2
    origin = again.chosen(best)
    assert origin.recipe == "ram-digits" and origin.overrides["images"] == 1024
    assert origin.overrides["lr"] == best.values["lr"]
    said = table(again)
    assert "4 trials, 1 failed" in said and "best: hardattn train ram-digits" in said


def test_what_is_to_blame() -> None:
    training: Any = None
    assert failed(Swept(training, -9, "")) == "out of memory"
    assert failed(Swept(training, 2, "error: out of memory (5 GB): a smaller"))
    for code in (None, 0, 2, 4, 130, 143):
        assert failed(Swept(training, code, "error: no such data")) == ""


def test_the_weights_that_are_kept_are_judged(tmp_path: Path) -> None:
    path = tmp_path / "validated.json"
    path.write_text(json.dumps({"training": {"curve": [[1, 0.1], [2, 0.4]]}}))
    recipe = RECIPES["ram-digits"]
    assert judged(recipe, path) == 0.1
    assert judged(recipe.changed({"keep": "last"}), path) == 0.4


def test_a_search_from_begin_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", "ram-digits", "--search", "1", "--images", "256", "--device", "cpu"]
    words += ["--out", str(tmp_path), "--track", "csv", "--workers", "1"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "1 trials, 0 failed" in said and "best: hardattn train ram-digits" in said
    (result,) = tmp_path.glob("search/*/seed-1000/validated.json")
    assert "figures" not in json.loads(result.read_text())
    assert not [*tmp_path.rglob("result.json"), *tmp_path.rglob("columns.pt")]
    before = result.stat().st_mtime_ns
    assert main(words) == 0 and result.stat().st_mtime_ns == before
    assert main(["runs", str(tmp_path)]) == 0
    assert "finished" in capsys.readouterr().out


def test_what_cannot_be_searched_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"'cnn-digits' has no space to search.*ram-digits"):
        Search(["cnn-digits"], 2)
    assert main(["sweep", "ram-digits", "--search", "2", "--print"]) == 2
    assert main(["sweep", "ram-digits", "--storage", "a"]) == 2
    capsys.readouterr()
    imported = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.split(".")[0] == "optuna":
            raise ModuleNotFoundError("No module named 'optuna'", name="optuna")
        return imported(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["sweep", "ram-digits", "--search", "2", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said == "error: optuna is missing: pip install 'hardattn[optuna]'\n"


def test_a_trial_that_ended_while_nobody_kept_it_is_kept_when_it_goes_on(tmp_path: Path) -> None:
    found = search(tmp_path)
    ended(found.commands()[1], 0.25)  # and the process is killed before it notes that
    assert found.best() is None
    again = search(tmp_path)
    best = again.best()
    assert best is not None
    assert (best.number, best.error) == (1, pytest.approx(0.25))
    assert len(again.commands()) == 2
