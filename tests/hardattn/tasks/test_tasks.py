"""Tasks and what is right, against slow ones that go example by example, look by look."""

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.agents import RAM
from hardattn.data import load
from hardattn.estimators import leave_one_out
from hardattn.evaluation.evaluate import Columns, correct_so_far, evaluate
from hardattn.evaluation.metrics import compute
from hardattn.problem import SCENES, Problem
from hardattn.scenes import fixed_scenes, pair, sequence
from hardattn.sensors import Retina
from hardattn.tasks import TASKS, Classify, Cluster, Localise, Sequence, Task
from hardattn.training.log import Log
from hardattn.training.loop import train
from hardattn.training.options import TrainOptions
from hardattn.world import World

CLASSES = 4  # three symbols and the end
TARGET = torch.tensor([[0, 1, 2, 3], [2, 3, -1, -1], [1, 1, 3, -1], [0, 0, 0, 3], [1, 3, -1, -1]])


def guesses(looks: int, seed: int = 0) -> Tensor:
    """(T, B, K) answers that are right more often than not."""
    noise = torch.randn(looks, 5, CLASSES, generator=torch.Generator().manual_seed(seed))
    truth = TARGET.clamp_min(0).repeat_interleave(looks // 4, 1).T
    return noise + 1.5 * F.one_hot(truth, CLASSES)


def slow(logits: Tensor, final: list[int], each: int) -> tuple[Tensor, Tensor, list[bool]]:
    """Reward, loss (T, B) and whether all is right, of episodes that stop at look `final`."""
    reward, loss, whole = torch.zeros(len(logits), 5), torch.zeros(len(logits), 5), []
    for b in range(5):
        good = True
        for s, symbol in enumerate(TARGET[b].tolist()):
            if symbol < 0:
                break
            t = min(s * each + each - 1, final[b])
            loss[t, b] -= logits[t, b].log_softmax(0)[symbol]
            good = good and logits[t, b].argmax().item() == symbol
            reward[t, b] += float(good)
        whole.append(good)
    return reward, loss, whole


@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("final", [[99] * 5, [0, 1, 3, 2, 99]], ids=["to the end", "stops"])
@pytest.mark.parametrize("seed", range(5))
def test_sequence_equals_the_slow_one(each: int, final: list[int], seed: int) -> None:
    looks = 4 * each
    logits = guesses(looks, seed)
    ends = [min(t, looks - 1) for t in final]
    look = torch.arange(looks)[:, None]
    stop, alive = (look == torch.tensor(ends)).float(), (look <= torch.tensor(ends)).float()
    reward, loss = Sequence(CLASSES, bonus=0.5)(logits, TARGET, stop, looks)
    wanted, cost, _ = slow(logits, ends, each)
    assert torch.allclose(reward * alive, 0.5 * wanted)
    assert torch.allclose(loss * alive, cost, atol=1e-5)
    # A row knows nothing of later ones.
    for t in range(1, looks):
        early = Sequence(CLASSES, bonus=0.5)(logits[:t], TARGET, stop[:t], looks)
        assert torch.equal(early[0], reward[:t]) and torch.equal(early[1], loss[:t])


def test_nothing_is_learned_after_the_end() -> None:
    logits = guesses(8).requires_grad_()
    final = torch.zeros(8, 5)
    final[-1] = 1
    Sequence(CLASSES)(logits, TARGET, final, 8)[1].sum().backward()
    reached = logits.grad.abs().sum(-1).T > 0
    asked = (TARGET >= 0)[..., None] & torch.tensor([False, True])  # the last of two looks
    assert torch.equal(reached, asked.flatten(1))


def test_sequence_is_told_how_many_looks_it_needs() -> None:
    with pytest.raises(ValueError, match="4 symbols do not share 6 looks evenly"):
        Sequence(CLASSES)(torch.zeros(6, 5, CLASSES), TARGET, torch.zeros(6, 5), 6)


@pytest.mark.parametrize("each", [1, 2])
def test_right_is_all_that_was_answered_so_far(each: int) -> None:
    for seed in range(5):
        answer = guesses(4 * each, seed).argmax(-1).T
        found = correct_so_far(answer, TARGET)
        for b in range(5):
            for t in range(4 * each):
                before = [answer[b, s * each + each - 1].item() for s in range(t // each)]
                said = torch.tensor([*before, answer[b, t].item()])
                asked = TARGET[b, : len(said)]
                assert found[b, t] == (said == asked)[asked >= 0].all()
    assert correct_so_far(torch.tensor([[1, 2]]), torch.tensor([2])).tolist() == [[False, True]]


def columns(logits: Tensor) -> Columns:
    looks, count = logits.shape[:2]
    return Columns(
        log_probability=logits.log_softmax(-1).transpose(0, 1),
        location=torch.zeros(count, looks, 2),
        hit=torch.zeros(count, looks, dtype=torch.bool),
        entropy=torch.zeros(count, looks),
        looks=torch.full((count,), looks),
        target=TARGET,
        index=torch.arange(count),
    )


@pytest.mark.parametrize("each", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_figures_of_sequences(each: int, seed: int) -> None:
    """The error is that of whole sequences; the likelihood theirs, too."""
    logits = guesses(4 * each, seed)
    made = columns(logits)
    _, loss, whole = slow(logits, [99] * 5, each)
    assert made.correct[:, -1].tolist() == whole
    assert torch.allclose(made.nll, loss.cumsum(0).T + current(logits, each), atol=1e-5)
    assert torch.allclose(made.nll[:, -1], loss.sum(0), atol=1e-5)
    for b in range(5):
        said, sure = [], 0.0
        for s in range(4):
            given = made.log_probability[b, s * each + each - 1]
            said.append(given.argmax().item())
            if CLASSES - 1 not in said[:-1]:
                sure += given.max().item()
        assert made.answer[b].tolist() == said
        assert made.confidence[b, -1].item() == pytest.approx(math.exp(sure), rel=1e-4)
    table = compute(made)
    assert table["error"] == pytest.approx(1 - sum(whole) / 5)
    assert table["brier"] is None and 0 <= table["ece"] <= 1  # type: ignore[operator]


def current(logits: Tensor, each: int) -> Tensor:
    """(N, T): of the symbol at hand, unless this is its last look, which `loss` counts."""
    asked = TARGET.repeat_interleave(each, 1)
    given = -logits.log_softmax(-1).transpose(0, 1).gather(2, asked.clamp_min(0)[..., None])[..., 0]
    last = torch.arange(len(logits)) % each == each - 1
    return given * (asked >= 0) * ~last


def test_belief_in_a_sequence_is_that_in_the_symbol_at_hand() -> None:
    logits = guesses(8)
    belief = Sequence(CLASSES).belief(logits, TARGET)
    for t in range(8):
        for b in range(5):
            symbol = TARGET[b, t // 2].item()
            wanted = 1.0 if symbol < 0 else logits[t, b].softmax(0)[int(symbol)].item()
            assert belief[t, b].item() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("each", [True, False])
def test_classify_equals_the_slow_one(each: bool) -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(3, 6, 4), torch.tensor([0, 1, 2, 3, 3, 1])
    final = F.one_hot(torch.tensor([0, 1, 2, 2, 1, 0]), 3).T.float()
    task = Classify(4, each, bonus=0.5)
    reward, loss = task(logits, target, final, 3)
    for t in range(3):
        for b in range(6):
            stops = bool(final[t, b])
            weight = ((3 - t) / 3 if stops else 1 / 3) if each else float(stops)
            given = logits[t, b].log_softmax(0)[target[b]]
            assert loss[t, b].item() == pytest.approx(-weight * given.item(), abs=1e-6)
            won = weight * 0.5 * (logits[t, b].argmax() == target[b])
            assert reward[t, b].item() == pytest.approx(float(won), abs=1e-6)
            found = task.belief(logits, target)[t, b].item()
            assert found == pytest.approx(given.exp().item(), abs=1e-6)


@pytest.mark.parametrize("bonus", [0.0, 0.7])
def test_stopping_escapes_no_loss(bonus: float) -> None:
    """What each look adds is lost by whoever stops before it; where it adds nothing, nothing is."""
    looks, target = 5, torch.arange(4)
    truth = F.one_hot(target, 4).float()
    task = Classify(4, each=True, bonus=bonus)

    def total(logits: Tensor, stop: int) -> Tensor:
        row = torch.arange(looks)[:, None].expand(looks, 4)
        reward, loss = task(logits, target, (row == stop).float(), looks)
        return ((loss - reward) * (row <= stop)).sum(0)

    better = torch.stack([sure * truth for sure in torch.linspace(-1, 3, looks)])
    same = better[2].expand_as(better)
    for stop in range(looks - 1):
        assert (total(better, stop) > total(better, stop + 1) + 1e-3).all()
        assert torch.allclose(total(same, stop), total(same, stop + 1))


OWN = ("questions", "find")  # which have tests of their own
SINGLY = [name for name in TASKS if name not in OWN]


@pytest.mark.parametrize("name", SINGLY)
def test_every_task(name: str) -> None:
    """Shapes as promised, and whether it rewards."""
    target = TARGET if name == "sequence" else guesses(8)[-1].argmax(-1)
    for bonus in (None,) if name == "cluster" else (0.0, 0.7):
        task = TASKS[name](CLASSES) if bonus is None else TASKS[name](CLASSES, bonus=bonus)
        final = torch.zeros(8, 5)
        final[-1] = 1
        reward, loss = task(guesses(8), target, final, 8)
        assert reward.shape == loss.shape == task.belief(guesses(8), target).shape == (8, 5)
        assert torch.equal(task.reward(guesses(8), target, final, 8), reward)
        gained = task.gained(guesses(8), target, final, 8)
        assert gained.shape == (8, 5)
        # Nothing where all answers are alike; and no row depends on a later one.
        alike = torch.zeros(8, 5, CLASSES)
        assert torch.allclose(task.gained(alike, target, final, 8), torch.zeros(8, 5), atol=1e-6)
        for rows in range(1, 9):
            early = task.gained(guesses(8)[:rows], target, final[:rows], 8)
            assert torch.allclose(early, gained[:rows], atol=1e-6)
        assert task.rewarding == bool(reward.any()) == bool(bonus)
        assert task.classes == task.choices == CLASSES and task.layout == ()


@pytest.mark.parametrize("name", SINGLY)
def test_what_hangs_on_the_last_row_hangs_on_no_other(name: str) -> None:
    """`last_only`: an environment that judges step by step then need not keep the rows before."""
    target = TARGET if name == "sequence" else guesses(8)[-1].argmax(-1)
    for each in (False, True) if name in ("classify", "localise") else (None,):
        task = TASKS[name](CLASSES) if each is None else TASKS[name](CLASSES, each, bonus=1.0)
        last = torch.tensor([0, 3, 7, 7, 5])
        final = (torch.arange(8)[:, None] == last).float()
        logits = guesses(8)
        whole = torch.stack(task(logits, target, final, 8))
        row = logits.gather(0, last[None, :, None].expand(1, -1, CLASSES))
        alone = torch.stack(task(row, target, torch.ones(1, 5), 8))
        found = whole.gather(1, last.expand(2, 1, -1))
        hangs = torch.equal(found, alone) and not whole[:, final == 0].any()
        assert task.last_only == hangs == (name == "cluster" or each is False)


def test_a_place_is_worth_its_overlap() -> None:
    """Against boxes counted pixel by pixel: 5 x 5 of 8 pixels, 3 apart."""
    task = Localise(25, bonus=2.0, step=3 / 8)
    boxes = torch.zeros(25, 20, 20, dtype=torch.bool)
    for place in range(25):
        top, left = 3 * (place // 5), 3 * (place % 5)
        boxes[place, top : top + 8, left : left + 8] = True
    shared = (boxes[:, None] & boxes).sum((2, 3)) / (boxes[:, None] | boxes).sum((2, 3))
    logits = torch.eye(25).repeat_interleave(25, 0)[None]
    target = torch.arange(25).repeat(25)
    reward, loss = task(logits, target, torch.ones(1, 625), 1)
    assert torch.allclose(reward[0].view(25, 25), 2 * shared)
    same = Classify(25)(logits, target, torch.ones(1, 625), 1)[1]
    assert torch.equal(loss, same)
    for classes, step in ((24, 0.5), (25, 0.0)):
        with pytest.raises(ValueError, match="square of boxes"):
            Localise(classes, step=step)


def test_clustering_asks_for_nothing_and_reads_no_label() -> None:
    task, final = Cluster(CLASSES), torch.ones(8, 5)
    nobody = torch.full((5,), -7)
    reward, loss = task(guesses(8), nobody, final, 8)
    assert not reward.any() and not loss.any()
    belief = task.belief(guesses(8), nobody)
    assert torch.equal(belief, guesses(8).softmax(-1).max(-1).values)


@pytest.mark.parametrize(
    "scene, make, kind",
    [
        ("pair", partial(pair, canvas=20), Classify),
        ("sequence", partial(sequence, canvas=(10, 20), digits=2), Sequence),
    ],
)
def test_several_digits_go_through_both_doors(
    scene: str, make: Any, kind: type, tmp_path: Path
) -> None:
    """Trained, logged with pictures, and measured."""
    data = load("digits")
    names = SCENES[scene].answers(data.classes)
    task: Task = kind(len(names))
    world = World(Retina(4, 2), task, looks=6)
    torch.manual_seed(0)
    agent = RAM((2, 4, 4), len(names), hidden=16, what=16, where=16)
    validation = fixed_scenes(make, data.validation, 1).slice(0, 50)
    log = Log(tmp_path, "x", retina=(4, 2), classes=names, quiet=True)
    options = TrainOptions(128, batch_size=32, validate_every=64)
    estimator = partial(leave_one_out, samples=2)
    problem = Problem(world, make, names)
    train(agent, problem, estimator, data, validation, tmp_path, options, log=log)
    log.close()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert 0 <= json.loads(lines[-1])["training"]["correct"] <= 1
    columns = evaluate(agent, world, validation)
    assert torch.equal(
        columns.correct[:, -1],
        (columns.target < 0).logical_or(columns.answer == columns.target).view(50, -1).all(1),
    )
    assert 0.5 < compute(columns)["error"] <= 1  # type: ignore[operator]
