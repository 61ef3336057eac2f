"""Trainings of several seeds that look as one are those that they would be alone."""

import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn import storage
from hardattn.experiments.cli import main
from hardattn.training.capture import WARM, launcher
from hardattn.training.distributed import Ranks, joined_as
from hardattn.training.interrupt import Stopped
from hardattn.training.loop import Training
from hardattn.training.stacked import CELLS, Apart, Asked, Stacked
from tests.hardattn.training.test_capture import Unwaited
from tests.support.training import UPDATES, before_update, begun, learn, left, outcome, same

SEEDS = 3


class Held(Ranks):
    """Keeps what a training asks for."""

    def update(self, training: Any, make: Any, kind: tuple[int, bool], index: Tensor) -> None:
        self.given = Asked(training, make, kind, index)


def several(folder: Path, *given: Any, **options: Any) -> list[Training]:
    """Trainings whose weights and seeds differ."""
    runs = [begun(folder, *given, **options) for _ in range(SEEDS)]
    for seed, run in enumerate(runs):
        run.seed = seed
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in run.weights:
                weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return runs


def together(stack: Stacked, runs: list[Training]) -> None:
    """An update of all of them as one."""
    asked = []
    for run in runs:
        run.ranks = Held()
        run.update()
        asked.append(run.ranks.given)
    stack._update(asked)


@pytest.mark.parametrize(
    "name, options",
    [
        ("learned_baseline", {"led": 0.4, "max_grad_norm": 0.5}),
        ("leave_one_out", {"curriculum": 0.5}),
        ("nvil", {"optimizer": "adamw", "momentum": 0.5}),
        ("moving_average", {"augment": ("flip", "colour"), "optimizer": "sgd"}),
    ],
)
def test_an_update_is_that_of_each_alone(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    """Gradients at a fixed state, and what is made of them."""
    alone, other = several(tmp_path, name, **options), several(tmp_path, name, **options)
    stack = Stacked()
    for number in range(3):
        for one, run in zip(alone, other, strict=True):
            for key, each in one.learners.items():
                run.learners[key].load_state_dict(each.state_dict())
        for run in alone:
            run.update()
        together(stack, other)
        for one, run in zip(alone, other, strict=True):
            assert one.done == run.done == number + 1
            for a, b in zip(one.weights, run.weights, strict=True):
                assert (a.grad is None) == (b.grad is None)
                if a.grad is not None and b.grad is not None:
                    scale = a.grad.abs().max().clamp_min(1e-3)
                    assert (a.grad - b.grad).abs().max() < 1e-5 * scale
            for a, b in zip(
                one.metrics.means().values(), run.metrics.means().values(), strict=True
            ):
                assert a == pytest.approx(b, rel=1e-4, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("kind", CELLS)
def test_recurrent_cells_are_those_of_torch(kind: str) -> None:
    cell: Any = {"gru_cell": nn.GRUCell, "lstm_cell": nn.LSTMCell}[kind](5, 7)
    x, state = torch.randn(4, 5), torch.randn(4, 7)
    held: Any = state if kind == "gru_cell" else (state, torch.randn(4, 7))
    weights = (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    wanted, found = cell(x, held), CELLS[kind](x, held, *weights)
    torch.testing.assert_close(found, wanted)


def all_of(top: Path, stack: Stacked, **options: Any) -> list[Any]:
    acts = [partial(learn, top / str(seed), seed, ranks=stack, **options) for seed in range(SEEDS)]
    with joined_as(stack):
        return stack.run(acts)


def test_each_leaves_what_it_leaves_alone_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    sgd = {"optimizer": "sgd", "lr": 0.1}
    found = all_of(tmp_path / "whole", Stacked(), **sgd)
    for seed, (trained, agent) in enumerate(found):
        learn(tmp_path / "alone" / str(seed), seed, **sgd)
        one, other = (outcome(tmp_path / name / str(seed)) for name in ("whole", "alone"))
        for key, weight in one["last"]["agent"].items():
            torch.testing.assert_close(weight, other["last"]["agent"][key], rtol=0, atol=1e-5)
        assert one["step"] == other["step"] == UPDATES and trained.curve[-1][0] == trained.images
        kept = storage.read(tmp_path / "whole" / str(seed) / "best.pt")["agent"]
        assert same(agent.state_dict(), kept)

    stopped = all_of(
        tmp_path / "again", Stacked(), estimator=before_update(UPDATES // 2, _stop), **sgd
    )
    assert all(isinstance(one, Stopped) and one.code == 143 for one in stopped)
    all_of(tmp_path / "again", Stacked(), **sgd)
    for seed in range(SEEDS):
        one, other = (outcome(tmp_path / name / str(seed)) for name in ("whole", "again"))
        assert same(one["last"]["agent"], other["last"]["agent"]) and one["log"] == other["log"]


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_one_that_is_behind_or_fails_keeps_no_other_from_going_on(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        learn(tmp_path / "0", 0, estimator=before_update(7, _stop))
    stack, said = Stacked(), ValueError("it was never there")

    def fails() -> None:
        raise said

    learns = [partial(learn, tmp_path / str(seed), seed, ranks=stack) for seed in (0, 1)]
    first, failed, second = stack.run([learns[0], fails, learns[1]])
    assert failed is said and len(first[0].curve) == len(second[0].curve) == 4
    assert outcome(tmp_path / "0")["step"] == outcome(tmp_path / "1")["step"] == UPDATES


def test_what_cannot_be_one_is_refused_in_a_line(tmp_path: Path) -> None:
    for name, options, words in (
        ("ppo", {}, "learns several times from the same looks"),
        ("learned_baseline", {"optimizer": "sam"}, "'sam' looks more than once"),
    ):
        with pytest.raises(Apart, match=words) as fault:
            together(Stacked(), several(tmp_path, name, **options))
        assert "\n" not in str(fault.value) and "--seed" in str(fault.value)
    runs = several(tmp_path)
    for run in runs:
        run.agent.glimpse = nn.Sequential(run.agent.glimpse)  # type: ignore[assignment]
        run.agent.glimpse.forward = (  # type: ignore[method-assign]
            lambda *given, own=run.agent.glimpse: nn.functional.dropout(own[0](*given), 0.5)
        )
    with pytest.raises(Apart, match="dropout draws in another way"):
        together(Stacked(), runs)


def test_the_update_of_all_waits_for_nothing_of_the_host(tmp_path: Path) -> None:
    """So that it can be captured, as that of one is."""
    runs, stack = several(tmp_path), Stacked()
    for _ in range(WARM):
        together(stack, runs)
    for run in runs:
        run.ranks = Held()
        run.update()
    asked = [run.ranks.given for run in runs]  # type: ignore[attr-defined]
    with Unwaited():
        stack._update(asked)


def test_a_command_leaves_a_folder_and_a_result_for_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "mlp-digits", "--images", "640", "--device", "cpu", "--out", str(tmp_path)]
    assert main([*words, "--seeds", "2:4"]) == 0
    said = capsys.readouterr().out
    found = {
        path.parent.name: json.loads(path.read_text()) for path in tmp_path.rglob("result.json")
    }
    assert sorted(found) == ["seed-2", "seed-3"] and all(name in said for name in found)
    assert [found[name]["seed"] for name in sorted(found)] == [2, 3]
    assert main([*words, "--seed", "3"]) == 0  # of which it was found already
    assert "seed-3" in capsys.readouterr().err
    for strange in ("3", "4:2", "a:b", ":"):
        assert main([*words, "--seeds", strange]) == 2
        assert "--seeds is FIRST:END" in capsys.readouterr().err
    assert main(["train", "sb3-ppo", "--seeds", "0:2", "--out", str(tmp_path)]) == 2
    assert "a seed at a time" in capsys.readouterr().err


@pytest.mark.gpu
def test_on_a_gpu_the_captured_update_of_all_is_the_one_that_is_called(tmp_path: Path) -> None:
    eager, other = (several(tmp_path, device="cuda") for _ in range(2))
    called, captured = Stacked(), Stacked()
    for run in other:
        learners = run.learners.values()
        run.launch = launcher(True, "", [run.generator], learners)
    for _ in range(3 * WARM):
        together(called, eager)
        together(captured, other)
    for one, run in zip(eager, other, strict=True):
        assert same(left(one), left(run))
