"""EDRAM: affine looks that are learned."""

import torch

from hardattn.agents.edram import EDRAM
from hardattn.estimators import ESTIMATORS
from hardattn.rollout import greedy, pathwise, rollout
from hardattn.sensors import Affine
from tests.support.learning import CLASSES
from tests.support.recurrent_agents import COARSE, gradients, some, told, world


def edram(context: tuple[int, ...] = COARSE) -> EDRAM:
    torch.manual_seed(0)
    return EDRAM((1, 5, 5), CLASSES, context=context, hidden=12, features=10, filters=4)


def test_edram_is_told_through_the_glimpse() -> None:
    """Backpropagation reaches the context through the places; the first answer knows nothing."""
    agent, where = edram(), world(sensor=Affine(5), context="coarse")
    for draw, through in ((greedy, (False, False, False)), (pathwise, (False, True, True))):
        path, context = told(agent, where, draw)
        for row, moves in enumerate(through):
            (found,) = torch.autograd.grad(
                path.logits[row].sum(), context, allow_unused=True, retain_graph=True
            )
            assert (found is not None and bool(found.any())) == moves


def test_edram_begins_upright_and_its_whole_map_is_learned() -> None:
    agent, where = edram(), world(sensor=Affine(5), context="coarse")
    path = rollout(agent, where, some(), greedy)
    upright = Affine(5).at(torch.zeros(1, 2))
    assert (path.location[1:] - upright).abs().max() < 0.1
    loss = ESTIMATORS["pathwise"].make(agent, where, some(), torch.Generator().manual_seed(0))
    moved = gradients(agent, loss.total)["emission.bias"]
    assert moved is not None and (moved != 0).all()
    assert not path.log_prob.any() and not path.entropy.any()
