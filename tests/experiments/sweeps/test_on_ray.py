"""Trainings elsewhere: what comes back, and that the loss of a machine changes nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.cli import main
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.records.states import states
from hardattn.experiments.sweeps.on_ray import Trainer, pack, unpack
from hardattn.training import checkpoint
from tests.support.training import same

ROOT = Path(__file__).resolve().parents[3]
FEW = ["ram-digits", "--images", "20480", "--validate-every", "2560", "--test-draws", "1"]

SWEEP = ["-m", "hardattn.experiments", "sweep", *FEW, "--seeds", "3"]


def test_a_folder_comes_whole_and_old_checkpoints_go(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for step in (1, 2, 3):
        checkpoint.save(there / "checkpoints", step, {"step": step})
        (there / "metrics.jsonl").write_text("line\n" * step)
        (there / ".lock").touch()
        unpack(here, pack(there))
    assert pack(here) == pack(there) and not (here / ".lock").exists()
    assert sorted(path.name for path in here.glob("checkpoints/*.pt")) == [
        "step-000000002.pt",
        "step-000000003.pt",
    ]
    assert checkpoint.latest(here / "checkpoints") == (3, {"step": 3})


def ended(trainer: Trainer, here: Path) -> int:
    """Follow it to its end; files come here."""
    while True:
        news = trainer.news(0.1)
        if news.files is not None:
            unpack(here, news.files)
        if news.code is not None:
            return news.code


@pytest.mark.slow
def test_it_goes_on_where_another_was_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The very class, as an object of this process: one is killed, the next ends as none was."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    words = ["ram-digits", "--images", "1024", "--validate-every", "256", "--batch-size", "64"]
    words += ["--test-draws", "1", "--device", "cpu", "--looks", "2", "--hidden", "16"]
    name = f"{parse(words)[0]}/seed-0"
    here = tmp_path / "here"
    first = Trainer("one", name, words, 1, {})
    while not pack(here):
        news = first.news(0.05)
        assert news.code is None, news.lines
        unpack(here, news.files or {})
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    first.reader.join()
    found = checkpoint.latest(here / "checkpoints")
    assert found is not None and found[0] < 16 and first.version()
    assert ended(Trainer("one", name, words, 1, pack(here)), here) == 0
    assert ended(Trainer("two", name, words, 1, {}), tmp_path / "whole") == 0
    for one in ("checkpoints/step-000000016.pt", "best.pt", "metrics.jsonl"):
        if one.endswith("jsonl"):
            assert (here / one).read_text() == (tmp_path / "whole" / one).read_text()
    assert same(_last(here), _last(tmp_path / "whole"))
    assert (here / "result.json").exists() and not [*tmp_path.glob("hardattn-*/*/*")]


def _last(folder: Path) -> Any:
    found = checkpoint.latest(folder / "checkpoints")
    assert found is not None
    return {name: found[1][name] for name in ("agent", "optimiser", "curve")}


def test_without_a_cluster_it_is_said_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["sweep", "ram-digits", "--on", "ray"]) == 2
    assert "pip install 'hardattn[ray]'" in capsys.readouterr().err


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head of one core."""
    pytest.importorskip("ray", reason="pip install 'hardattn[ray]'")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = Cluster(
        initialize_head=True,
        head_node_args=dict(num_cpus=1, object_store_memory=100 * 2**20, include_dashboard=False),
    )
    monkeypatch.setenv("RAY_ADDRESS", made.address)
    yield made
    made.shutdown()


def swept(out: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *SWEEP, "--out", str(out), *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def step(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))


def wait_for(out: Path, running: "subprocess.Popen[str]", runs: int, after: int = 0) -> None:
    """Until so many runs have come back with a checkpoint after that update."""

    def come() -> int:
        return len({path.parent for path in out.rglob("step-*.pt") if step(path) > after})

    while running.poll() is None and come() < runs:
        time.sleep(0.1)
    assert running.poll() is None, running.communicate()[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_node_is_lost_and_the_sweep_stopped_and_nothing_is_changed(
    cluster: Any, tmp_path: Path
) -> None:
    """Two nodes, of which one dies in the midst; then Ctrl-C; then the same command again."""
    out = tmp_path / "ray"
    node = cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
    cluster.wait_for_nodes()
    first = swept(out, "--on", "ray")
    wait_for(out, first, 2)
    assert [each.state for each in states(out)][:2] == ["running"] * 2
    cluster.remove_node(node, allow_graceful=False)
    wait_for(out, first, 1, after=max(map(step, out.rglob("step-*.pt"))))
    first.send_signal(signal.SIGINT)
    said, _ = first.communicate()
    assert first.returncode == 130 and "the same command goes on" in said
    assert "running" not in {each.state for each in states(out)}

    again = swept(out, "--on", "ray")
    wait_for(out, again, 3)
    said += again.communicate()[0]
    assert again.returncode == 0, said
    assert said.count("machine or worker was lost; it goes on elsewhere") == 1, said
    assert [each.state for each in states(out)] == ["finished"] * 3

    alone = swept(tmp_path / "here")
    assert alone.communicate()[0].count("finished") == 3 and alone.returncode == 0
    for folder in sorted(out.glob("*/seed-*")):
        undisturbed = tmp_path / "here" / folder.relative_to(out)
        assert same(_last(folder), _last(undisturbed))
