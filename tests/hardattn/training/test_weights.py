"""Scenes that count by their class."""

import pytest
import torch

from hardattn.data import Dataset, Split, load
from hardattn.sensors import Whole
from hardattn.tasks import Classify
from hardattn.training.weights import balanced, weighted
from hardattn.world import World


def test_balanced_classes_weigh_the_same() -> None:
    labels = torch.tensor([0] * 6 + [1] * 3 + [3])
    weights = balanced(labels, 4)
    assert torch.allclose(
        weights * torch.bincount(labels, minlength=4), torch.tensor([1, 1, 0, 1.0]) * 10 / 3
    )
    assert weights[labels].mean() == pytest.approx(1) and weights[2] == 0


def test_losses_and_rewards_count_by_class() -> None:
    digits = load("digits")
    few = Split(digits.train.images[:40], (torch.arange(40) % 10 > 1).long())
    dataset = Dataset("few", few, few, few, ("a", "b"))
    world = World(Whole(), Classify(2, bonus=1.0), 2, first="centre")
    heavier = weighted(world, "balanced", dataset)
    assert world.task is not heavier.task and weighted(world, None, dataset) is world
    logits, target = torch.randn(2, 40, 2), few.labels
    final = torch.tensor([0.0, 1.0])[:, None].expand(2, 40)
    reward, loss = world.task(logits, target, final, 2)
    again, more = heavier.task(logits, target, final, 2)
    weights = torch.where(target == 0, 2.5, 0.625)
    assert torch.allclose(again, weights * reward) and torch.allclose(more, weights * loss)
    assert torch.allclose(heavier.task.reward(logits, target, final, 2), again)
    gained = world.task.gained(logits, target, final, 2)
    assert torch.allclose(heavier.task.gained(logits, target, final, 2), weights * gained)
    assert torch.equal(heavier.task.belief(logits, target), world.task.belief(logits, target))


def test_what_cannot_be_weighted_says_so() -> None:
    world = World(Whole(), Classify(3), 1, first="centre")
    with pytest.raises(ValueError, match="choose from balanced"):
        weighted(world, "heavy", load("digits"))
    with pytest.raises(ValueError, match="3 answers"):
        weighted(world, "balanced", load("digits"))
