"""The table of ingredients, from results that were changed by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.command_line.words import Origin, as_words, overrides
from hardattn.experiments.commands import tables as pages
from hardattn.experiments.commands.tables import RESULTS
from hardattn.experiments.records.claim import plain
from hardattn.experiments.studies.ablation import PLAN, PLANNED, RECIPE, ablated, markdown
from hardattn.report.runs import read


def commit(to: Path, errors: list[float], **overrides: Any) -> None:
    """The recipe's committed result with something changed, and these errors."""
    runs = json.loads((RESULTS / f"{RECIPE}.json").read_text())
    name = ",".join([RECIPE, *(f"{key}={value}" for key, value in overrides.items())])
    for run, error in zip(runs, errors, strict=False):
        run["figures"]["greedy"]["error"] = error
        run["figures"]["sampled"]["error"] = error + 0.02
        run["recipe"] |= overrides
        run |= {"name": name, "origin": {"recipe": RECIPE, "overrides": overrides}}
    to.mkdir(exist_ok=True)
    (to / f"{name}.json").write_text(json.dumps(runs[: len(errors)]))


def test_each_stands_beside_the_base_of_its_budget(tmp_path: Path) -> None:
    commit(tmp_path, [0.10, 0.11, 0.12])
    assert markdown(tmp_path) == ""
    commit(tmp_path, [0.20, 0.22, 0.24], images=PLANNED)
    commit(tmp_path, [0.50, 0.53, 0.53], images=PLANNED, joint=False)
    commit(tmp_path, [0.18], images=PLANNED, led=0.2, led_by="target")
    commit(tmp_path, [0.40], images=PLANNED, lr=0.1)
    lines = markdown(tmp_path).splitlines()
    rows = {line.split(" | ")[0].strip("| "): line for line in lines if line.startswith("| ")}
    assert "| 3 | 22.0 [17.0, 27.0] |  | −2.0 |" in rows["**the base**"]
    # 30, 31, 29: mean 30, deviation 1, t(2) = 4.3027.
    row = rows["the core does not learn from the looks"]
    assert "| `joint False` | 3 | 52.0 [47.7, 56.3] | +30.0 [+27.5, +32.5] |" in row
    privileged = next(line for name, line in rows.items() if "privileged" in name)
    assert "| `led 0.2, led_by target` | 1 | 18.0 | −2.0 |" in privileged
    assert "| `lr 0.1` | 1 | 40.0 | +20.0 |" in rows["–"]
    text = "\n".join(lines)
    assert lines[0] == "## 500,000 images" and "10.0" not in text
    assert "range from 20.0 to 24.0 %" in text
    assert "Not run: " in text and "no convolution over a glimpse" in text.partition("Not run")[2]


def test_they_stand_on_no_other_page(tmp_path: Path) -> None:
    commit(tmp_path, [0.10, 0.11, 0.12])
    before = pages.problem("cluttered")(tmp_path)
    commit(tmp_path, [0.01, 0.02, 0.03], images=PLANNED, joint=False)
    assert pages.problem("cluttered")(tmp_path) == before
    assert [ablated(group) for group in read([tmp_path])] == [False, True]
    # An observer that was retrained for an order is a control, and no ingredient.
    commit(tmp_path, [0.30], script="raster", estimator="reinforce")
    assert [ablated(group) for group in read([tmp_path])] == [False, True, False]
    assert "raster" not in markdown(tmp_path) and "raster" in pages.problem("cluttered")(tmp_path)


@pytest.mark.parametrize("one", PLAN, ids=lambda one: one.says)
def test_what_is_planned_can_be_asked_for(one: Any) -> None:
    """Its options are those of the recipe, and change what they say, no more."""
    words = as_words(Origin(RECIPE, {**one.changes, "images": PLANNED}))
    name, recipe, _ = parse([*words, "--seed", "0"])
    assert name.startswith(RECIPE)
    assert plain(overrides(RECIPE, recipe)) == {**one.changes, "images": PLANNED}
