"""Soft attention in the report: its rows, its controls, and the gallery of its maps."""

import base64
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hardattn import storage
from hardattn.experiments.records import committed as collect
from hardattn.report.columns import columns
from hardattn.report.controls import controls
from hardattn.report.findings import findings
from hardattn.report.page.charts import styles
from hardattn.report.page.page import page
from hardattn.report.page.sections.cost import charts
from hardattn.report.page.sections.gallery import attended, looking
from hardattn.report.page.sections.maps import attending, bar, heat, picture
from hardattn.report.render.markdown import markdown
from hardattn.report.rows import Row, Table, figure, tables
from hardattn.report.runs import ReportError, read
from hardattn.viz.pictures import FULL, TICKS, map_picture, peak, scale, times_mean
from tests.support.browser import tell
from tests.support.runs import change, write_cells, write_run, write_soft

ERRORS = {
    "none": (0.30, 0.36, 0.33),
    "se": (0.20, 0.24, 0.22),
    "cbam_spatial": (0.33, 0.34, 0.38),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("runs")
    for block, errors in ERRORS.items():
        for seed, error in enumerate(errors):
            write_soft(top, seed, error, block)
    for seed in range(3):
        write_soft(top, seed, 0.10 + seed / 100, head="gated_pooling")
    return top


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(made, tmp_path / "runs"))


def only(folder: Path) -> Table:
    (one,) = tables(read([folder]))
    return one


def rows(folder: Path) -> dict[str, Row]:
    return {row.title: row for row in only(folder).rows}


def each(folder: Path, alter: Callable[[dict[str, Any]], Any]) -> None:
    for file in folder.rglob("result.json"):
        result = json.loads(file.read_text())
        alter(result)
        change(file, **result)


def test_rows_are_titled_by_block_or_head_and_ordered_by_error(made: Path) -> None:
    text = markdown([only(made)])
    grid = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [line[0] for line in grid[3:]] == [
        *("| gated_pooling (head)", "| se", "| no block", "| cbam_spatial")
    ]
    # One table, which is all there is of it in the README.
    assert grid[0] == [
        *("| block", "seeds", "error %", "minus no block", "beats it", "P(better) %"),
        *("mean map", "other's map"),
        *("pointing %", "MaxBoxAcc %", "map entropy", "CAM pointing %", "weights", "MFLOP"),
        "images/s |",
    ]
    assert text.count("| block |") == 1 and "Train s" not in text


def test_the_control_is_the_net_without_a_block(made: Path) -> None:
    found = rows(made)
    se = found["se"]
    assert (se.control, se.verdict) == ("soft", "yes")
    # Differences -10, -12, -11: mean -11, deviation 1.
    assert se.difference is not None and se.difference.point == pytest.approx(-11)
    assert se.difference.high == pytest.approx(-11 + 4.3027 / 3**0.5, abs=1e-3)
    assert found["gated_pooling (head)"].control == "soft"
    assert found["cbam_spatial"].verdict == "no"
    assert (found["no block"].control, found["no block"].verdict) == ("", "")
    text = markdown([only(made)])
    assert "| **no** |" in text and "the network without a block." in text
    assert "looks that fall anywhere" not in text


def test_only_what_differs_in_nothing_else_is_a_control(runs: Path) -> None:
    write_soft(runs, 0, 0.2, "se", backbone="vit")
    groups = {group.name: group for group in read([runs])}
    here = [*groups.values()]
    vit = groups["soft,block=se,backbone=vit"]
    assert controls(vit, here) == []
    write_soft(runs, 0, 0.3, backbone="vit")
    here = read([runs])
    assert [one.name for one in controls(vit, here)] == ["soft,backbone=vit"]
    # A setting that came later, and is not used.
    each(runs / "soft", lambda result: result["recipe"].update(curriculum=0.0))
    found = controls(groups["soft,block=se"], read([runs]))
    assert [one.name for one in found] == ["soft"]
    titles = [row.title for row in only(runs).rows]
    assert {"se", "se (backbone=vit)"} <= {*titles}


def test_what_attending_mattered_is_points_of_error(runs: Path) -> None:
    def controls(result: dict[str, Any]) -> None:
        error = result["figures"]["greedy"]["error"]
        mean, foreign = ({"error": error + more} for more in (0.05, 0.0125 * result["seed"]))
        result["controls"] = {"mean": mean, "foreign": foreign}

    each(runs / "soft,block=se", controls)
    se = rows(runs)["se"]
    shown = {column.key: column for column in columns(only(runs))}
    assert shown["mean_map"].value(se) == pytest.approx(5)
    assert shown["foreign_map"].value(se) == pytest.approx(1.25)
    text = markdown([only(runs)])
    assert re.search(r"\| se \|.*\| \+5\.0 \| \+1\.2 \| – \| – \| – \|", text)
    assert re.search(r"\| no block \|.*\|  \|  \| – \| – \| – \|", text)


def test_figures_are_those_of_the_results(made: Path) -> None:
    found = rows(made)
    spatial = found["cbam_spatial"]
    measured = [run.result.greedy for run in spatial.group.runs]
    assert spatial.pointing == pytest.approx(100 * np.mean([one["pointing"] for one in measured]))
    entropy = figure(spatial.group, "greedy", "map_entropy")
    assert entropy == pytest.approx(np.mean([one["map_entropy"] for one in measured]))
    assert spatial.flops == spatial.group.first.flops > 0
    assert found["se"].pointing is None and found["se"].activation_pointing is not None
    assert found["gated_pooling (head)"].activation_pointing is None


def test_results_from_before_there_were_maps(runs: Path, tmp_path: Path) -> None:
    def older(result: dict[str, Any]) -> None:
        del result["controls"], result["flops"]
        for name in ("pointing", "box_accuracy", "map_entropy", "activation_pointing"):
            del result["figures"]["greedy"][name]

    for file in runs.rglob("result.json"):
        result = json.loads(file.read_text())
        older(result)
        file.write_text(json.dumps(result))
    # What columns say is computed from them; of committed results there is no more than is written.
    shown = {column.key for column in columns(only(runs))}
    assert not shown & {"mean_map", "foreign_map", "flops"}
    assert {"pointing", "box_accuracy", "map_entropy", "activation_pointing"} <= shown
    assert "Mean map" not in markdown([only(runs)])
    collect.collect([runs], tmp_path / "results")
    shown = {column.key for column in columns(only(tmp_path / "results"))}
    assert not shown & {"mean_map", "foreign_map", "pointing", "map_entropy", "flops"}


def test_one_line_has_the_commands_of_all_blocks(made: Path) -> None:
    text = markdown([only(made)])
    assert text[text.index("Commands:") :].splitlines() == [
        "Commands: `hardattn train soft --block BLOCK --seed SEED`, seeds 0, 1, 2.",
        "",
        "- gated_pooling (head), seeds 0, 1, 2: "
        "`hardattn train soft --head gated_pooling --seed 0`",
        "- no block, seeds 0, 1, 2: `hardattn train soft --seed 0`",
    ]


@pytest.fixture(scope="module")
def many(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many agents as it takes to be filtered, and to be lucky."""
    top = Path(shutil.copytree(made, tmp_path_factory.mktemp("many") / "runs"))
    for number in range(20):
        name = f"soft,block=made_{number}"
        shutil.copytree(made / "soft,block=cbam_spatial", top / name)

        def alter(result: dict[str, Any], name: str = name) -> None:
            result["name"] = name
            result["recipe"]["block"] = name.partition("=")[2]

        each(top / name, alter)
    return top


def test_many_comparisons_are_said_to_miss_by_chance(made: Path, many: Path) -> None:
    table = only(many)
    assert "Of 23 intervals of 95 % about 1 miss" in markdown([table])
    assert "miss the true" not in markdown([only(made)])
    (finding,) = findings(table)
    assert "best of 24" in finding.caution and "21 of 23 are not ahead" in finding.caution
    assert "Show only" in page(read([many])) and "Show only" not in page(read([made]))


def test_charts_of_agents_that_see_everything_at_once(made: Path) -> None:
    table = only(made)
    drawn = {one.key: one.figure for one in charts(table, styles([table]))}
    assert [*drawn] == ["flops", "seconds", "pointing", "training"]
    points = {trace.meta: (trace.x[0], trace.y[0]) for trace in drawn["pointing"].data}
    found = rows(made)
    assert points.keys() == {"soft,block=cbam_spatial", "soft,head=gated_pooling"}
    assert points["soft,block=cbam_spatial"] == (
        found["cbam_spatial"].pointing,
        found["cbam_spatial"].error.point,
    )
    # A point an agent, and the front of the class, which is nobody's.
    assert [trace.meta is None for trace in drawn["flops"].data] == [False] * 4 + [True]


def lightness(colour: Any) -> Any:
    """L* of CIELAB, of sRGB from 0 to 255."""
    share = np.asarray(colour, float) / 255
    light = np.where(share > 0.04045, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)
    y = light @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(y > 216 / 24389, 116 * np.cbrt(y) - 16, y * 24389 / 27)


def test_the_scale_of_maps_is_perceptual() -> None:
    light = lightness(scale())
    assert (np.diff(light[::5]) > 0).all()
    steps = np.diff(light[::15])
    assert (steps > 0.7 * steps.mean()).all() and (steps < 1.3 * steps.mean()).all()
    assert light[0] < 20 and light[-1] > 85  # of 100


def test_colours_of_a_map_say_how_many_times_its_mean_a_cell_is() -> None:
    density = torch.tensor([[1.0, 0.0, 3.0, 0.0]])  # of mean 1
    dark, full = lightness(scale()[0]), lightness(scale()[-1])
    drawn = np.asarray(picture(density))
    assert drawn.shape == (1, 4, 3)
    share = (lightness(drawn) - dark) / (full - dark)
    # The ticks 0, 1, 3, 7 and 15 lie evenly.
    assert share == pytest.approx(np.array([[1 / 4, 0, 1 / 2, 0]]), abs=0.03)
    assert np.array_equal(np.asarray(picture(1e-30 * density)), drawn)
    most = torch.zeros(8, 8)
    most[2, 3] = 5.0
    assert peak(most) == "max 64.0 times the mean"
    assert np.asarray(picture(most))[2, 3].tolist() == scale()[-1].tolist()
    assert str(FULL) + "+" in bar() and bar().count("<i>") == len(TICKS)


@pytest.mark.parametrize("value", [1e-20, 0.3, 5.0])
def test_a_flat_map_looks_flat_and_not_like_attention_everywhere(value: float) -> None:
    generator = torch.Generator().manual_seed(0)
    flat = value * (1 + 0.01 * torch.rand(6, 5, generator=generator))
    drawn = lightness(np.asarray(picture(flat)))
    assert np.ptp(drawn) < 1 and drawn.max() < 40  # of 100, where the brightest has 91
    assert peak(flat) == "max 1.0 times the mean"


@pytest.mark.parametrize("nothing", [0.0, torch.nan, torch.inf])
def test_a_map_of_nothing_is_drawn_as_nothing(nothing: float) -> None:
    lost = torch.full((2, 2), nothing)  # a net that diverged
    assert (np.asarray(picture(lost)) == scale()[0]).all()
    assert peak(lost) == "empty" and not times_mean(lost).any()


def test_a_map_is_as_large_as_its_scene_and_has_its_box() -> None:
    density = torch.zeros(3, 5)
    density[2, 4] = 1.0
    drawn = map_picture(density, (12, 15), None, 150)
    assert drawn.shape == (120, 150, 3)
    assert (
        drawn[81:, 121:] == scale()[np.round(255 * np.log2(16) / np.log2(16)).astype(int)]
    ).all()
    assert (drawn[:79, :119] == scale()[0]).all()
    boxed = map_picture(density, (12, 15), torch.tensor([[-0.5, -0.5, 0.5, 0.5]]), 150)
    changed = (boxed != drawn).any(2).nonzero()
    assert changed[0].min() == pytest.approx(30, abs=3)
    assert changed[1].max() == pytest.approx(112, abs=3)


def cells(html: str) -> list[str]:
    return re.findall(r'<div class="map">.*?</div>', html)


def test_the_gallery_has_a_row_an_agent(runs: Path) -> None:
    for seed in range(2):
        write_cells(runs, seed, 0.5)
        write_run(runs, "ram", seed)
    (table,) = tables(read([runs]))
    shown = attending(table)
    assert [row.title for row in shown] == [
        *("gated_pooling (head)", "se", "no block", "cbam_spatial", "hard over cells")
    ]
    kinds = [found.activation for found in map(attended, shown) if found is not None]
    assert kinds == [False, True, True, False, False]
    html = heat(shown, table, 3)
    assert len(cells(html)) == 5 * 6 and html.count("<article") == 5
    assert html.count("class activation") == 2
    assert len(re.findall(r'id="scene-3-\d"', html)) == len(re.findall(r'id="box-3-\d"', html)) == 6
    assert html.count('href="#scene-3-0"') == 5 and html.count('href="#box-3-0"') == 2 * 5
    ratios = re.findall(r"<small>(?:max )?([0-9.]+ ×|empty)</small>", html)
    assert len(ratios) == 5 * 6 and ratios[-6:] == ["9.0 ×"] * 6  # one of 3x3 cells
    # Each picture is its own map, cell by cell.
    row, place = html[html.index("hard over cells") :], attended(shown[4])
    sent = re.findall(r"base64,([^\"]+)", row)
    drawn = [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in sent]
    assert place is not None and [one.shape for one in drawn] == [(3, 3, 3)] * 6
    assert [lightness(one).argmax() for one in drawn] == place.density[:6].flatten(1).argmax(
        1
    ).tolist()
    # What was looked at, step by step, is shown of who looks; of soft attention there are maps.
    assert [row.title for row in looking(table)] == ["RAM", "hard over cells"]


def test_the_gallery_refuses_other_scenes(runs: Path) -> None:
    path = runs / "soft" / "seed-0" / "examples.pt"
    stored = storage.read(path)
    storage.write(path, {**stored, "image": stored["image"].flip(0)})
    with pytest.raises(ReportError, match="examples differ"):
        page(read([runs]))


FILTER = """
var shown = function (what) {
  return [].filter.call(document.querySelectorAll(what), function (element) {
    return element.getClientRects().length > 0; }).length; };
said.cells = shown(".map svg"); said.rows = shown("tr.row");
said.sharp = [].every.call(document.querySelectorAll(".map svg"), function (one) {
  var box = one.getBoundingClientRect(); return box.width > 30 && box.height > 20; });
var field = document.querySelector(".filter input");
field.value = "made_1, SE"; field.dispatchEvent(new Event("input"));
said.fewer = [shown(".map svg"), shown("tr.row"), shown(".chip")];
said.curves = [].map.call(document.querySelectorAll(".plot"), function (plot) {
  return plot.data.filter(function (trace) { return trace.visible; }).length; });
field.value = ""; field.dispatchEvent(new Event("input"));
said.again = shown(".map svg");
"""


@pytest.mark.parametrize("width", [1400, 420])
def test_a_browser_shows_the_maps_and_filters_them(many: Path, tmp_path: Path, width: int) -> None:
    told = tell(page(read([many])), FILTER, tmp_path, width)
    assert told["faults"] == [] and not told["wide"]
    assert told["cells"] == told["again"] == 24 * 6 and told["rows"] == 24 and told["sharp"]
    # made_1, made_10 to made_19, and se: points against operations and seconds with their fronts,
    # against pointing; means; calibration with its diagonal, and risk.
    assert told["fewer"] == [12 * 6, 12, 12] and told["curves"] == [13, 13, 11, 12, 13, 12]
