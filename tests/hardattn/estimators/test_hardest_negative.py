"""The hinge of the hardest negative, by hand."""

import pytest
import torch
from torch import Tensor, nn

from hardattn.distributions import Delta
from hardattn.estimators import ESTIMATORS
from hardattn.rollout import Decision
from hardattn.scenes import Scenes
from hardattn.sensors import Whole
from hardattn.tasks import Classify
from hardattn.world import Observation, World


class Fixed(nn.Module):
    """Answers as it likes."""

    def __init__(self, logits: Tensor):
        super().__init__()
        self.logits = nn.Parameter(logits)

    def start(self, context: Tensor) -> Tensor:
        return context

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        nought = torch.zeros_like(seen.step)
        return state, Decision(Delta(torch.zeros_like(seen.location)), self.logits, nought, nought)


def test_the_best_wrong_answer_is_held_off() -> None:
    agent = Fixed(torch.tensor([[0.5, 0.4, 0.1], [0.9, 0.2, 0.1], [0.3, 0.6, 0.5]]))
    blank = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)
    scenes = Scenes(blank, torch.tensor([0, 0, 2]), torch.zeros(3, 1, 4), torch.arange(3))
    world = World(Whole(), Classify(3), 1, first="centre")
    loss = ESTIMATORS["hardest_negative"].build(agent, world, margin=0.2)(agent, world, scenes)
    assert loss.total.item() == pytest.approx((0.1 + 0 + 0.3) / 3)
    loss.total.backward()
    wanted = torch.tensor([[-1.0, 1, 0], [0, 0, 0], [0, 1, -1]]) / 3
    assert agent.logits.grad is not None and torch.allclose(agent.logits.grad, wanted)
