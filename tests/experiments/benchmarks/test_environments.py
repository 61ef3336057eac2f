"""The benchmark of environments measures every face, beside a naive one of its kind."""

import pytest

from hardattn.experiments.benchmarks.environments import adapters, faces


def test_it_measures_every_face() -> None:
    rows = faces(count=4, few=2, rounds_of_all=1, least=0.001)
    assert len(rows) == 9
    by_name = {row["what"]: row for row in rows}
    assert len(by_name) == 9
    for row in rows:
        other = by_name[row["beside"]]
        assert row["value"] > 0 and row["limit"] > 0 and other["ratio"] == 1
        assert row["ratio"] == pytest.approx(row["value"] / other["value"], rel=1e-2)
    assert by_name["a single one"]["beside"] == "a single one of ten lines"


def test_it_measures_what_stable_baselines3_is_given() -> None:
    ours, theirs = adapters(envs=2, rounds_of_all=1, least=0.001)
    assert ours["beside"] == theirs["what"] and theirs["ratio"] == 1
