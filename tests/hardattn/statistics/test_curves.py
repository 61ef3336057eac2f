"""What validation errors had come to when a training ended."""

import pytest

from hardattn.report.column import quarter_text
from hardattn.statistics.curves import last_quarter

FALLS = [[25, 0.9], [50, 0.6], [75, 0.4], [100, 0.30]]
STANDS = [[25, 0.9], [50, 0.6], [75, 0.4], [100, 0.38]]


def test_the_last_quarter_is_the_mean_over_seeds() -> None:
    told = last_quarter([FALLS, STANDS])
    assert told is not None
    assert told == pytest.approx((0.4, 0.34))
    assert told.fell == pytest.approx(-0.06)
    assert quarter_text([FALLS, STANDS]) == "−6.0"
    assert quarter_text([[[75, 0.4], [100, 0.3999]]]) == "+0.0"


def test_an_error_falls_by_a_fifth_and_by_a_point() -> None:
    for curve, falls in (
        (FALLS, True),
        (STANDS, False),
        ([[75, 0.02], [100, 0.005]], True),
        ([[75, 0.015], [100, 0.006]], False),  # less than a point
        ([[75, 0.3], [100, 0.4]], False),
    ):
        told = last_quarter([curve])
        assert told is not None
        assert told.falling == falls


def test_validations_that_come_a_little_late_are_of_the_third_quarter() -> None:
    assert last_quarter([[[759, 0.5], [1_000, 0.4]]]) == pytest.approx((0.5, 0.4))


def test_a_curve_without_a_point_before_its_last_quarter_says_nothing() -> None:
    assert last_quarter([]) is last_quarter([[]]) is last_quarter([[[100, 0.4]]]) is None
    assert quarter_text([]) == "–"
    assert last_quarter([[[100, 0.4]], FALLS]) == pytest.approx((0.4, 0.3))
