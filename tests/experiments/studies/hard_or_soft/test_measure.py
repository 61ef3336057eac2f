"""What is run, in which order, and what becomes of it; trainings are written, and not trained."""

import json
from pathlib import Path

import pytest

from hardattn.experiments.cli import main
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.studies.hard_or_soft import measure, results
from hardattn.experiments.studies.hard_or_soft.measure import FAILED, SPENT
from tests.support.few_cells import PATH, Pool, few, given, kinds


def test_searches_come_first_then_a_seed_of_all_and_paths_behind_their_agents(
    tmp_path: Path, pool: Pool
) -> None:
    assert measure.run(given(tmp_path), few()) == 0
    assert kinds(pool.asked) == [
        *["trial ram"] * 2,
        *["trial soft"] * 2,
        *["ram 0", "soft 0", "random 0", "path 0"],
        *["ram 1", "soft 1", "random 1", "path 1"],
    ]
    tried = [parse(words)[1] for words in pool.asked[:2]]
    assert all(one.training.images == 512 for one in tried)
    best = min(tried, key=lambda one: one.training.lr)
    trained = [parse(pool.asked[at])[1] for at in (4, 6)]
    # The control has what was found for its agent, as it is the same network.
    for one in trained:
        assert one.training.lr == best.training.lr and one.training.images == 2_048
        assert one.agent.get("std") == best.agent.get("std")
    assert PATH in pool.asked[7]
    before = len(pool.asked)
    assert measure.run(given(tmp_path), few()) == 0 and len(pool.asked) == before
    assert not json.loads((tmp_path / "plan.json").read_text())["cells"][0]["script"]


def test_one_cell_is_repeated_from_search_to_seeds(tmp_path: Path, pool: Pool) -> None:
    control = [one for one in few() if one.script == "random"]
    assert measure.run(given(tmp_path), control) == 0
    # Its settings are those of its agent, which is searched, and trained, as it says nothing alone.
    assert kinds(pool.asked) == [*["trial ram"] * 2, "ram 0", "random 0", "ram 1", "random 1"]


def test_who_learns_nothing_needs_no_control(tmp_path: Path, pool: Pool) -> None:
    pool.error = lambda training: 0.85  # of a guess, on this task: 8 of 9
    assert measure.run(given(tmp_path), few()) == 0
    assert kinds(pool.asked)[4:] == ["ram 0", "soft 0", "ram 1", "soft 1"]
    pool.error = lambda training: 0.83
    assert measure.run(given(tmp_path / "b"), few()[:2]) == 0
    assert kinds(pool.asked)[-4:] == ["ram 0", "random 0", "ram 1", "random 1"]


def test_what_diverges_is_counted_and_not_tried_again(tmp_path: Path, pool: Pool) -> None:
    cnn = few()[-1:]
    pool.bad = lambda training: not training.run.validate_only and training.run.seed == 1
    assert measure.run(given(tmp_path), cnn) == 0
    assert len(list(tmp_path.rglob(FAILED))) == 1
    before = len(pool.asked)
    measure.run(given(tmp_path), cnn)
    assert len(pool.asked) == before
    pool.bad = lambda training: True
    measure.run(given(tmp_path / "b"), cnn)
    found = results.collected(given(tmp_path / "b"))
    (one,) = (each for each in found["cells"] if each["agent"] == "cnn")
    assert [trial["failed"][:8] for trial in one["trials"]] == ["diverged"] * 2
    assert one["chosen"] is None and not one["runs"]


def test_nothing_is_begun_when_the_hours_are_over(tmp_path: Path, pool: Pool) -> None:
    # Each training took half an hour, as it says.
    measure.run(given(tmp_path, hours=1.5), few())
    assert len(pool.asked) == 3
    assert measure.spent(tmp_path) == 3 * 1_800.0
    assert (tmp_path / SPENT).exists()


def test_a_name_that_there_is_not_is_one_line(
    tmp_path: Path, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["hard-or-soft", "--quick", "--out", str(tmp_path)]
    assert main([*words, "ram"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no cell is called 'ram'") and said.count("\n") == 1
    assert main([*words, "--list"]) == 0
    assert "path-ram-search-digits" in capsys.readouterr().out
    assert main(["hard-or-soft", "--quick", "--save"]) == 2
    assert main([*words, "--jobs", "0"]) == 2
