"""A sweep's processes: what each is given, how they end, and what is told of them."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.commands.sweep import tell
from hardattn.experiments.records.claim import plain
from hardattn.experiments.sweeps.parallel import Here, Swept, Training, sweep

WORDS = ["ram-digits", "--images", "512"]


def training(out: Path, seed: int, *words: str) -> Training:
    given = [*WORDS, "--seed", str(seed), "--out", str(out), *words]
    return Training(given, *parse(given))


@pytest.fixture
def standing_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Processes run a shell script, which is quicker begun, instead of trainings."""

    def of(script: str) -> None:
        path = tmp_path / "train"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return of


def test_workers_go_round_the_gpus_with_a_thread_each(tmp_path: Path, standing_in: Any) -> None:
    standing_in('echo "$CUDA_VISIBLE_DEVICES $OMP_NUM_THREADS $MKL_NUM_THREADS" >&2')
    place, said = Here(3, ["5", "MIG-a"]), list[str]()
    for _ in range(2):
        for seed in range(3):
            assert place.train(training(tmp_path, seed), said.append) == 0
    assert said == [f"{gpu} 1 1\n" for gpu in ("5", "MIG-a", "5")] * 2
    said.clear()
    place.train(training(tmp_path, 0, "--device", "cpu", "--threads", "2"), said.append)
    assert said[0].split()[-2:] == ["2", "2"] and not said[0].startswith("5")


def begun(out: Path, *seeds: int, **named: Any) -> tuple[int, list[Swept]]:
    found: list[Swept] = []
    code = sweep([training(out, seed).words for seed in seeds], 1, tell=found.extend, **named)
    return code, found


def test_what_failed_is_named_and_all_the_others_run(
    tmp_path: Path, standing_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    standing_in(
        'case "$*" in *"--seed 1"*) echo "error: no such data" >&2; exit 2;;'
        ' *"--seed 2"*) kill -9 $$;; esac'
    )
    code, ended = begun(tmp_path / "runs", 0, 1, 2, 3)
    assert code == 2 and [each.code for each in ended] == [0, 2, -9, 0]
    said = capsys.readouterr().err
    assert said.count("failed with exit code 2: ram-digits --images 512 --seed 1") == 1
    assert said.count("failed with exit code -9: ram-digits --images 512 --seed 2") == 1
    tell(ended)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[2].split()[:2] == ["ram-digits,images=512/seed-1", "failed"]
    assert lines[3] == "no such data" and lines[5] == "ended by signal 9"


def test_a_signal_is_passed_on_and_nothing_new_is_begun(
    tmp_path: Path, standing_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = tmp_path / "ready"
    standing_in(f"trap 'exit 130' INT; touch {ready}; while :; do sleep 0.05; done")

    def strike() -> None:
        while not ready.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    striker = threading.Thread(target=strike)
    striker.start()
    code, ended = begun(tmp_path / "runs", 0, 1, 2)
    striker.join()
    assert code == 130 and [each.code for each in ended] == [130, None, None]
    said = capsys.readouterr().err
    assert "stopped: 0 of 3 runs are over; the same command goes on" in said
    assert "failed" not in said
    assert [each.state.state for each in ended] == ["not begun"] * 3  # it left no folder


def test_what_is_finished_is_not_begun(
    tmp_path: Path, standing_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    standing_in("exit 7")
    for seed in (0, 1):
        one = training(tmp_path, seed)
        one.folder.mkdir(parents=True)
        claimed = plain(one.recipe.settings()) | {"seed": seed}
        # Of seed 1 another recipe lies there, which the training itself will refuse.
        claimed |= {"looks": 17} if seed else {}
        (one.folder / "recipe.json").write_text(json.dumps(claimed))
        figures = {"figures": {"greedy": {"error": 0.25}}, "training": {"images": 512}}
        result = figures | {"made_with": {"commit": "abc"}}
        (one.folder / "result.json").write_text(json.dumps(result))
    code, ended = begun(tmp_path, 0, 1)
    assert [each.code for each in ended] == [0, 7] and code == 7
    assert "is not run again" in capsys.readouterr().err
    assert ended[0].state.state == "finished" and ended[0].state.error == "25.00"
    assert ended[1].state.state == "failed"
    again = sweep([[*training(tmp_path, 0).words, "--again"]], 1)
    assert again == 7
