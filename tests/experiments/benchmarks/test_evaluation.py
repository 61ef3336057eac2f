"""The benchmark of evaluation has a row an agent, its figures, and the plain RAM."""

from hardattn.experiments.benchmarks import evaluation


def test_every_agent_is_measured() -> None:
    rows = evaluation.looking(("ram", "draw"), scenes=30, batch=10, count=1, least=0.0)
    assert [row["what"] for row in rows] == [
        "evaluate ram",
        "figures of ram",
        "evaluate draw",
        "plain RAM with its loader",
    ]
    assert all(row["value"] > 0 for row in rows)
    assert ["limit" in row for row in rows] == [True, False, True, False]
    assert rows[-1]["ratio"] == 1
