"""Whether it is there, and where: worth what boxes share, counted pixel by pixel."""

import pytest
import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.distributions import Delta
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import METRICS
from hardattn.problem import problem
from hardattn.rollout import Decision
from hardattn.scenes import Scenes, fixed_scenes
from hardattn.sensors import Whole
from hardattn.tasks import Find
from hardattn.world import Observation, World

NONE = 16


def overlaps() -> Tensor:
    """(17, 17): of boxes of 8 pixels at 0, 3, 11, 14; and of none."""
    at, boxes = (0, 3, 11, 14), torch.zeros(16, 22, 22, dtype=torch.bool)
    for place in range(16):
        top, left = at[place // 4], at[place % 4]
        boxes[place, top : top + 8, left : left + 8] = True
    shared = (boxes[:, None] & boxes).sum((2, 3)) / (boxes[:, None] | boxes).sum((2, 3))
    found = torch.zeros(17, 17)
    found[:16, :16], found[16, 16] = shared, 1
    return found


def test_a_place_is_worth_its_overlap_and_none_is_right_or_wrong() -> None:
    task, final = Find(17, bonus=2.0, step=3 / 8), torch.ones(1, 289)
    logits = torch.eye(17).repeat_interleave(17, 0)[None]
    target = torch.arange(17).repeat(17)
    reward, loss = task(logits, target, final, 1)
    assert torch.allclose(reward[0].view(17, 17), 2 * overlaps())
    assert torch.equal(task.reward(logits, target, final, 1), reward)
    assert loss.shape == (1, 289) and task.classes == 17 and task.rewarding and task.last_only
    assert torch.allclose(
        task.belief(logits, target)[0], logits[0].softmax(-1).gather(1, target[:, None])[:, 0]
    )
    for classes in (16, 18):
        with pytest.raises(ValueError, match="square of boxes"):
            Find(classes)


class Says:
    """An agent that answers what it was given, and never looks."""

    def __init__(self, logits: Tensor):
        self.logits = logits

    def start(self, context: Tensor) -> Tensor:
        return context[:, :0]

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        nought = torch.zeros_like(seen.step)
        return state, Decision(Delta(torch.zeros_like(seen.location)), self.logits, nought, nought)


def told(target: list[int]) -> Scenes:
    box = torch.zeros(len(target), 1, 4)
    image = torch.zeros(len(target), 1, 4, 4, dtype=torch.uint8)
    return Scenes(image, torch.tensor(target), box, torch.arange(len(target)))


def test_the_overlap_of_answers_is_a_column_and_a_metric() -> None:
    """Right, next to it, in another quarter, missed, invented, and rightly nowhere."""
    target, answer = [5, 5, 5, 5, NONE, NONE], [5, 4, 2, NONE, 5, NONE]
    world = World(Whole(), Find(17, step=3 / 8), 1, first="centre")
    found = evaluate(Says(torch.eye(17)[answer]), world, told(target))
    by_hand = [1.0, 5 / 11, 0.0, 0.0, 0.0, 1.0]
    assert found.overlap.tolist() == pytest.approx(by_hand)
    assert METRICS["answer_iou"](found) == pytest.approx(sum(by_hand) / 6)
    assert METRICS["error"](found) == pytest.approx(4 / 6)
    old = found._replace(overlap=torch.empty(0))  # of a run that had no such column
    assert METRICS["answer_iou"](old) is None


@pytest.mark.parametrize(
    "canvas, image, zoom", [(48, (1, 8, 8), 2), ((31, 44), (1, 6, 9), 1), ((61, 40), (3, 5, 7), 2)]
)
def test_places_are_worth_the_overlap_of_the_boxes_that_scenes_have(
    canvas: int | tuple[int, int], image: tuple[int, int, int], zoom: int
) -> None:
    split = Split(torch.zeros(4, *image, dtype=torch.uint8), torch.arange(4))
    options = dict(canvas=canvas, zoom=zoom, clutter=0, distractors=0, absent=0.0, looks=1)
    one = problem("query", Whole(), tuple("0123"), image, held_out=0, **options)
    made = fixed_scenes(one.make, split, 0, draws=150)
    assert set(made.target.tolist()) == set(range(16))
    box = torch.stack([made.box[made.target == place][0, 0] for place in range(16)])
    answer, truth = torch.cartesian_prod(torch.arange(16), torch.arange(16)).unbind(1)
    low = torch.maximum(box[answer, :2], box[truth, :2])
    high = torch.minimum(box[answer, 2:], box[truth, 2:])
    shared, area = (high - low).clamp_min(0).prod(1), (box[:, 2:] - box[:, :2]).prod(1)
    wanted = shared / (area[answer] + area[truth] - shared)
    assert isinstance(one.world.task, Find)
    assert torch.allclose(one.world.task.worth(answer, truth), wanted, atol=1e-5)
