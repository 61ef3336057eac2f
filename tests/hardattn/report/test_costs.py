"""Costs and fronts in the report."""

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardattn.report.columns import columns
from hardattn.report.page.charts import styles
from hardattn.report.page.page import page
from hardattn.report.page.sections import cost
from hardattn.report.page.sections.cost import charts
from hardattn.report.render.csv import by_agent
from hardattn.report.render.markdown import markdown
from hardattn.report.runs import read
from hardattn.statistics.intervals import Estimate
from tests.support.runs import change, rewritten
from tests.support.tables import by_name, only


def set_result(folder: Path, **parts: Any) -> None:
    for file in folder.rglob("result.json"):
        change(file, **parts)


COST = {cost.key: cost for cost in cost.COSTS}


def test_fronts_are_of_a_class_and_their_area_is_by_hand(runs: Path) -> None:
    seconds = {"ram": 100.0, "random": 10.0, "dear": 1000.0, "whole": 5.0}
    rewritten(runs / "ram", runs, "dear", 0.2)
    for name, spent in seconds.items():
        for file in (runs / name).rglob("result.json"):
            training = {**json.loads(file.read_text())["training"], "cpu_seconds": spent}
            change(file, training=training)
    (never,) = cost.fronts(only(runs), COST["seconds"])  # one seed has no quartiles
    # The dear one is undercut, the whole image's is cheaper and better and of another class.
    assert [point.title for point in never.points] == ["random looks", "RAM"]
    assert (never.sees, never.most) == ("never sees the image", 1000)
    # Errors 33 from 10 to 100 seconds, then 12 up to 1,000: as wide on a logarithmic scale.
    assert never.area == pytest.approx((33 + 12) / 2)
    whole = cost.fronts(only(runs), COST["pixels"])[1]
    assert [point.title for point in whole.points] == ["MLP, whole <image>"]
    assert whole.area == by_name(only(runs))["whole"].error.point
    text = cost.summary(only(runs))
    assert "random looks → RAM" in text and "<td>22.5</td>" in text and "10 to 1,000 s" in text


def test_pixels_have_a_point_a_look(made: Path) -> None:
    ram = by_name(only(made))["ram"]
    points = COST["pixels"].points(ram)
    assert [point.cost for point in points] == [32, 64, 96]
    after = [run.result.greedy["error_after"][0] for run in ram.group.runs]
    assert points[0].error == pytest.approx(100 * np.mean(after))


def timed(middle: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    """Times of passes, as `hardattn.evaluation.cost.times` has them."""
    return {"seconds": middle, "quartiles": [low, high], "clock": "processor", "passes": 9, **more}


def costs(ms: tuple[float, float, float], architecture: str) -> dict[str, Any]:
    return {
        "latency": timed(*(one / 1e3 for one in ms), after=[0.001]),
        "throughput": timed(0.5, 0.25, 1.0, batch=100, images_per_second=200.0),
        "memory": {"weights": 5, "one": 3 * 2**20, "batch": 9},
        "architecture": architecture,
    }


def test_costs_of_a_device_are_columns_where_they_are_there(runs: Path) -> None:
    assert by_name(only(runs))["ram"].latency_ms is None
    set_result(runs / "ram", cost=costs((12.3, 12, 13), "one"))
    row = by_name(only(runs))["ram"]
    assert row.latency_ms == Estimate(12.3, 12, 13, 9, "quartiles", "pass")
    assert row.throughput == Estimate(200, 100, 400, 9, "quartiles", "pass")
    heads = {column.key: column for column in columns(only(runs))}
    assert heads["peak_mib"].value(row) == 3
    assert heads["latency_ms"].text(row, 1) == "12.30 [12.00, 13.00]"
    assert heads["throughput"].text(row, 1) == "200 [100, 400]"
    assert heads["latency_ms"].text(by_name(only(runs))["random"], 1) == "–"
    assert "latency" in cost.summary(only(runs)) and "12 ms an image" in page(read([runs]))


def test_an_architecture_has_one_latency_however_often_it_was_measured(runs: Path) -> None:
    for number, file in enumerate(sorted((runs / "ram").rglob("result.json"))):
        change(file, cost=costs((3.0 + number, 2, 9), "one"))
    set_result(runs / "random", cost=costs((27.0, 26, 28), "one"))
    lacking = costs((1, 1, 1), "one")
    del lacking["latency"], lacking["throughput"]
    set_result(runs / "whole", cost=lacking)
    rows = by_name(only(runs))
    assert len({row.latency_ms for row in rows.values()}) == 1 and rows["whole"].latency_ms


def test_times_of_the_wall_alone_are_shown_nowhere(runs: Path) -> None:
    """As results have them of before the processor's clock was told apart."""
    old = {
        "latency": {"seconds": 0.777, "quartiles": [0.5, 0.9], "processor_seconds": 0.6},
        "throughput": {"batch": 9, "images_per_second": 7777.0, "seconds": 0.7},
        "memory": {"one": 2**20},
    }
    set_result(runs, cost=old)
    for file in runs.rglob("result.json"):
        training = json.loads(file.read_text())["training"]
        change(file, training={**training, "seconds": 8888.0, "cpu_seconds": None})
    table = only(runs)
    for row in table.rows:
        assert row.latency_ms is row.throughput is row.seconds is None
    assert {"latency_ms", "throughput", "seconds", "speed"}.isdisjoint(
        c.key for c in columns(table)
    )
    assert not cost.fronts(table, COST["latency"]) and not cost.fronts(table, COST["seconds"])
    said = markdown([table]) + by_agent([table]) + cost.summary(table)
    assert "777" not in said and "ms" not in cost.summary(table)


def test_no_front_lies_between_overlapping_quartiles(runs: Path) -> None:
    """The same network once more, as a busy machine had it: dearer and better is no trade."""
    rewritten(runs / "ram", runs, "twin", 0.11)
    set_result(runs / "ram", cost=costs((3.4, 3.0, 9.0), "one"))
    set_result(runs / "twin", cost=costs((5.4, 5.0, 6.0), "two"))
    set_result(runs / "random", cost=costs((1.0, 0.9, 1.1), "three"))
    front = cost.fronts(only(runs), COST["latency"])[0]
    assert [point.title for point in front.points] == ["random looks", "twin"]
    for one, other in pairwise(front.points):
        assert one.high < other.low
    set_result(runs / "random", cost=costs((1.0, 0.9, 9.0), "three"))
    front = cost.fronts(only(runs), COST["latency"])[0]
    assert [point.title for point in front.points] == ["twin"]
    # One seed has no quartiles of its training: a point, and no front.
    for folder in ("ram", "twin", "random", "whole"):
        for seed in (runs / folder).glob("seed-[12]"):
            shutil.rmtree(seed)
    table = only(runs)
    assert all(row.seconds and row.seconds.low is None for row in table.rows)
    assert not cost.fronts(table, COST["seconds"])
    drawn = {chart.key: chart for chart in charts(table, styles([table]))}
    assert "front" not in drawn["seconds"].reading and "front" in drawn["latency"].reading
