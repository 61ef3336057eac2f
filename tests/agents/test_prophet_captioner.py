"""Prophet attention: charged in training, by what one who knows the word attends to."""

from functools import partial

import torch

from hardattn.agents import ProphetCaptioner
from hardattn.data import load
from hardattn.estimators.taught import taught
from hardattn.rollout import rollout, soft
from hardattn.scenes import captions, fixed_scenes
from hardattn.sensors import Cells
from hardattn.tasks import Sequence
from hardattn.world import World

SCENES = fixed_scenes(partial(captions, canvas=32, across=2), load("digits").test, seed=0)
WORLD = World(Cells(4, 4), Sequence(16, bonus=0.0), 10, first="centre", context="whole")


def made(**options: float) -> ProphetCaptioner:
    torch.manual_seed(0)
    return ProphetCaptioner(
        (1, 8, 8), 16, context=(1, 32, 32), looks=10, features=8, hidden=12, **options
    )


def test_it_is_charged_in_training_alone() -> None:
    agent, some = made(), SCENES.slice(0, 6)
    assert not rollout(agent.eval(), WORLD, some, soft).cost.any()
    cost = rollout(taught(agent.train(), WORLD, some), WORLD, some, soft).cost
    # At each look for the word before it, and for none after the end of its sentence.
    assert not cost[0].any() and torch.equal(cost[1:] > 0, some.target.T[:-1] >= 0)
    assert (some.target < 0).any(), "some sentences are shorter than the longest"


def test_it_is_held_to_the_attention_of_who_knows_the_word() -> None:
    """Of a word that names something the distance is charged, of "see" and "end" it is not."""
    some = SCENES.slice(0, 6)
    costs = []
    for prophecy in (0.0, 1.0):
        agent = made(prophecy=prophecy).eval()  # norms at rest
        agent.training = True
        costs.append(rollout(taught(agent, WORLD, some), WORLD, some, soft).cost)
    apart = (costs[1] - costs[0])[1:]
    word = some.target.T[:-1]
    assert torch.equal(apart > 0, (word >= 0) & (word < 12))
    assert (apart <= 2).all()  # of two distributions
