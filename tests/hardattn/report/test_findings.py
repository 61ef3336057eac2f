"""Costs and fronts, failures, policy gain, statistics and calibration in the report."""

import base64
import io
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hardattn import storage
from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.failure_modes import states
from hardattn.evaluation.metrics import looked_and_answered
from hardattn.experiments.run import failures as kept_failures
from hardattn.report.columns import columns
from hardattn.report.findings import findings
from hardattn.report.page.charts import styles
from hardattn.report.page.page import page
from hardattn.report.page.sections import calibration, cost, failures, looked, symptoms
from hardattn.report.page.sections.cost import charts
from hardattn.report.page.sections.gallery import attended
from hardattn.report.page.sections.maps import maps
from hardattn.report.page.sections.swaps import swaps
from hardattn.report.page.sections.table import grid
from hardattn.report.policy_gain import gain_of, measured, sentence
from hardattn.report.render.csv import by_agent
from hardattn.report.render.markdown import markdown
from hardattn.report.rows import Row, Table, tables
from hardattn.report.runs import ReportError, read
from hardattn.stats import Estimate
from hardattn.viz.pictures import heat, peak
from tests.support.browser import tell
from tests.support.runs import change, rewritten, write_run, write_soft


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("runs")
    for seed, (ram, random) in enumerate([(0.10, 0.30), (0.12, 0.36), (0.14, 0.33)]):
        write_run(top, "ram", seed, ram)
        write_run(top, "random", seed, random)
    write_run(top, "whole", 0, 0.05)
    return top


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(made, tmp_path / "runs"))


def only(folder: Path) -> Table:
    (one,) = tables(read([folder]))
    return one


def by_name(table: Table) -> dict[str, Row]:
    return {row.group.name: row for row in table.rows}


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


def test_the_values_of_each_seed_and_what_follows_from_them(runs: Path) -> None:
    table = only(runs)
    rows = by_name(table)
    assert rows["ram"].seeds == pytest.approx({0: 10, 1: 12, 2: 14})
    # Every run of it has less error than every one of the other: never more than that.
    chance = rows["ram"].chance
    assert chance is not None and chance.point == chance.high == 100 and chance.low < 70
    assert rows["random"].chance is None and rows["whole"].chance is None
    text = grid(table, styles([table]))
    assert "<li>0: 10.0</li><li>1: 12.0</li><li>2: 14.0</li>" in text and "1 seed" in text
    assert {"chance"} <= {column.key for column in columns(table)}
    # Of three seeds the interquartile mean is the mean, and stands nowhere.
    assert "middle" not in {column.key for column in columns(table)}
    for error, seed in ((0.90, 3), (0.12, 4)):
        folder = shutil.copytree(runs / "ram" / "seed-0", runs / "ram" / f"seed-{seed}")
        result = json.loads((folder / "result.json").read_text())
        result["figures"]["greedy"]["error"] = error
        change(folder / "result.json", seed=seed, figures=result["figures"])
    table = only(runs)
    ram = by_name(table)["ram"]
    # 10, 12, 12, 14, 90 without the lowest and the highest.
    assert ram.middle.point == pytest.approx((12 + 12 + 14) / 3) and ram.error.point > 27
    assert "middle" in {column.key for column in columns(table)}


def test_a_single_seed_has_no_chance_of_anything(made: Path) -> None:
    table = only(made / "ram" / "seed-0")
    assert by_name(table)["ram"].chance is None
    (both,) = tables(read([made / "ram" / "seed-0", made / "random" / "seed-0"]))
    assert by_name(both)["ram"].chance is None
    assert "chance" not in {column.key for column in columns(both)}


def write_gain(folder: Path, own: float, swapped: dict[str, float], fixed: float = -1.0) -> None:
    again = {"order": "raster", "error": fixed, "folder": "x"} if fixed >= 0 else None
    found = {
        "format": 1,
        "own": {"error": own, "hit": 0.5},
        "swaps": {name: {"error": error} for name, error in swapped.items()},
        "left_out": {},
        "retrained": again,
    }
    (folder / "gain.json").write_text(json.dumps(found))


def test_policy_gain_by_hand(runs: Path) -> None:
    assert by_name(only(runs))["ram"].gain is None
    assert "policy gain" not in page(read([runs]))
    for seed, (own, random) in enumerate([(0.10, 0.30), (0.12, 0.36), (0.14, 0.33)]):
        write_gain(
            runs / "ram" / f"seed-{seed}", own, {"random": random, "oracle": own - 0.05}, own + 0.02
        )
    table = only(runs)
    row = by_name(table)["ram"]
    # Gains 20, 24, 19: mean 21, deviation sqrt(7), t(2) = 4.3027.
    assert row.gain is not None and row.gain.point == pytest.approx(21)
    assert row.gain.low == pytest.approx(21 - 4.3027 * (7 / 3) ** 0.5, abs=1e-3)
    shown = {column.key: column for column in columns(table)}
    assert shown["gain"].text(row, 1) == "+21.0 [+14.4, +27.6]"
    said = sentence(gain_of(row.group), 1)
    assert said.startswith("Where it looks matters: with random looks the same observer errs 21.0")
    assert "best fixed order (raster) errs 2.0 points more than it (+2.0 to +2.0)" in said
    text = swaps([(one.title, one) for one in measured([row.group for row in table.rows])], 1)
    assert "<td>−5.0 [−5.0, −5.0]</td>" in text and text.count("<tr data-title") == 1
    html = page(read([runs]))
    assert "Did looking there matter?" in html and "Where it looks matters" in html
    assert dict(findings(table)[0].facts)["Did that matter?"] == said


def test_a_policy_that_does_nothing_is_said_to(runs: Path) -> None:
    for seed, more in enumerate([-0.01, 0.0, 0.02]):
        write_gain(runs / "ram" / f"seed-{seed}", 0.2, {"random": 0.2 + more})
    said = sentence(gain_of(by_name(only(runs))["ram"].group), 1)
    assert said.startswith("Its looking is no better than random looks: 0.3 points of gain (−")
    for seed in range(3):
        write_gain(runs / "ram" / f"seed-{seed}", 0.2, {"random": 0.1 + seed / 100})
    said = sentence(gain_of(by_name(only(runs))["ram"].group), 1)
    assert said.startswith("Its looking is worse than random looks")
    # Not measured of every seed: nothing is said.
    (runs / "ram" / "seed-1" / "gain.json").unlink()
    assert by_name(only(runs))["ram"].gain is None


def test_the_gain_of_one_seed_is_over_its_images(runs: Path) -> None:
    folder = runs / "ram" / "seed-0"
    write_gain(folder, 0.25, {"random": 0.75})
    group = read([folder])[0]
    said = sentence(gain_of(group), 1)
    assert said == "With random looks the same observer errs 50.0 points more (no interval)."
    own = torch.arange(40) % 4 != 0
    right = {"own": own, "random": ~own, "index": torch.arange(40), "weights": ""}
    storage.write(folder / "gain.pt", right)
    row = by_name(only(folder))["ram"]
    assert row.gain is not None and (row.gain.unit, row.gain.n) == ("image", 40)
    assert row.gain.point == pytest.approx(50) and row.gain.low > 0


def test_a_broken_gain_is_named(runs: Path) -> None:
    for text in ("{", "[]", '{"format": 1}', '{"format": 2, "own": {}, "swaps": {}}'):
        (runs / "ram" / "seed-1" / "gain.json").write_text(text)
        with pytest.raises(ReportError, match=r"gain\.json: "):
            tables(read([runs]))


def test_soft_attention_has_its_gain_over_the_mean_map(tmp_path: Path) -> None:
    for seed in range(2):
        write_gain(write_soft(tmp_path, seed, 0.2, "se"), 0.2, {"mean": 0.3, "foreign": 0.5})
    (row,) = only(tmp_path).rows
    assert row.gain is not None and row.gain.point == pytest.approx(10)
    said = sentence(gain_of(row.group), 1)
    assert "with the mean map the same observer errs 10.0 points more" in said


def test_the_surest_wrong_answers_are_kept_and_shown(runs: Path) -> None:
    run = read([runs / "ram"])[0].runs[0]
    assert run.columns is not None and run.examples is not None
    seen: Columns = run.columns["greedy"]
    index = kept_failures(seen, 5)
    sure = seen.confidence[index, -1]
    assert not seen.correct[index, -1].any() and (sure.diff() <= 0).all() and len(index) == 5
    rest = seen.confidence[~seen.correct[:, -1], -1].sort(descending=True).values
    assert torch.equal(sure, rest[:5])
    # An older run shows those among the few scenes that it kept.
    older = failures.failures(run)
    assert not older.all and (older.scene < 8).all() and len(older.scene)
    assert torch.equal(older.image, run.examples["image"][older.scene])
    assert not seen.correct[older.scene, -1].any()

    stored = storage.read(runs / "ram" / "seed-0" / "examples.pt")
    parts = {"target": seen.target[index], "box": seen.box[index]}
    image = torch.zeros(5, 1, 12, 15, dtype=torch.uint8)
    stored["failures"] = {"index": index, "image": image, **parts}
    storage.write(runs / "ram" / "seed-0" / "examples.pt", stored)
    found = failures.failures(read([runs / "ram"])[0].runs[0])
    assert found.all and torch.equal(found.scene, index)
    text = failures.gallery(only(runs / "ram"))
    names = ["a", "b", "c", "d &amp; e"]
    for scene in index.tolist():
        answer, truth = names[int(seen.prediction[scene, -1])], names[int(seen.target[scene])]
        sure = 100 * float(seen.confidence[scene, -1])
        words = f'says <b class="wrong">{answer}</b>, is <b>{truth}</b>, {sure:.0f} % sure'
        assert f"{words}<small>scene {scene + 1}</small>" in text


def test_a_map_of_a_failure_stands_beside_it(tmp_path: Path) -> None:
    write_soft(tmp_path, 0, 0.5, head="gated_pooling")
    (row,) = only(tmp_path).rows
    found, maps = failures.failures(row.group.runs[0]), attended(row)
    assert maps is not None and len(found.scene)
    text = failures.gallery(only(tmp_path))
    sent = re.findall(r"base64,([^\"]+)", text)[:2]
    scene, drawn = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(one))).convert("RGB")) for one in sent
    )
    # Noise in greys has no colour but that of the frame, which is at its edge.
    inner = scene[12:-12, 12:-12]
    assert np.ptp(inner.astype(int), 2).max() < 16 and scene.shape == drawn.shape
    density = maps.density[int(found.scene[0])]
    rows, columns_ = drawn.shape[0] // density.shape[0], drawn.shape[1] // density.shape[1]
    middle = drawn[rows // 2 :: rows, columns_ // 2 :: columns_][: len(density)]
    middle = middle[:, : density.shape[1]]
    assert np.abs(middle.astype(int) - heat(density)).max() < 12  # of 96 colours
    assert f"map {peak(density).split(' times')[0]} ×</small>" in text


def test_who_is_never_wrong_has_no_failures(runs: Path) -> None:
    for name in ("ram", "random", "whole"):
        path = runs / name / "seed-0" / "columns.pt"
        stored = storage.read(path)
        found = stored["greedy"]
        truth = torch.nn.functional.one_hot(found["target"], 4)[:, None].expand_as(
            found["log_probability"]
        )
        found["log_probability"] = torch.log(truth * 0.96 + 0.01)
        storage.write(path, stored)
    assert failures.gallery(only(runs)) == ""
    assert len(kept_failures(Columns(**found), 12)) == 0
    assert "Where they were wrong" not in page(read([runs]))


def test_looked_and_answered_is_the_mean_over_seeds(made: Path) -> None:
    table = only(made)
    found = {row.group.name: cells for row, cells in looked.looking(table)}
    assert found.keys() == {"ram", "random"}  # who sees everything at once chose no look
    every = [run.columns for run in by_name(table)["ram"].group.runs]
    shares = [looked_and_answered(one["greedy"]) for one in every if one is not None]
    for at in range(4):
        assert found["ram"][at] == pytest.approx(np.mean([one[at] for one in shares if one]))
    assert sum(share or 0 for share in found["ram"][:4]) == pytest.approx(1)


def test_symptoms_are_shown_as_means_over_seeds(tmp_path: Path) -> None:
    for seed in range(2):
        folder = write_run(tmp_path, "ram", seed)
        stored = storage.read(folder / "columns.pt")
        place = stored["greedy"]["location"]
        place[:] = torch.tensor([0.5, 0.5]) if seed else torch.tensor([1.0, -1.0])
        storage.write(folder / "columns.pt", stored)
    (row,) = only(tmp_path).rows
    cells = re.findall(r"<td>(.*?)</td>", symptoms.symptoms(only(tmp_path)))
    found = [states(run.columns["greedy"]) for run in row.group.runs if run.columns]
    assert [one["dead"] for one in found] == [1, 1]  # it stays wherever the first look falls
    assert cells[:2] == ["100.0", "0.0"] and len(cells) == len(found[0])
    assert symptoms.symptoms(only(tmp_path)._replace(sections=())) == ""


def test_calibration_curves_are_of_all_seeds(made: Path) -> None:
    table = only(made)
    sure, risk = (one.figure for one in calibration.charts(table, styles([table])))
    traces = {trace.meta: trace for trace in risk.data}
    assert traces.keys() == {"ram", "random", "whole"}
    every = [run.columns for run in by_name(table)["ram"].group.runs]
    wrong = [(~one["greedy"].correct[:, -1]).double().mean() for one in every if one is not None]
    # All answered: its error, as the columns have it.
    assert (traces["ram"].x[-1], traces["ram"].y[-1]) == pytest.approx((100, 100 * np.mean(wrong)))
    points = next(trace for trace in sure.data if trace.meta == "ram")
    shares = [float(text.split()[0]) for text in points.customdata]
    right = sum(share * y for share, y in zip(shares, points.y, strict=True)) / 100
    assert right == pytest.approx(100 - 100 * np.mean(wrong), abs=1)
    collected = [
        group._replace(
            runs=tuple(run.__class__(run.result, run.source, None) for run in group.runs)
        )
        for group in read([made])
    ]
    assert calibration.charts(tables(collected)[0], styles([table])) == []


def test_maps_stand_beside_maps_that_saw_nothing(tmp_path: Path) -> None:
    for seed in range(2):
        write_soft(tmp_path, seed, 0.3, "cbam_spatial")
    text = maps(only(tmp_path))
    lines = dict(re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td>', text))
    assert lines.keys() == {"cbam_spatial", "centre map", "random map"}
    # The target fills the scene, so that whatever a map points at is the target.
    assert set(lines.values()) == {"100.0"}
    assert maps(only(tmp_path)._replace(sections=())) == ""


SORT = """
var table = document.querySelector("table.sortable");
var bodies = function () { return [].map.call(table.tBodies, function (body) {
  return [body.querySelector(".class").textContent].concat([].map.call(
    body.querySelectorAll("tr.row"), function (r) { return r.dataset.title; })); }); };
var heads = [].filter.call(table.querySelectorAll("thead th"), function (head) {
  return head.querySelector("button"); });
said.columns = heads.length; said.orders = [];
heads.forEach(function (head) { for (var i = 0; i < 2; i++) {
  head.querySelector("button").click(); said.orders.push(bodies()); } });
var seeds = document.querySelector("details.seeds"); said.shut = !seeds.open;
seeds.querySelector("summary").click(); said.opened = seeds.open;
said.anchors = [].every.call(document.querySelectorAll(".jump a"), function (one) {
  return document.querySelector(one.getAttribute("href")); });
var wrong = document.querySelectorAll(".wrongs figure"); said.wrongs = wrong.length;
said.ids = [].map.call(document.querySelectorAll("[id]"), function (one) { return one.id; });
"""


@pytest.mark.parametrize("width", [1400, 420])
def test_no_order_mixes_classes(made: Path, tmp_path: Path, width: int) -> None:
    told = tell(page(read([made])), SORT, tmp_path, width)
    assert told["faults"] == [] and not told["wide"]
    assert told["columns"] > 10 and len(told["orders"]) == 2 * told["columns"]
    for never, whole in told["orders"]:
        assert never[0] == "never sees the image" and sorted(never[1:]) == ["RAM", "random looks"]
        assert whole == ["sees everything", "MLP, whole <image>"]
    assert {tuple(never[1:]) for never, _ in told["orders"]} == {
        ("RAM", "random looks"),
        ("random looks", "RAM"),
    }
    assert told["shut"] and told["opened"] and told["anchors"] and told["wrongs"] > 3
    assert len(told["ids"]) == len(set(told["ids"]))
