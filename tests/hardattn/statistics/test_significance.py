"""Chances of differences, against scipy's, and what is left of them among many."""

import numpy as np
import pytest
import scipy.stats

from hardattn.statistics.significance import beyond, chance_of, holm


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 10, 31])
@pytest.mark.parametrize("t", [0.0, 0.3, -1.0, 2.0, 8.61, 40.0])
def test_tails_are_those_of_scipy(t: float, freedom: int) -> None:
    assert beyond(t, freedom) == pytest.approx(2 * scipy.stats.t.sf(abs(t), freedom), abs=1e-12)


def test_a_chance_of_pairs_is_that_of_scipy() -> None:
    numbers = np.random.default_rng(0)
    for count in (2, 3, 5, 8):
        a, b = numbers.normal(size=(2, count))
        assert chance_of(a, b) == pytest.approx(scipy.stats.ttest_rel(a, b).pvalue, abs=1e-10)


def test_what_never_varies_is_certain_or_alike() -> None:
    assert chance_of([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == 1
    assert chance_of([1.0, 2.0, 3.0], [0.5, 1.5, 2.5]) == 0
    assert chance_of([1.0], [9.0]) == 1, "one pair says nothing"


def test_pairs_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        chance_of([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="not finite"):
        chance_of([1.0, float("nan")], [1.0, 2.0])


def test_holm_by_hand() -> None:
    found = holm([0.01, 0.04, 0.03, 0.005])
    assert found == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_keeps_false_findings_rare() -> None:
    """Where nothing differs, any of 20 rows is found in one table of 20, not in most of them."""
    numbers = np.random.default_rng(1)
    plain = adjusted = 0
    for _ in range(200):
        chances = [chance_of(*numbers.normal(size=(2, 5))) for _ in range(20)]
        plain += min(chances) < 0.05
        adjusted += min(holm(chances)) < 0.05
    assert plain > 100 and adjusted <= 20
