"""Several questions at once, against slow ones that go question by question."""

import math

import pytest
import torch
from torch import Tensor

from hardattn.tasks import Classify, Questions, apart

LOOKS, COUNT, MANY, CHOICES = 4, 5, 3, 4
TARGET = torch.tensor([[0, 1, 2], [3, -1, 1], [-1, -1, 2], [1, 1, 1], [-1, -1, -1]])


def guesses(seed: int = 0) -> Tensor:
    """(T, B, P * K) answers."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(LOOKS, COUNT, MANY * CHOICES, generator=generator)


def ends(last: list[int]) -> Tensor:
    return (torch.arange(LOOKS)[:, None] == torch.tensor(last)).float()


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("last", [[3] * 5, [0, 1, 3, 2, 1]])
def test_questions_equal_one_question_after_another(each: bool, last: list[int]) -> None:
    """Loss, reward, belief and gain are the means of `Classify` over what is asked."""
    task = Questions(MANY * CHOICES, CHOICES, each, bonus=0.7)
    alone = Classify(CHOICES, each, bonus=0.7)
    logits, final = guesses(), ends(last)
    reward, loss = task(logits, TARGET, final, LOOKS)
    assert torch.equal(reward, task.reward(logits, TARGET, final, LOOKS))
    found = reward, loss, task.belief(logits, TARGET), task.gained(logits, TARGET, final, LOOKS)
    for b in range(COUNT):
        sums, asked = [torch.zeros(LOOKS) for _ in range(4)], 0
        for p in range(MANY):
            truth = TARGET[b, p : p + 1]
            if truth.item() < 0:
                continue
            asked += 1
            one = logits[:, b : b + 1, p * CHOICES : (p + 1) * CHOICES]
            told = final[:, b : b + 1]
            more = alone.belief(one, truth), alone.gained(one, truth, told, LOOKS)
            for row, part in zip(sums, (*alone(one, truth, told, LOOKS), *more), strict=True):
                row += part[:, 0]
        for whole, row in zip(found, sums, strict=True):
            assert torch.allclose(whole[:, b], row / max(asked, 1), atol=1e-6)


def test_rows_depend_on_no_later_one_and_alike_answers_gain_nothing() -> None:
    task, final = Questions(MANY * CHOICES, CHOICES, each=True, bonus=1.0), ends([3] * 5)
    alike = task.gained(torch.zeros(LOOKS, COUNT, 12), TARGET, final, LOOKS)
    assert torch.allclose(alike, torch.zeros_like(alike), atol=1e-6)
    whole = task.gained(guesses(), TARGET, final, LOOKS), *task(guesses(), TARGET, final, LOOKS)
    for rows in range(1, LOOKS + 1):
        early = guesses()[:rows], TARGET, final[:rows], LOOKS
        for one, other in zip(whole, (task.gained(*early), *task(*early)), strict=True):
            assert torch.allclose(one[:rows], other, atol=1e-6)


def test_what_is_no_number_is_no_answer_and_what_is_not_asked_has_no_gradient() -> None:
    task, final = Questions(MANY * CHOICES, CHOICES, bonus=1.0), ends([3] * 5)
    lost = torch.full((LOOKS, COUNT, 12), math.nan)
    assert not task.reward(lost, TARGET, final, LOOKS).any()
    logits = guesses().requires_grad_()
    task(logits, TARGET, final, LOOKS)[1].sum().backward()
    moved = apart(logits.grad, task)[-1].abs().sum(-1) > 0  # type: ignore[arg-type]
    assert torch.equal(moved, TARGET >= 0)


def test_what_does_not_go_together_is_refused() -> None:
    for classes, choices in ((12, 5), (4, 4), (4, 0)):
        with pytest.raises(ValueError, match="no answer of"):
            Questions(classes, choices)
    with pytest.raises(ValueError, match="3 questions do not lie in 2 x 2 places"):
        Questions(12, 4, asked_at=(2, 2))
    with pytest.raises(ValueError, match="4 answers do not lie in 3 x 1 places"):
        Questions(12, 4, answered_at=(3, 1))
    assert Questions(12, 4, answered_at=(2, 2)).layout == (0, 0, 2, 2)
