"""Masks and key points against answers made by hand, and every metric of questions at once."""

import json
import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.agents import RAM
from hardattn.data import load
from hardattn.evaluation import places
from hardattn.evaluation.calibration import aurc, brier, ece, error_auroc
from hardattn.evaluation.evaluate import Columns, evaluate
from hardattn.evaluation.metrics import METRICS, compute, references
from hardattn.problem import problem
from hardattn.rollout import Decision
from hardattn.scenes import fixed_scenes
from hardattn.sensors import Retina, Whole
from tests.support.handmade import columns

IMAGE = (1, 8, 8)
NAMES = tuple("0123456789")


def answered(
    answer: list[list[int]],
    target: list[list[int]],
    choices: int,
    layout: tuple[int, ...] = (),
    sure: float = 3.0,
) -> Columns:
    """Columns of (N, P) answers after a single look, each as sure as the others."""
    said = F.one_hot(torch.tensor(answer), choices) * sure
    count = len(answer)
    look = torch.zeros(count, 1)
    return Columns(
        said.log_softmax(-1)[:, None],
        torch.full((count, 1, 2), math.nan),
        look.bool(),
        look,
        torch.ones(count, dtype=torch.int64),
        torch.tensor(target),
        torch.arange(count),
        layout=torch.tensor(layout).expand(count, -1),
    )


def test_mean_iou_by_hand() -> None:
    truth = [[0, 0, 1, 1], [0, 2, 2, -1]]
    said = [[0, 1, 1, 0], [0, 2, 0, 2]]  # the last is not asked
    found = answered(said, truth, 4, (2, 2, 0, 0))
    # nothing: 2 of 3 + 3 - 2 cells; first: 1 of 3; second: 1 of 2; the last class is nowhere
    # (0: 3 there, 4 said, 2 shared; 1: 2, 2, 1; 2: 2, 1, 1).
    wanted = (2 / 5 + 1 / 3 + 1 / 2) / 3
    assert places.mean_iou(found) == pytest.approx(wanted)
    assert METRICS["error"](found) == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert places.mean_iou(answered(truth[:1], truth[:1], 4, (2, 2, 0, 0))) == 1.0


def drawn(*rows: str) -> list[int]:
    return [int(cell) for row in rows for cell in row]


def test_boundary_f_by_hand() -> None:
    square = drawn("000000", "011110", "011110", "011110", "011110", "000000")
    moved = drawn("000000", "000000", "000000", "000011", "000011", "000000")
    layout = (6, 6, 0, 0)
    assert places.boundary_f(answered([square], [square], 2, layout)) == 1.0
    # Of 4 answered cells, all borders, 3 are within one cell of the 12 of the square's border
    # (all of which but those far away are missed): the cell at row 3, column 4 is one of them.
    one = places.boundary_f(answered([moved], [square], 2, layout))
    strict = places.boundary_f(answered([moved], [square], 2, layout), near=0)
    assert strict is not None and one is not None
    assert strict == pytest.approx(2 * (2 / 4) * (2 / 12) / (2 / 4 + 2 / 12))
    # Near: all 4 answered cells; of the border those at rows 2 to 4, column 4 and row 4, column 3.
    assert one == pytest.approx(2 * 1 * (4 / 12) / (1 + 4 / 12))
    # A class that was answered and is not there counts with 0, and so does one that was missed.
    nothing = [0] * 36
    assert places.boundary_f(answered([nothing, square], [square, square], 2, layout)) == 0.5
    assert places.boundary_f(answered([nothing], [nothing], 2, layout)) is None


def test_pck_by_hand() -> None:
    """Squares of 5 x 10; the object is 6 squares wide: 1.2 squares are near enough."""
    box = torch.tensor([[[-1.0, -1.0, 0.2, 0.2]], [[math.nan] * 4]])
    truth, said = [[0, 11, 22, -1], [1, 2, 3, 4]], [[1, 22, 24, 7], [1, 2, 3, 4]]
    found = answered(said, truth, 50, (0, 0, 5, 10))._replace(box=box)
    # One across; one down and one across, 1.41 away; two across; the last is not asked, and of
    # the second scene nobody knows how large its object is.
    assert places.pck(found) == pytest.approx(1 / 3)
    assert places.pck(found, alpha=0.25) == pytest.approx(2 / 3)
    assert places.pck(found._replace(box=box[1:].expand(2, -1, -1))) is None


def test_there_is_none_where_nothing_of_the_kind_was_asked() -> None:
    for name in ("mean_iou", "boundary_f", "pck"):
        assert METRICS[name](columns()) is None
        assert METRICS[name](answered([[0, 1]], [[0, 1]], 3)) is None
    masked = answered([[0, 1]], [[0, 1]], 3, (1, 2, 0, 0))
    assert places.pck(masked) is None and places.mean_iou(masked) == 1.0


def test_calibration_is_of_every_question_that_is_asked() -> None:
    """As of as many examples with a question each."""
    torch.manual_seed(0)
    target = torch.randint(-1, 4, (6, 3))
    log_probability = torch.randn(6, 1, 3, 4).log_softmax(-1)
    found = answered([[0, 0, 0]] * 6, target.tolist(), 4)._replace(log_probability=log_probability)
    asked = target >= 0
    rows = log_probability[:, 0][asked][:, None]
    count = len(rows)
    alone = columns(log_probability=rows, target=target[asked], index=torch.arange(count))
    for metric in (brier, ece, aurc, error_auroc):
        assert metric(found) == pytest.approx(metric(alone))
    assert found.nll[:, -1].tolist() == pytest.approx(
        [
            -sum(log_probability[b, 0, p, target[b, p]].item() for p in range(3) if asked[b, p])
            / max(1, int(asked[b].sum()))
            for b in range(6)
        ]
    )


class Oracle:
    """Answers what is right, which it knows of these very scenes."""

    def __init__(self, target: Tensor, choices: int):
        self.logits = (F.one_hot(target.clamp_min(0), choices) * 20.0).flatten(1)

    def start(self, context: Tensor) -> Tensor:
        return context[:, :0]

    def step(self, state: Tensor, seen: Any) -> tuple[Tensor, Decision]:
        from hardattn.distributions import Delta

        nought = torch.zeros_like(seen.step)
        return state, Decision(Delta(torch.zeros_like(seen.location)), self.logits, nought, nought)


@pytest.mark.parametrize("scene", ["masks", "keypoints"])
def test_an_oracle_is_at_the_ceiling_and_chance_at_the_floor(scene: str) -> None:
    data = load("digits")
    made = problem(scene, Whole(), NAMES, IMAGE, canvas=32, zoom=2, looks=1, first="centre")
    scenes = fixed_scenes(made.make, data.test, 1).slice(0, 60)
    choices = made.world.task.choices
    found = compute(evaluate(Oracle(scenes.target, choices), made.world, scenes, batch=60))
    assert found["error"] == 0 and found["ece"] < 0.02  # type: ignore[operator]
    chance = Oracle(torch.randint(choices, scenes.target.shape), choices)
    floor = compute(evaluate(chance, made.world, scenes, batch=60))
    names = ("mean_iou", "boundary_f") if scene == "masks" else ("pck",)
    for name in names:
        assert found[name] == 1.0
        assert 0 < floor[name] < 0.15 or name == "boundary_f" or scene == "keypoints"
        assert floor[name] < 0.3
    others = {"mean_iou", "boundary_f", "pck"} - set(names)
    assert all(found[name] is None for name in others)
    assert floor["error"] == pytest.approx(1 - 1 / choices, abs=0.02)


@pytest.mark.parametrize("scene", ["masks", "keypoints"])
def test_every_metric_means_something_of_questions_or_is_none(scene: str) -> None:
    """Of an agent of several looks, and of one that has diverged."""
    data = load("digits")
    options: dict[str, Any] = {"canvas": 24, "spacing": 3, "looks": 3}
    made = problem(scene, Retina(5, 2), NAMES, IMAGE, **options)
    scenes = fixed_scenes(partial(made.make), data.test, 1).slice(0, 20)
    torch.manual_seed(0)
    agent = RAM((2, 5, 5), made.world.task.classes, hidden=16, what=16, where=16)
    found = evaluate(agent, made.world, scenes)
    assert found.log_probability.shape == (20, 3, 64 if scene == "masks" else 5, len(made.answers))
    assert torch.allclose(found.log_probability.exp().sum(-1), torch.tensor(1.0), atol=1e-5)
    assert found.correct.shape == found.share_correct.shape == found.nll.shape == (20, 3)
    for lost in (found, found._replace(log_probability=found.log_probability * math.nan)):
        figures = compute(lost) | references(lost)
        json.dumps(figures, allow_nan=False)
        assert set(METRICS) <= set(figures)
    known = compute(found)
    one = [name for name in METRICS if known[name] is not None]
    assert {"error", "error_after", "nll", "brier", "ece", "aurc", "hit", "looked"} <= set(one)
    assert known["error"] == pytest.approx(
        (found.prediction[:, -1] != found.target).double().mean().item()
    )
    for name in ("looks_needed", "error_when_sure"):
        assert known[name] is None
