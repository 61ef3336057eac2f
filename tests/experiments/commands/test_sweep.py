"""What is asked of a sweep, as the trainings that it stands for."""

from typing import Any

import pytest

from hardattn.experiments.cli import main
from hardattn.experiments.commands.sweep import every, options


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The commands of a sweep, which are not run."""
    found: list[Any] = []

    def note(commands: Any, workers: int, *place: Any) -> int:
        found.append((commands, workers))
        return 7

    monkeypatch.setattr("hardattn.experiments.sweeps.parallel.sweep", note)
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


def test_shards_are_the_whole_and_no_two_share_a_run(asked: list[Any]) -> None:
    words = ["sweep", "ram-digits", "cnn-digits", "--lr", "1e-3,3e-3", "--seeds", "3"]
    assert main(words) == 7
    for shard in range(5):
        assert main([*words, "--shard", f"{shard}/5"]) == 7
    whole, *parts = (commands for commands, _ in asked)
    assert len(whole) == 12 and [len(part) for part in parts] == [3, 3, 2, 2, 2]
    assert sorted(run for part in parts for run in part) == sorted(whole)


def test_commands_are_printed_one_a_line(
    asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["ram-digits", "--seeds", "2", "--print", "--lr=1e-3", "--out", "a folder"]
    assert main(["sweep", *words, "--shard=1/2"]) == 0 and asked == []
    told = capsys.readouterr().out
    assert told == "hardattn train ram-digits --seed 1 --lr 1e-3 --out 'a folder'\n"
    # What cannot be meant is said before anything is begun elsewhere.
    assert main(["sweep", *words, "--looks", "many"]) == 2


@pytest.mark.parametrize(
    "words, said",
    [
        (["--shard", "2/2"], "--shard is i/n with i from 0 to n - 1, not '2/2'"),
        (["--shard", "1"], "--shard is i/n"),
        (["--on", "cloud"], "--on is here, ray or ray://HOST:PORT, not 'cloud'"),
        (["--on", "ray://nowhere"], "--on is here, ray or ray://HOST:PORT"),
        (["--workers", "0"], "must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["sweep", "ram-digits", *words]) == 2
    assert said in capsys.readouterr().err
