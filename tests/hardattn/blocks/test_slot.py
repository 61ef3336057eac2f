"""Slot attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from hardattn.blocks.slot import margins
from tests.support.blocks import maps_of
from tests.support.pooling_blocks import build, features, linear

# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    # Encoder with two norms, starts, projections, two more norms, GRU, and the MLPs.
    "slot": lambda c, k: (
        (linear(4, c) + 4 * c + 2 * linear(c, c))
        + (2 * c + 3 * c * c + 4 * c)
        + 3 * (2 * c * c + 2 * c)
        + (linear(c, 2 * c) + linear(2 * c, c))
        + (linear(c, c) + linear(c, k))
    ),
}


def test_slots_share_each_place_among_them() -> None:
    x, head = features(), build("slot")
    maps = maps_of(head, x)
    assert len(maps) == 3
    for one in maps:
        assert one.tensor.shape == (2, 7, 3, 4) and one.over == (-3,)
        torch.testing.assert_close(one.tensor.sum(1), torch.ones(2, 3, 4, dtype=torch.float64))
        assert one.density is not None and (one.density >= 1 / 7).all()
    assert (maps[-1].tensor - 1 / 7).abs().max() > 0.01, "the slots are all the same"


def test_slots_differ_by_their_noise_alone() -> None:
    """Equal starts stay equal, and the order of the starts does not matter."""
    x, head = features(), build("slot")
    y = head(x)
    head.start.copy_(head.start.flip(0))
    torch.testing.assert_close(head(x), y)
    head.start.copy_(head.start[:1].expand_as(head.start))
    for one in maps_of(head, x):
        torch.testing.assert_close(one.tensor, torch.full_like(one.tensor, 1 / 7))


def test_slots_start_at_random_in_training_alone() -> None:
    x, head = features(), build("slot")
    assert torch.equal(head(x), head(x))
    head.train()
    assert not torch.equal(head(x), head(x))
    torch.manual_seed(5)
    once = head(x)
    torch.manual_seed(5)
    assert torch.equal(head(x), once)


def test_a_round_of_slots_is_its_equations() -> None:
    x, head = features(), build("slot", rounds=1, slots=2)
    position = margins(x)
    torch.testing.assert_close(position.sum(1), torch.full((12,), 2.0, dtype=torch.float64))
    torch.testing.assert_close(position[5], torch.tensor([0.5, 0.375, 0.5, 0.625]).double())
    for i in range(2):
        places = head.encode(x[i].flatten(1).T + head.position(position))
        slots = [head.mean[0] + head.log_std[0].exp() * noise for noise in head.start]
        query = [head.query(head.before(slot)) for slot in slots]
        update, total = [torch.zeros(16).double() for _ in slots], [0.0, 0.0]
        for place in places:
            score = [torch.exp(head.key(place) @ q / 4) for q in query]
            for s in range(2):
                share = score[s] / sum(score)
                update[s] = update[s] + share * head.value(place)
                total[s] = total[s] + share
        votes = 0
        for s in range(2):
            slot = head.cell((update[s] / total[s])[None], slots[s][None])
            votes = votes + head.vote(slot + head.mlp(head.between(slot)))
        torch.testing.assert_close(head(x)[i], votes[0] / 2)
