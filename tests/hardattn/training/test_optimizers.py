"""Schedules of the learning rate."""

import pytest

from hardattn.training.optimizers import SCHEDULES


@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_a_schedule_ends_positive_and_never_rises(schedule: str) -> None:
    rates = [SCHEDULES[schedule](done / 1000) for done in range(1000)]
    assert rates[0] == 1 and rates == sorted(rates, reverse=True) and rates[-1] > 0
