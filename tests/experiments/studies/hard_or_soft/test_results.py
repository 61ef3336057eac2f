"""What is committed of runs, and what it says: by a hand-made comparison of known errors."""

from typing import Any

import numpy as np
import pytest

from hardattn.experiments.studies.hard_or_soft import compare, figures, results, tables

TASK, OTHER = "search-digits", "circle-square"
IMAGES = 400


def run(seed: int, error: float, images: int = 1_000, seconds: float = 10.0) -> dict[str, Any]:
    """One whose first so many test images were answered wrong, of two scenes each."""
    wrong = np.zeros(IMAGES, int)
    wrong[: round(error * IMAGES)] = 2
    return {
        **{"seed": seed, "error": error, "error_after": [0.9, error], "pixels_after": [10, 20]},
        **{"images": images, "cpu_seconds": seconds, "draws": 2, "wrong": results.packed(wrong)},
        **{"curve": [[images // 2, 0.8], [images, error]], "name": "a"},
    }


def cell(agent: str, errors: list[float], script: str = "", task: str = TASK, **more: Any) -> Any:
    runs = [run(seed, error, more.pop("images", 1_000)) for seed, error in enumerate(errors)]
    name = f"{script and f'{script}-'}{agent}-{task}"
    return {
        **{"name": name, "task": task, "agent": agent, "script": script, "title": name},
        **{"missing": "", "weights": 10, "flops": 1e6, "training_flops": 3e6, "pixels": 20},
        **{"runs": runs, "diverged": [], "trials": [{"failed": ""}, {"failed": "diverged"}]},
        **more,
    }


@pytest.fixture
def found() -> Any:
    whole = results.nothing()
    tasks = {name: whole["tasks"][name] for name in (TASK, OTHER)}
    cells = [
        cell("cnn", [0.30, 0.31, 0.32]),
        cell("ram", [0.10, 0.11, 0.12], training_flops=1e6),
        cell("ram", [0.30, 0.31, 0.30], "random"),
        cell("ram", [0.12, 0.13, 0.14], "path"),
        cell("ram", [0.01, 0.01, 0.01], "oracle"),
        cell("vit", [0.30, 0.31, 0.33]),
        cell("cnn", [0.2, 0.2], task=OTHER),
        cell("ram", [], task=OTHER) | {"missing": "nobody came"},
    ]
    return whole | {"tasks": tasks, "cells": cells}


def of(stand: list[compare.Standing], agent: str, script: str = "") -> compare.Standing:
    return next(
        one
        for one in stand
        if (one.cell["task"], one.cell["agent"], one.cell["script"]) == (TASK, agent, script)
    )


def test_answers_are_kept_image_by_image() -> None:
    wrong = np.array([True, False, True, True, False, False])
    counts = results.wrong_by_image(wrong, np.array([7, 3, 7, 3, 5, 5]))
    assert counts.tolist() == [1, 0, 2]  # of images 3, 5 and 7
    assert results.unpacked(results.packed(counts)).tolist() == [1, 0, 2]
    with pytest.raises(ValueError, match="not as many scenes each"):
        results.wrong_by_image(wrong[:3], np.array([1, 1, 2]))
    table = results.answers(cell("ram", [0.1, 0.5]), [1, 0])
    assert table.shape == (2, IMAGES) and table.mean(1).tolist() == [0.5, 0.1]


def test_spending_is_counted_by_image() -> None:
    one = cell("ram", [0.1], images=2_000)
    first = one["runs"][0]
    assert results.spending(one, first, "images") == [(1_000, 0.8), (2_000, 0.1)]
    assert results.spending(one, first, "flops") == [(3e9, 0.8), (6e9, 0.1)]
    assert results.spending(one, first, "seconds") == [(5.0, 0.8), (10.0, 0.1)]


def test_whoever_is_better_over_seeds_and_images_is_told(found: Any) -> None:
    stand = compare.standings(found)
    ram, vit, cnn = (of(stand, name) for name in ("ram", "vit", "cnn"))
    assert ram.error.point == pytest.approx(11.0)
    assert ram.minus_reference is not None
    assert ram.minus_reference.point == pytest.approx(-20.0)
    assert ram.verdict == "less error" and vit.verdict == "cannot be told" and cnn.verdict == ""
    assert ram.improves is not None and ram.improves.point == 1.0
    # The best control is chosen among those that are told nothing.
    assert ram.best_control == "path" and ram.minus_control is not None
    assert ram.minus_control.point == pytest.approx(-2.0)
    assert ram.chance < compare.LEVEL < vit.chance
    quick = compare.standings(found | {"protocol": "quick"})
    assert not any(one.verdict or one.looking for one in quick)
    # Two seeds are too few for a verdict.
    two = [one for one in stand if one.cell["task"] == OTHER]
    assert [one.verdict for one in two] == [""]


def test_equal_budgets_are_what_all_have_spent(found: Any) -> None:
    equal = compare.budgets(found, TASK)
    assert equal == {"images": 1_000, "flops": 1e9, "seconds": 10.0}
    cnn, ram = found["cells"][:2]
    # At 1 GFLOP the CNN, which costs three times as much an image, was not validated yet.
    assert compare.at_equal(cnn, "flops", 1e9, 0.75).point == pytest.approx(75.0)
    assert compare.at_equal(cnn, "flops", 1.5e9, 0.75).point == pytest.approx(80.0)
    assert compare.at_equal(ram, "flops", 1e9, 0.75).point == pytest.approx(11.0)
    assert compare.budgets(found | {"cells": []}, TASK) == {}


def test_over_tasks_only_who_was_run_on_all_of_them_counts(found: Any) -> None:
    shares = compare.profiles(found, [0.2, 0.305, 1.0])
    assert list(shares) == ["cnn"]
    assert shares["cnn"] == pytest.approx([0.5, (1 / 3 + 1) / 2, 1.0])
    assert compare.improvement(found) == {}
    both = found | {"cells": [*found["cells"][:-1], cell("ram", [0.1, 0.2], task=OTHER)]}
    assert compare.improvement(both)["ram"].point == pytest.approx((1.0 + 0.75) / 2)


def test_the_page_tells_all_and_names_what_was_not_run(found: Any) -> None:
    said = tables.markdown(found)
    assert f"## {TASK}" in said and "less error" in said and "1 of 2" in said
    assert f"* `{OTHER}`, not run, since nobody came: `ram`" in said
    assert "1 less error, 0 more error, 1 cannot be told" in said
    assert "![" in tables.pictures(found)
    only = tables.markdown(found, [f"cnn-{TASK}"])
    assert "Not run" not in only and "ram" not in only


def test_the_page_says_whose_controls_are_left_out(found: Any) -> None:
    guessing = cell("dram", [0.86, 0.2, 0.2])
    guessing["runs"][0]["curve"] = [[500, 0.9], [1_000, 0.86]]
    cells = [*found["cells"], guessing, cell("dram", [], "random")]
    said = tables.markdown(found | {"cells": cells})
    assert (
        f"* `{TASK}`, not run, as the agent answers no better than a guess: `dram` (random)" in said
    )


def test_of_nothing_every_cell_is_named_as_not_run() -> None:
    nothing = results.nothing()
    said = tables.markdown(nothing)
    assert tables.pictures(nothing) == "" and figures.figures(nothing, "me") == []
    count = len(nothing["cells"])
    assert count > 100 and f"{count} of {count} cells" in said
    lines = [line for line in said.splitlines() if line.startswith("* ")]
    for one in nothing["cells"]:
        (line,) = (each for each in lines if one["task"] in each and f"`{one['agent']}`" in each)
        listed = line.split(f"`{one['agent']}`")[1].split("`")[0]
        alone = one["script"] == "" and not listed.startswith(" (")
        assert alone or (one["script"] or "chosen") in listed


def test_both_figures_have_a_panel_for_each_task(found: Any) -> None:
    read, trained = figures.figures(found, "me")
    assert [len(read.panels), len(trained.panels)] == [2, 2]
    by_label = {one.label: one for one in trained.panels[0].series}
    assert by_label[f"ram-{TASK}"].x == (0.5, 1.0)
    assert by_label[f"cnn-{TASK}"].x == (1.5, 3.0)
    looks = {one.label: one for one in read.panels[0].series}[f"ram-{TASK}"]
    assert looks.x == (10, 20) and looks.mean[1].point == pytest.approx(11.0)
    assert not any("random" in one.label for one in read.panels[0].series)
