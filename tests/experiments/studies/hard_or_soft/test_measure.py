"""What is run, in which order, and what becomes of it; trainings are written, and not trained."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.cli import main
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.run import plain
from hardattn.experiments.studies.hard_or_soft import cells, measure, plan, results
from hardattn.experiments.studies.hard_or_soft.measure import FAILED, SPENT, Given
from hardattn.experiments.studies.hard_or_soft.plan import QUICK
from hardattn.experiments.sweeps.parallel import Swept, Training
from hardattn.experiments.sweeps.search import DIVERGED, TRIAL_SEED

NAMES = ("ram-search-digits", "random-ram-search-digits", "path-ram-search-digits")
PATH = "path:" + ",".join(["0.500"] * 10)


def few() -> list[cells.Cell]:
    """Cells as a plan has them, but not measured."""
    there = {one.name: one for one in cells.given(Path("nowhere"))}
    return [plan.shortened(there[name], QUICK) for name in (*NAMES, "cnn-search-digits")]


class Pool:
    """In place of processes: what each training came to is written down."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.bad: Callable[[Training], bool] = lambda training: False

    def __call__(
        self, commands: Sequence[list[str]], jobs: int, place: Any, tell: Any, enough: Any
    ) -> int:
        ended = []
        for words in commands:
            training = Training(list(words), *parse(list(words)))
            if enough():
                ended.append(Swept(training, None, ""))
                continue
            self.asked.append(list(words))
            training.folder.mkdir(parents=True, exist_ok=True)
            told = plain(training.recipe.settings()) | {"seed": training.run.seed}
            (training.folder / "recipe.json").write_text(json.dumps(told))
            if self.bad(training):
                ended.append(Swept(training, DIVERGED, "error: no number"))
                continue
            error = training.recipe.training.lr * 10
            content = {"curve": [[512, error]], "cpu_seconds": 1_800.0}
            training.result.write_text(json.dumps({"training": content}))
            ended.append(Swept(training, 0, ""))
        tell(ended)
        return next((one.code for one in ended if one.code), 0)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    found = Pool()
    monkeypatch.setattr(measure, "sweep", found)
    monkeypatch.setattr(measure, "path_of", lambda alive: PATH)
    monkeypatch.setattr(measure, "RunLoader", lambda run: lambda folder, result: None)
    monkeypatch.setattr(plan, "made", lambda protocol, root: few())
    return found


def given(out: Path, **named: Any) -> Given:
    return Given(out, QUICK, 1, **named)


def kinds(asked: Sequence[list[str]]) -> list[str]:
    """Of trainings, trial or which script and seed."""
    found = []
    for words in asked:
        _, recipe, run = parse(words)
        if run.validate_only:
            assert run.seed == TRIAL_SEED
            found.append(f"trial {recipe.agent.name}")
        else:
            script = str(recipe.agent.get("script") or recipe.agent.name).partition(":")[0]
            found.append(f"{script} {run.seed}")
    return found


def test_searches_come_first_then_a_seed_of_all_and_paths_behind_their_agents(
    tmp_path: Path, pool: Pool
) -> None:
    assert measure.run(given(tmp_path), few()) == 0
    assert kinds(pool.asked) == [
        *["trial ram"] * 2,
        *["trial soft"] * 2,
        *["ram 0", "random 0", "soft 0", "path 0"],
        *["ram 1", "random 1", "soft 1", "path 1"],
    ]
    tried = [parse(words)[1] for words in pool.asked[:2]]
    assert all(one.training.images == 512 for one in tried)
    best = min(tried, key=lambda one: one.training.lr)
    trained = [parse(words)[1] for words in pool.asked[4:6]]
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
    # Its settings are those of its agent, which is searched, and not trained.
    assert kinds(pool.asked) == ["trial ram", "trial ram", "random 0", "random 1"]


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
