"""Every kind of learner learns, whole and an update at a time, and answers as a program."""

import json
import subprocess
import sys

import pytest

from hardattn.experiments.benchmarks import learner
from hardattn.experiments.benchmarks.learner import KINDS, Learner, Worker
from tests.support.imports import ROOT, imports


@pytest.mark.parametrize("agent", KINDS)
@pytest.mark.parametrize("canvas", [None, 40])
def test_every_kind_learns(agent: str, canvas: int | None) -> None:
    one = Learner(agent, batch=4, canvas=canvas, updates=2)
    before = [weight.clone() for weight in one.agent.parameters()]
    for _ in range(3):
        one.update()
    assert one.begun is not None and one.begun.done == 1  # it began again
    assert any(not was.equal(now) for was, now in zip(before, one.agent.parameters(), strict=True))
    assert one.look(one.scenes(5)).correct.shape == (5, one.kind.looks)


def test_a_whole_training_leaves_nothing_behind(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = Learner(batch=4, updates=2)
    assert one.whole() > 0 and one.whole() > 0  # from the start, again
    assert not [*tmp_path.iterdir()]


def test_a_worker_knows_what_is_asked() -> None:
    worker = Worker()
    asked = {"agent": "ram", "batch": 4, "updates": 2}
    assert worker.answer({"what": "update", **asked}) > 0
    assert worker.answer({"what": "whole", **asked}) > 0 and len(worker.learners) == 1
    assert worker.answer({"what": "peak", **asked}) >= worker.answer({"what": "before"}) > 0
    assert worker.answer({"what": "vector", "count": 2}) > 0
    with pytest.raises(ValueError, match="nobody knows how to measure 'speed'"):
        worker.answer({"what": "speed", **asked})


def test_as_a_program_it_needs_nothing_of_its_folder() -> None:
    path = ROOT / "experiments" / "benchmarks" / "learner.py"
    assert not [name for name, *_ in imports(ROOT, path) if "experiments" in name]
    done = subprocess.run(
        [sys.executable, "-P", learner.__file__],
        input=json.dumps({"what": "before"}) + "\n",
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) > 0
