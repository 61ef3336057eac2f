"""Figures for print: what they show of hand-made runs, where on the paper, and what they refuse."""

import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from PIL import Image

from hardattn.experiments.cli import main
from hardattn.experiments.studies.figures import COMPARISONS, figures
from hardattn.report.page.page import page
from hardattn.report.render import print as plot
from hardattn.report.render.print import Curves, Dots, Figure, Series
from hardattn.report.results import record
from hardattn.report.runs import Group, Run, read
from hardattn.statistics.intervals import Estimate

SPACE = "{http://www.w3.org/2000/svg}"
NAMES = sorted({name for one in COMPARISONS for name in one.labels})
ERRORS = (0.10, 0.12, 0.14)  # over three seeds mean 12, with half a width of 4.3027 * 2 / sqrt(3)
HALF = 4.302653 * 2 / 3**0.5


def result(name: str, seed: int, error: float, scenes: str = "noise") -> dict[str, Any]:
    greedy = {
        "n": 40,
        "error": error,
        "error_after": [0.9, 0.5, error],
        "looks": 3.0,
        "nll": 3 * error,
        "ece": 0.1,
    }
    return {
        "format": 1,
        "name": name,
        "title": name,
        "seed": seed,
        "command": f"hardattn train {name} --seed {seed}",
        "recipe": {"agent": "Ram", "script": "random" if "random" in name else None},
        "sees": "everything",
        "scenes": scenes,
        "world": {
            "looks": 3,
            "pixels_per_look": 4,
            "sensor": "cells",
            "image": [1, 8, 8],
            "classes": ["a", "b"],
        },
        "parameters": 5,
        "figures": {"greedy": greedy, "sampled": greedy, "averaged": {**greedy, "passes": 10}},
        # The last validation is at another place in each training, so they do not share it.
        "training": {"seconds": 1.0, "curve": [[1000, 0.9], [2000, error], [3000 + seed, 0.01]]},
        "made_with": {"threads": 1},
    }


def group(name: str, errors: Sequence[float] = ERRORS, scenes: str = "noise") -> Group:
    made = [record(result(name, seed, error, scenes)) for seed, error in enumerate(errors)]
    runs = [Run(one, Path(name), None) for one in made]
    return Group(scenes, name, tuple(runs))


def all_of(*names: str) -> list[Group]:
    return [group(name) for name in names or NAMES]


def write(folder: Path, names: Sequence[str]) -> Path:
    folder.mkdir()
    for name in names:
        runs = [result(name, seed, error) for seed, error in enumerate(ERRORS)]
        (folder / f"{name}.json").write_text(json.dumps(runs))
    return folder


def series(*points: float, x: Sequence[float] = (1, 2), label: str = "one") -> Series:
    mean = tuple(Estimate(point, point / 2, point * 2, 3, "student-t") for point in points)
    seeds = (tuple(points), tuple(1.5 * point for point in points))
    return Series(label, "#2f7ed8", "o", tuple(x), mean, seeds)


def drawn_on(panel: Curves | Dots) -> Axes:
    axes = Canvas().subplots()
    plot.draw(panel, axes)
    return axes


def strokes(axes: Axes) -> list[list[tuple[float, float]]]:
    """The corners of every line, marks too."""
    return [
        [(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True)] for line in axes.lines
    ]


def tips(panel: Curves | Dots) -> list[str | None]:
    return [one.text for one in ElementTree.fromstring(plot.inline(panel)).iter(f"{SPACE}title")]


@pytest.mark.parametrize(
    "low, high, ticks",
    [
        (2.5, 88.7, (2, 5, 10, 20, 50, 100)),
        (2, 100, (2, 5, 10, 20, 50, 100)),
        (0.11, 0.19, (0.1, 0.2)),
        (5, 5, (5, 10)),
    ],
)
def test_axes_end_at_round_numbers(low: float, high: float, ticks: tuple[float, ...]) -> None:
    mean = tuple(Estimate(value, None, None, 1, "none") for value in (low, high))
    one = Series("one", "#2f7ed8", "o", (1.0, 2.0), mean, ((low, high),))
    axes = drawn_on(Curves("looks", "error", (one,)))
    assert axes.get_yticks() == pytest.approx(ticks)
    assert axes.get_ylim() == pytest.approx((ticks[0], ticks[-1]))
    dots = [
        Series("one", "#2f7ed8", "o", (0.0,), mean[i : i + 1], (((low, high)[i],),)) for i in (0, 1)
    ]
    assert drawn_on(Dots("error", tuple(dots), 1)).get_xticks() == pytest.approx(ticks)


def test_curves_show_means_intervals_and_seeds() -> None:
    panel = Curves("looks", "error", (series(20.0, 10.0, x=(0, 8)),))
    axes = drawn_on(panel)
    (band,) = axes.collections
    corners = {(x, y) for x, y in band.get_paths()[0].vertices.tolist()}
    assert corners == {(0, 10), (0, 40), (8, 10), (8, 20)}  # 5 is cut off where the axis ends
    found = strokes(axes)
    # Both seeds and the mean, which the first seed gave too, then its marks.
    assert found[:3] == [[(0, 20), (8, 10)], [(0, 30), (8, 15)], [(0, 20), (8, 10)]]
    assert found[3:] == [[(0, 20)], [(8, 10)]]
    assert axes.get_xlim() == (0, 8)
    assert tips(panel) == ["one, 0: 20 [10, 40]", "one, 8: 10 [5, 20]"]


def test_dots_show_the_mean_the_interval_and_the_seeds() -> None:
    panel = Dots("error", (series(20.0, x=(0,)), series(5.0, x=(0,), label="two")), 1)
    axes = drawn_on(panel)
    row = [[(10, 0), (40, 0)], [(20, 0)], [(30, 0)], [(20, 0)]]
    other = [[(5, 1), (10, 1)], [(5, 1)], [(7.5, 1)], [(5, 1)]]  # its interval begins at 2.5
    assert strokes(axes) == row + other
    assert [text.get_text() for text in axes.texts] == ["20.0", "5.0"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["one", "two"]
    assert tips(panel) == ["one: 20 [10, 40]", "two: 5 [2.5, 10]"]


def test_without_intervals_there_is_no_band() -> None:
    alone = Estimate(20.0, None, None, 1, "none")
    one = Series("one", "#2f7ed8", "o", (0.0, 8.0), (alone, alone), ((20.0, 20.0),))
    assert not drawn_on(Curves("looks", "error", (one,))).collections
    once = one._replace(x=(0.0,), mean=(alone,), seeds=((20.0,),))
    assert strokes(drawn_on(Dots("error", (once,), 1))) == [[(20, 0)]]


def test_no_errors_at_all_are_on_the_axis() -> None:
    """A logarithm has no 0."""
    none = Estimate(0.0, 0.0, 0.0, 2, "student-t")
    one = Series("one", "#2f7ed8", "o", (1.0, 2.0), (none, none), ((0.0, 0.0), (0.0, 0.0)))
    axes = drawn_on(Curves("looks", "error", (one, series(20.0, 10.0))))
    assert {y for stroke in strokes(axes)[:3] for _, y in stroke} == {axes.get_ylim()[0]} == {5.0}


def test_print_is_seven_inches_of_the_same_strokes() -> None:
    (drawn,) = (one for one in figures(all_of(), "make it") if one.key == "soft-and-hard")
    files = plot.printed(drawn)
    assert [*files] == ["pdf", "png", "svg"] and files["pdf"].startswith(b"%PDF")
    root = ElementTree.fromstring(files["svg"])
    assert root.attrib["width"] == "504pt"
    text = files["svg"].decode()
    assert drawn.title in text and "var(" not in text and "make it" in text
    picture = Image.open(io.BytesIO(files["png"]))
    assert picture.width == 2100 and picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert picture.info["Title"] == drawn.title and "make it" in picture.info["Description"]
    assert plot.inline(drawn.panels[0]) == plot.inline(drawn.panels[0])


def test_nothing_is_cut_off_or_printed_over() -> None:
    for drawn in figures(all_of(), "hardattn results figures --out FOLDER"):
        with matplotlib.rc_context(plot.LOOK):
            canvas = plot.whole(drawn)
            canvas.draw_without_rendering()
            paper = canvas.bbox
            boxes = [axes.get_tightbbox() for axes in canvas.axes]
            boxes += [canvas.legends[0].get_window_extent(), canvas._supxlabel.get_window_extent()]
        for box in boxes:
            assert paper.x0 <= box.x0 and box.x1 <= paper.x1
            assert paper.y0 <= box.y0 and box.y1 <= paper.y1
        for number, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:number]), drawn.key


def test_values_are_those_of_the_runs() -> None:
    drawn = {one.key: one for one in figures(all_of(), "")}
    assert (
        [*drawn]
        == [one.key for one in COMPARISONS]
        == [
            "soft-and-hard",
            "objectives",
            "s3ta-and-ram",
        ]
    )
    learning, final = drawn["soft-and-hard"].panels
    assert isinstance(learning, Curves) and isinstance(final, Dots)
    soft, hard, control = learning.series
    assert (soft.label, hard.label, control.label) == ("soft", "hard", "random looks")
    assert soft.x == (1.0, 2.0) and soft.seeds[2] == pytest.approx((90, 14))
    assert soft.mean[0].low == soft.mean[0].high == pytest.approx(90)
    assert soft.mean[1][:3] == pytest.approx((12, 12 - HALF, 12 + HALF), abs=1e-3)
    assert final.series[1].mean[0][:3] == pytest.approx((12, 12 - HALF, 12 + HALF), abs=1e-3)
    errors, nll = drawn["objectives"].panels
    assert isinstance(nll, Dots) and nll.decimals == 3
    assert nll.series[0].mean[0].point == pytest.approx(0.36)
    assert [one.seeds for one in nll.series][3] == tuple((pytest.approx(3 * e),) for e in ERRORS)
    assert len({(one.colour, one.marker) for one in errors.series}) == len(errors.series) == 7
    looks, _ = drawn["s3ta-and-ram"].panels
    assert isinstance(looks, Curves) and looks.start == 1
    assert looks.series[0].x == (1, 2, 3) and looks.series[1].seeds[1] == pytest.approx(
        (90, 50, 12)
    )


def test_no_interval_leaves_what_can_be() -> None:
    wild = [
        group("sat-soft-digits"),
        group("sat-hard-digits", (0.02, 0.03, 0.98)),
    ]
    (drawn,) = figures(wild, "")
    hard = drawn.panels[1].series[1].mean[0]
    assert hard.point == pytest.approx(100 * (0.02 + 0.03 + 0.98) / 3)
    assert (hard.low, hard.high) == (0, 100)
    one = [group("sat-soft-digits", (0.1,)), group("sat-hard-digits", (0.2,))]
    (drawn,) = figures(one, "")
    assert "no intervals" in drawn.caption and "(seed 0)" in drawn.caption


@pytest.mark.parametrize("one", COMPARISONS, ids=lambda one: one.key)
def test_a_figure_needs_its_runs_and_no_others(one: Any) -> None:
    assert [each.key for each in figures(all_of(*one.needs), "")] == [one.key]
    for name in one.needs:
        assert figures(all_of(*(one.needs - {name})), "") == []
    elsewhere = [group(name, scenes="other" if i else "noise") for i, name in enumerate(one.needs)]
    assert figures(elsewhere, "") == []
    (whole,) = figures(all_of(*one.labels), "do this")
    assert all(name in whole.caption for name in one.labels) and "noise" in whole.caption
    assert "(seeds 0, 1, 2)" in whole.caption and "Student's t" in whole.caption


def test_every_recipe_named_is_one() -> None:
    from hardattn.experiments.recipes import RECIPES

    assert set(NAMES) - set(RECIPES) == set()


def test_the_page_holds_them(tmp_path: Path) -> None:
    groups = read([write(tmp_path / "results", NAMES)])
    html = page(groups, command="make it", printable=figures(groups, "make it"))
    assert html.count('<figure class="print"') == 3
    panels = re.findall(r"<svg xmlns.*?</svg>", html.split("<script")[0], re.DOTALL)
    assert len(panels) == 6
    for found in panels:
        ElementTree.fromstring(found)
        assert "var(--soft)" in found and "var(--grid)" in found
        # No paper, ink, letters or rules of its own, which would apply to the whole page.
        assert not re.search(
            '#ffffff|#16191d|#4d5660|#dfe3e8|font-family|<style| id="[a-z]*_', found
        )
    assert "five objectives" in html and "Made by <code>make it</code>" in html
    assert '<figure class="print"' not in page(groups)
    other = Figure("x", "other scenes", "t", (), "c", "")
    assert '<figure class="print"' not in page(groups, printable=[other])


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot, "printed", lambda one: {"pdf": one.title.encode(), "png": b""})
    results, out = write(tmp_path / "results", NAMES), tmp_path / "new" / "figures"
    options = ["--results", str(results), "--out", str(out)]
    assert main(["results", "figures", *options]) == 0
    wanted = sorted(f"{one.key}.{end}" for one in COMPARISONS for end in ("pdf", "png"))
    assert sorted(path.name for path in out.iterdir()) == wanted
    for name in ("ram-digits", "sat-soft-digits"):
        (results / f"{name}.json").unlink()
    (out / "objectives.pdf").unlink()
    capsys.readouterr()
    assert main(["results", "figures", *options]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "soft-and-hard: left out, for there are no sat-soft-digits",
        "s3ta-and-ram: left out, for there are no ram-digits",
    ]
    assert (out / "objectives.pdf").read_text() == "One alignment, five objectives"
    (results / "broken.json").write_text("[]")
    assert main(["results", "figures", *options]) == 2 and "broken.json" in capsys.readouterr().err
    assert (
        main(["results", "figures", "--results", str(tmp_path / "absent"), "--out", str(out)]) == 2
    )


def test_a_likelihood_that_is_not_finite_has_no_mark() -> None:
    groups = all_of(*COMPARISONS[1].needs)
    groups[0].runs[1].result.greedy["nll"] = None
    (drawn,) = figures(groups, "")
    likelihood = drawn.panels[1]
    assert [len(one.mean) for one in likelihood.series].count(0) == 1
    assert len(tips(likelihood)) == len(groups) - 1
    assert "none" in [text.get_text() for text in drawn_on(likelihood).texts]


def test_training_without_validation_leaves_axes() -> None:
    groups = all_of("s3ta-digits", "ram-digits")
    for run in groups[0].runs:
        del run.result.training["curve"]
    (drawn,) = figures(groups, "")
    assert [len(one.x) for one in drawn.panels[1].series] == [0, 2]
    assert drawn.panels[1].series[1].x == (1.0, 2.0)
    assert len(tips(drawn.panels[1])) == 2
    assert drawn_on(drawn.panels[1]).get_xlim() == (0, 2)
