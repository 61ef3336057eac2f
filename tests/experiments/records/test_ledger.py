"""What was run, and what it cost: from results, and from folders of runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from hardattn import storage
from hardattn.experiments.cli import main
from hardattn.experiments.commands.tables import RESULTS
from hardattn.experiments.records import ledger


def run(top: Path, name: str, seed: int, **left: Any) -> Path:
    """What a run leaves; `left` by file."""
    folder = top / name / f"seed-{seed}"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "recipe.json").write_text(json.dumps({"images": 2000}))
    (folder / "metrics.jsonl").write_text(json.dumps({"images": 1000, "training": {}}) + "\n")
    (folder / "sources.json").write_text(json.dumps({"commit": "abc", "files": {}}))
    if "result" in left:
        (folder / "result.json").write_text(json.dumps(left["result"]))
    if "validated" in left:
        (folder / "validated.json").write_text(json.dumps(left["validated"]))
    if "failed" in left:
        (folder / "failed.txt").write_text(left["failed"] + "\n")
    if "spent" in left:
        storage.write(folder / "checkpoints" / "step-000000010.pt", {"cpu_seconds": left["spent"]})
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Three runs, of 222 s in the median."""
    found = json.loads((RESULTS / "ram-cluttered-digits.json").read_text())
    assert len({one["made_with"]["finished"] for one in found}) == len(found) >= 3
    return list(found)


def test_all_runs_are_told_once(results: list[dict[str, Any]], tmp_path: Path) -> None:
    committed, runs = tmp_path / "results", tmp_path / "runs"
    committed.mkdir()
    (committed / "ram.json").write_text(json.dumps(results[:2]))
    run(runs, "ram-cluttered-digits", 1, result=results[1])  # which is committed
    run(runs, "ram-cluttered-digits", 2, result=results[2])
    run(runs, "wide,lr=1.0", 0, failed="loss is not finite | at 1,000 images", spent=36.0)
    run(runs, "slow", 0, spent=72.0)
    assert len(ledger.note([runs], committed)) == 4
    found = ledger.entries(committed)
    assert [(one.name, one.seed, one.state) for one in found] == [
        *(("ram-cluttered-digits", seed, "finished") for seed in (0, 1, 2)),
        ("slow", 0, "stopped"),
        ("wide,lr=1.0", 0, "failed"),
    ]
    text = ledger.markdown(committed)
    hours = (sum(one["training"]["cpu_seconds"] for one in results[:3]) + 108) / 3600
    assert text.startswith(f"**{hours:.2f} core-hours** of training in 5 runs; 1 runs failed, 1 ")
    assert "| `ram-cluttered-digits` | 0, 1, 2 | 2,000,128 |" in text
    wide = next(line for line in text.splitlines() if "wide" in line)
    assert "seed 0 failed at 1,000 of 2,000 images: loss is not finite / at 1,000 images" in wide
    assert " 36 |" in wide
    # Noted again, nothing is told twice.
    ledger.note([runs], committed)
    assert ledger.markdown(committed) == text


def test_a_seed_that_was_trained_again_is_not_averaged_with_itself(
    results: list[dict[str, Any]], tmp_path: Path
) -> None:
    """As its recipe may have been another one: the last of each seed are told together."""
    committed, error = tmp_path / "results", [0.1, 0.2, 0.3, 0.4]
    committed.mkdir()
    runs = json.loads(json.dumps([results[0], results[0], results[1], results[2]]))
    for at, one in enumerate(runs):
        one["figures"]["greedy"]["error"] = error[at]
        one["made_with"]["finished"] = f"2026-01-0{at + 1}T00:00:00+00:00"
    (committed / "ram.json").write_text(json.dumps(runs))
    rows = [one for one in ledger.markdown(committed).splitlines() if "ram-cluttered" in one]
    assert [one.split("|")[2].strip() for one in rows] == ["0, 1, 2", "0"]
    assert [one.split("|")[4].strip() for one in rows] == ["30.00", "10.00"]


def test_a_stopped_run_that_went_on_is_one(results: list[dict[str, Any]], tmp_path: Path) -> None:
    folder = run(tmp_path / "runs", "ram-cluttered-digits", 0, spent=72.0)
    ledger.note([tmp_path / "runs"], tmp_path)
    assert [one.state for one in ledger.entries(tmp_path)] == ["stopped"]
    (folder / "result.json").write_text(json.dumps(results[0]))
    ledger.note([tmp_path / "runs"], tmp_path)
    assert [one.state for one in ledger.entries(tmp_path)] == ["finished"]
    # The same recipe, run anew, is another run.
    again = {**results[0], "made_with": {**results[0]["made_with"], "finished": "2030-01-01"}}
    (folder / "result.json").write_text(json.dumps(again))
    ledger.note([folder], tmp_path)
    assert len(ledger.entries(tmp_path)) == 2


def test_a_trial_that_left_the_test_images_alone_is_told(
    results: list[dict[str, Any]], tmp_path: Path
) -> None:
    trial = {key: value for key, value in results[0].items() if key != "figures"}
    trial["training"] = {**trial["training"], "curve": [[1000, 0.25], [2000, 0.125]]}
    run(tmp_path / "runs", "ram-cluttered-digits", 0, validated=trial)
    (found,) = ledger.note([tmp_path / "runs"], tmp_path)
    assert (found.state, found.error, found.validation) == ("finished", None, 0.125)
    assert ledger.entries(tmp_path) == [found]
    assert "not tested: 12.50 % in validation" in ledger.markdown(tmp_path)


def test_the_wall_s_hours_are_no_core_hours(results: list[dict[str, Any]], tmp_path: Path) -> None:
    training = {**results[0]["training"], "seconds": 7200.0}
    del training["cpu_seconds"]
    (tmp_path / "ram.json").write_text(json.dumps([{**results[0], "training": training}]))
    text = ledger.markdown(tmp_path)
    assert text.startswith("**0.00 core-hours** of training in 0 runs")
    assert "1 older runs were timed by the wall alone, beside others: 2.0 hours" in text


def test_the_command_says_what_it_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path / "runs", "slow", 0, spent=72.0)
    words = ["results", "ledger", str(tmp_path / "runs"), "--results", str(tmp_path)]
    assert main(words) == 0 and "1 runs noted, 1 of them not finished" in capsys.readouterr().out
    empty = tmp_path / "none"
    empty.mkdir()
    assert main(["results", "ledger", str(empty), "--results", str(tmp_path)]) == 2
    assert "no run in it" in capsys.readouterr().err
    run(tmp_path / "other", "bad", 0, failed="/data/of/somebody is not there")
    assert main(["results", "ledger", str(tmp_path / "other"), "--results", str(tmp_path)]) == 0
    assert "seed 0 failed at 1,000 of 2,000 images: somebody is not there" in ledger.markdown(
        tmp_path
    )
