"""What is asked of a sweep, as the trainings that it stands for."""

from typing import Any

import pytest

from hardattn.experiments.cli import main
from hardattn.experiments.commands.sweep import every, options


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The commands of a sweep, which are not run."""
    found: list[Any] = []

    def note(commands: Any, workers: int) -> int:
        found.append((commands, workers))
        return 7

    monkeypatch.setattr("hardattn.experiments.parallel.sweep", note)
    return found


def test_lists_stand_for_a_run_with_each_value(asked: list[Any]) -> None:
    words = ["ram-digits", "sb3-ppo", "--lr", "1e-3,3e-3", "--seeds", "2", "--workers=3"]
    assert main(["sweep", *words]) == 7
    ((commands, workers),) = asked
    assert workers == 3 and len(commands) == 8
    assert commands[0] == ["ram-digits", "--seed", "0", "--lr", "1e-3"]
    assert commands[-1] == ["sb3-ppo", "--seed", "1", "--lr", "3e-3"]


def test_what_is_one_value_stays_one() -> None:
    for words in (
        ["--dataset", "folder:a,b"],
        ["--script", "path:0.1,0.2"],
        ["--zooms", "1", "2"],
        ["--again"],
        ["--lr", "-1"],
    ):
        assert every(words) == [words]
    both = every(["--lr", "1,2", "--zooms", "1", "2", "--core", "gru,lstm"])
    assert len(both) == 4 and all(one[2:5] == ["--zooms", "1", "2"] for one in both)


def test_its_own_options_may_stand_anywhere() -> None:
    for words in (
        ["--seeds", "2", "ram-digits", "--lr", "1"],
        ["ram-digits", "--lr", "1", "--seeds=2"],
        ["ram-digits", "--seeds", "2", "--lr=1"],
    ):
        given = options(words)
        assert (given.seeds, given.recipes, given.options) == (2, ("ram-digits",), ("--lr", "1"))
