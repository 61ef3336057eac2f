"""The measurement of gradient estimators, in small: every row is measured, and only those."""

import math
from functools import cache
from typing import Any

import pytest

from hardattn.estimators import ESTIMATORS
from hardattn.experiments.studies import estimators
from hardattn.experiments.studies.estimators import measure, names


@cache
def measured(kind: str) -> list[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimators, "FITS", 4)
        return measure(kind, train=2, calls=3, batch=8, seed=0, say=lambda line: None)


@pytest.mark.parametrize("kind", ["cells", "mask", "point"])
def test_every_estimator_that_goes_with_a_place_is_measured(kind: str) -> None:
    rows = measured(kind)
    assert [row["estimator"] for row in rows] == names(kind)
    for row in rows:
        assert row["milliseconds"] > 0 and row["work"] >= row["milliseconds"]
        assert math.isfinite(row["noise"]) and math.isfinite(row["bias"]), row["estimator"]


def test_an_exact_gradient_has_neither_bias_nor_noise() -> None:
    found = {row["estimator"]: row for row in measured("cells")}
    rows = ESTIMATORS.items()
    exact = [name for name, row in rows if row.episodes is None and not row.biased]
    assert exact
    for name in exact:
        assert found[name]["noise"] < 1e-3 and found[name]["bias"] < 1e-3
    assert found["reinforce"]["noise"] > 0.1
