"""The figure of a report: of its own runs, where hard and soft attention stand side by side."""

import copy
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.studies.figures import figures
from hardattn.experiments.studies.hard_or_soft.cells import AGENTS, best_of_soft
from hardattn.experiments.studies.hard_or_soft.figures import of_groups, style_of
from hardattn.report.page.theme import GREYS
from hardattn.report.render.print import Curves, printed
from hardattn.report.runs import Group, read

RESULTS = Path(__file__).parents[4] / "experiments" / "results"


def group(name: str, training_flops: float | None, pixels: list[int]) -> Group:
    """A committed one, as if its costs were measured today."""
    (found,) = read([RESULTS / f"{name}.json"])
    runs: list[Any] = []
    for run in found.runs:
        changed = copy.deepcopy(run)
        changed.result.cost.update({"training_flops": training_flops, "pixels_after": pixels})
        runs.append(changed)
    return found._replace(runs=tuple(runs))


def test_hard_and_whole_stand_against_pixels_and_training() -> None:
    ram = group("ram-digits", 2e6, [108 * look for look in range(1, 7)])
    random = group("random-digits", 1e6, [108 * look for look in range(1, 7)])
    cnn = group("cnn-digits", 9e7, [2304])
    (drawn,) = of_groups([ram, random, cnn], "me")
    read_, trained = drawn.panels
    assert isinstance(read_, Curves) and isinstance(trained, Curves) and trained.log_x
    by_label = {one.label: one for one in read_.series}
    assert by_label[ram.first.title].x == tuple(108 * look for look in range(1, 7))
    error = sum(run.result.greedy["error"] for run in ram.runs) / len(ram.runs)
    assert by_label[ram.first.title].mean[-1].point == pytest.approx(100 * error)
    curve = {one.label: one for one in trained.series}[ram.first.title]
    seen = [images for images, _ in ram.first.training["curve"]]
    assert curve.x == pytest.approx([2e6 * images / 1e9 for images in seen])
    assert drawn in figures([ram, random, cnn], "me")
    assert printed(drawn)["svg"].startswith(b"<?xml")


def test_there_is_none_without_both_or_without_their_cost() -> None:
    looks = [108 * look for look in range(1, 7)]
    ram, cnn = group("ram-digits", 2e6, looks), group("cnn-digits", 9e7, [2304])
    untold = group("cnn-digits", None, [2304])
    for groups in ([ram], [cnn], [ram, untold], []):
        assert of_groups(groups, "me") == []


def test_no_two_agents_are_drawn_alike_and_grey_is_who_sees_everything() -> None:
    whos = AGENTS | best_of_soft()
    styles = {name: style_of(name, list(whos)) for name in whos}
    assert len({*styles.values()}) == len(whos) > 10
    for name, who in whos.items():
        assert (styles[name][0] in GREYS) != who.looks
