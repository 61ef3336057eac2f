"""The benchmark of canvases has a row for each canvas of each agent."""

from hardattn.experiments.benchmarks import canvas


def test_every_canvas_is_measured() -> None:
    rows = canvas.by_canvas((28, 300), (28, 40), batch=8, count=1, least=0.0)
    assert [(row["agent"], row["canvas"], row["batch"]) for row in rows] == [
        ("ram", 28, 8),
        ("ram", 300, 8),
        ("cnn", 28, 2),
        ("cnn", 40, 2),
    ]
    assert [row["beside"] for row in rows] == ["on 28"] * 4
    assert rows[0]["ratio"] == rows[2]["ratio"] == 1
    assert all(row["value"] > 0 and row["limit"] > 0 for row in rows)
