"""What is timed is an update of each seed, and the one that it would be alone."""

import torch

from hardattn.experiments.benchmarks.learner import Learner
from hardattn.experiments.benchmarks.seeds import SEEDS, together, updating


def test_each_is_updated_as_it_would_be_alone() -> None:
    alone, *several = (Learner("ram", 4, updates=10) for _ in range(3))
    before = [weight.detach().clone() for weight in alone.agent.parameters()]
    alone.update()
    updating(several)()
    for one in several:
        assert one.begun is not None and one.begun.done == 1
        each = [*zip(before, alone.agent.parameters(), one.agent.parameters(), strict=True)]
        assert not any(torch.equal(old, new) for old, _, new in each)
        # Adam's first step is as long for every weight whose gradient is more than rounding.
        apart = sum(int(((a - b).abs() > 1e-4).sum()) for _, a, b in each)
        assert apart < 0.01 * sum(weight.numel() for weight in before)


def test_so_many_seeds_are_one() -> None:
    together(2)()
    assert SEEDS == 8
