"""Statistics, symptoms, calibration and orders in the report."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from hardattn import storage
from hardattn.evaluation.failure_modes import states
from hardattn.evaluation.metrics import looked_and_answered
from hardattn.report.columns import columns
from hardattn.report.page.charts import styles
from hardattn.report.page.page import page
from hardattn.report.page.sections import calibration, looked, symptoms
from hardattn.report.page.sections.maps import maps
from hardattn.report.page.sections.table import grid
from hardattn.report.rows import tables
from hardattn.report.runs import read
from tests.support.browser import tell
from tests.support.runs import change, write_run, write_soft
from tests.support.tables import by_name, only


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
