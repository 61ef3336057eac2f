"""Claims on attention as a choice, on results made by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.studies.choices import CHOICES
from hardattn.experiments.studies.claims import CLAIMS, rows
from hardattn.experiments.studies.megapixel.results import COSTS, SAVED, nothing, text_of

SPREAD = (-0.001, 0.0, 0.001)


def write(
    folder: Path, name: str, after: list[float], kept: float = 1.0, flops: tuple[float, ...] = (1,)
) -> None:
    """Three seeds of a recipe, which err so much after each look."""
    runs: list[dict[str, Any]] = [
        {
            "seed": seed,
            "recipe": {"batch_size": 64},
            "training": {"images": 64_000},
            "cost": {"flops": flops[-1], "flops_after": list(flops)},
            "figures": {
                "greedy": {
                    "error": after[-1] + noise,
                    "error_after": [error + noise for error in after],
                    "kept": kept + noise,
                }
            },
        }
        for seed, noise in enumerate(SPREAD)
    ]
    (folder / f"{name}.json").write_text(json.dumps(runs))


def said(folder: Path, paper: str) -> list[tuple[str, str]]:
    """What was measured of a paper's claims, and the verdicts."""
    return [
        (one["measured"].split(" ")[0], one["verdict"])
        for one in rows(folder)
        if one["paper"] == paper
    ]


def test_claims_are_of_recipes_and_stand_on_the_page() -> None:
    assert set(CHOICES) <= set(CLAIMS)
    named = {name for one in CHOICES for name in (one.one, one.other) if isinstance(name, str)}
    assert named - {COSTS} <= RECIPES.keys()


def test_what_was_not_run_is_said(tmp_path: Path) -> None:
    found = [one for one in rows(tmp_path) if one["paper"] in {each.paper for each in CHOICES}]
    assert len(found) == len(CHOICES) and {one["verdict"] for one in found} == {"not run"}
    # One side is none.
    write(tmp_path, "saccader-digits", [0.9, 0.1])
    assert said(tmp_path, "Saccader") == [("", "not run")] * 2


def test_patch_drop_is_asked_for_its_share_and_its_error(tmp_path: Path) -> None:
    write(tmp_path, "patch-drop-digits", [0.9, 0.1], kept=0.4)
    write(tmp_path, "all-patch-drop-digits", [0.9, 0.095])
    write(tmp_path, "random-patch-drop-digits", [0.9, 0.3])
    assert said(tmp_path, "PatchDrop") == [("−10.0", "held"), ("+0.5", "held"), ("−20.0", "held")]
    write(tmp_path, "patch-drop-digits", [0.9, 0.2], kept=0.9)
    found = said(tmp_path, "PatchDrop")
    assert found[:2] == [("+40.0", "**did not hold**"), ("+10.5", "**did not hold**")]


def test_a_frozen_base_is_the_first_pass_of_the_same_runs(tmp_path: Path) -> None:
    write(tmp_path, "das-net-digits", [0.12, 0.1])
    write(tmp_path, "das-net-cluttered-60", [0.1, 0.11])
    assert said(tmp_path, "dasNet") == [("−2.0", "held"), ("+1.0", "**did not hold**")]


def test_a_curve_is_put_beside_the_network_that_costs_as_much(tmp_path: Path) -> None:
    """The last answer that costs no more; who cannot afford any errs always."""
    write(tmp_path, "adaptive-nn-digits", [0.5, 0.2, 0.1, 0.05], flops=(2, 4, 6, 8))
    write(tmp_path, "small-cnn-digits", [0.15], flops=(7,))
    write(tmp_path, "cnn-digits", [0.15], flops=(1,))
    assert said(tmp_path, "AdaptiveNN") == [("−5.0", "held"), ("+85.0", "**did not hold**")]


@pytest.mark.parametrize("growth, verdict", [(1.02, "held"), (1.3, "**did not hold**")])
def test_costs_by_canvas_are_those_of_the_study(
    tmp_path: Path, growth: float, verdict: str
) -> None:
    study = nothing()
    for number in range(3):
        small = {"canvas": 250, "seconds": 1 + number / 100, "bytes": 1000}
        large = {"canvas": 8192, "seconds": growth * small["seconds"], "bytes": 1000}
        study["growth"].append({"canvases": [small, large]})
    path = tmp_path / "studies" / SAVED.name
    path.parent.mkdir()
    path.write_text(text_of(study))
    time, memory = said(tmp_path, "Attention sampling")
    assert time[1] == verdict and memory == ("+0.000", "held")
    row = next(one for one in rows(tmp_path) if one["paper"] == "Attention sampling")
    assert row["seeds"] == "3" and row["budget"] == "not trained"
