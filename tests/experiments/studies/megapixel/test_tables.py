"""The page and the figure: what was found, what did not fit, and what was not run."""

from typing import Any

from hardattn.experiments.studies.megapixel.figures import PIXELS, figures
from hardattn.experiments.studies.megapixel.results import nothing
from hardattn.experiments.studies.megapixel.tables import markdown
from hardattn.report.render.print import Curves, printed

MADE = {"commit": "abc", "torch": "2", "processor": "one"}


def found() -> Any:
    """One that was trained and whose weights moved, one that was not, one that does not fit."""
    study: Any = nothing()
    cells = {cell["name"]: cell for cell in study["cells"]}
    for canvas in (1500, 8192):
        for agent in ("attention-sampling", "ram"):
            cells[f"{agent}-{canvas}"]["costs"] = {
                "sees": "sees a coarse view",
                "pixels": 40_000,
                "of": canvas**2,
                "seconds": 0.004,
                "training_seconds": 0.012,
                "mebibytes": 500,
                "made_with": MADE,
            }
        one = {"error": 0.25, "low": 0.2, "high": 0.3, "n": 1000, "trained_on": 1500}
        cells[f"attention-sampling-{canvas}"]["figures"] = [
            one | {"training": {"images": 96_000, "cpu_seconds": 90.0}}
        ]
    own = cells["attention-sampling-1500"]["figures"]
    own.append(own[0] | {"trained_on": 4096, "error": 0.1, "low": 0.08, "high": 0.12})
    cells["cnn-8192"]["costs"] = {"refused": "does not fit in 4,096 MiB"}
    return study


def rows(text: str, canvas: str) -> list[list[str]]:
    """Of the table of a canvas, the cells."""
    table = text.partition(f"## {canvas} x")[2].partition("##")[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return lines[2:]


def of(lines: list[list[str]], title: str) -> list[list[str]]:
    """Rows of an agent, without its title."""
    return [line[1:] for line in lines if line[0] == title]


def test_every_cell_has_a_row_and_says_what_is_known_of_it() -> None:
    text = markdown(found())
    small, large = rows(text, "1,500"), rows(text, "8,192")
    cost = ["sees a coarse view", "40,000", "1.78 %", "4", "12", "500", "100,000"]
    assert of(small, "attention sampling") == [
        ["10.0 [8.0, 12.0]", *cost, "4,096", "96,000", "1.5"],
        ["25.0 [20.0, 30.0]", *cost, "1,500", "96,000", "1.5"],
    ]
    assert [line[8] for line in of(large, "attention sampling")] == ["1,500"]
    assert [line[0] for line in of(large, "RAM")] == ["not run"]
    assert of(large, "CNN, whole image")[0][0] == "does not fit in 4,096 MiB"
    assert of(small, "ViT, whole image") == [["not run", *["–"] * 10]]
    assert "commit abc on one with torch 2" in text and "megapixel.svg" in text


def test_who_was_shown_fewer_scenes_says_so() -> None:
    study = found()
    cells = {cell["name"]: cell for cell in study["cells"]}
    cells["attention-sampling-8192"]["figures"][0]["n"] = 200
    text = markdown(study)
    assert of(rows(text, "8,192"), "attention sampling")[0][0] == "25.0 [20.0, 30.0] of 200 scenes"
    assert text.count("of 200 scenes") == 1


def test_what_does_not_grow_has_a_table_of_medians() -> None:
    study = found()
    study["growth"] = [
        {"canvases": [{"canvas": 250, "seconds": seconds, "bytes": 2e6}]} for seconds in (1, 3, 2)
    ]
    assert "| 250 | 2,000 | 2.0 |" in markdown(study)


def test_a_figure_shows_what_there_is() -> None:
    assert figures(nothing(), "me") == [] and "svg" not in markdown(nothing())
    (figure,) = figures(found(), "me")
    panels = [panel for panel in figure.panels if isinstance(panel, Curves)]
    assert len(panels) == len(figure.panels) == 4 and panels[0].x == PIXELS
    assert [one.label for one in panels[0].series] == ["attention sampling"]
    assert [mean.point for mean in panels[0].series[0].mean] == [10, 25]
    assert [one.x for one in panels[2].series] == [(1500, 8192)] * 2
    drawn = printed(figure)["svg"].decode()
    assert len(drawn) < 300_000 and ">2,000<" in drawn and ">5,000<" in drawn
    untrained = found()
    for cell in untrained["cells"]:
        cell["figures"] = []
    (figure,) = figures(untrained, "me")
    assert len(figure.panels) == 2 and "Nobody was trained" in figure.caption
