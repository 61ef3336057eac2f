"""What a row says, how ways take turns, and where a measurement is kept."""

import json
from pathlib import Path

import pytest
import torch

from hardattn.experiments.benchmarks import side_by_side
from hardattn.experiments.benchmarks.side_by_side import Times, price, repeated, rounds, row


def test_every_way_has_its_turn() -> None:
    turns: list[str] = []
    taken = iter([9.0, 9.0, 3.0, 1.0, 2.0, 5.0, 4.0, 2.0])

    def way(name: str) -> float:
        turns.append(name)
        return next(taken)

    found = rounds({"a": lambda: way("a"), "b": lambda: way("b")}, 3)
    assert turns == ["a", "b"] * 4  # the first of which warm up
    assert found == {"a": Times(2.0, 3.0), "b": Times(1.0, 2.0)}


def test_a_call_is_repeated_for_as_long_as_is_asked() -> None:
    calls: list[int] = []
    assert repeated(lambda: calls.append(1), 10, 0.0)() >= 0 and len(calls) == 1
    repeated(lambda: calls.append(1), 10, 0.01)()
    assert len(calls) > 2


def test_a_way_by_default_has_the_product_of_pytorch_itself() -> None:
    route = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before, seen = route.fp32_precision, []

    def way() -> float:
        seen.append(route.fp32_precision)
        return 1.0

    try:
        route.fp32_precision = "bf16"
        assert side_by_side.by_default(way)() == 1.0
        assert seen == ["none"] and route.fp32_precision == "bf16"
    finally:
        route.fp32_precision = before


def test_a_row_says_what_share_of_the_limit_and_how_many_times() -> None:
    one = row("x", "images/s", Times(0.01, 0.02), Times(0.004, 1.0), ("y", Times(0.03, 1.0)), n=3)
    assert one == {
        "what": "x",
        "unit": "images/s",
        "value": 100.0,
        "median": 50.0,
        "limit": 250.0,
        "share": 0.4,
        "beside": "y",
        "ratio": 3.0,
        "n": 3,
    }
    assert row("x", "images/s", Times(1 / 3, 1.0)) == {
        "what": "x",
        "unit": "images/s",
        "value": 3.0,
        "median": 1.0,
    }


def test_a_price_is_the_better_the_less_it_is() -> None:
    one = price("x", "CPU s", Times(4.0, 5.0), Times(1.0, 1.0), ("before", Times(8.0, 9.0)))
    assert (one["value"], one["median"], one["limit"]) == (4.0, 5.0, 1.0)
    assert (one["share"], one["ratio"], one["beside"]) == (0.25, 2.0, "before")
    assert "limit" not in price("x", "CPU s", Times(4.0, 5.0))


def test_a_machine_has_one_file_and_keeps_its_other_benchmarks(tmp_path: Path) -> None:
    here = side_by_side.machine(0.0, count=1)
    assert here.gflops > 0 and here.gigabytes > 0
    rows = [row("x", "images/s", Times(0.5, 0.5))]
    first = side_by_side.keep("training", rows, here, "default", folder=tmp_path)
    again = side_by_side.keep("canvas", rows, here, "default", folder=tmp_path)
    assert first == again and list(tmp_path.iterdir()) == [first]
    kept = json.loads(first.read_text())
    assert kept["machine"] == side_by_side.named() and [*kept["benchmarks"]] == [
        "training",
        "canvas",
    ]
    of_training = kept["benchmarks"]["training"]
    assert of_training["rows"] == rows and of_training["limits"] == here._asdict()
    assert of_training["made_with"]["torch"] == torch.__version__
    assert first.stem == first.stem.lower() and " " not in first.stem


def test_what_is_shown_is_a_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    side_by_side.show(
        [
            row("one", "images/s", Times(0.01, 0.02), Times(0.004, 1.0), kernels=7),
            price("two", "MB", Times(4.0, 5.0), beside=("before", Times(8.0, 9.0))),
        ]
    )
    one, two = capsys.readouterr().out.splitlines()
    assert "100 images/s" in one and "250: 40 % of it" in one and "7 kernels" in one
    assert "4 MB" in two and "2 x before" in two
