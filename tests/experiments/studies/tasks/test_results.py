"""Each system stands beside the best of its controls, and is judged by what was measured."""

import json
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.studies.tasks.plan import TASKS, Asked
from hardattn.experiments.studies.tasks.results import (
    VERDICTS,
    changed,
    standing,
    standings,
)
from hardattn.experiments.studies.tasks.tables import markdown

SEEDS = (0, 1, 2)
QUERY = next(task for task in TASKS if task.scene == "query")
MASKS = next(task for task in TASKS if task.title == "Masks")
OWN = (0.30, 0.31, 0.32)


def write(
    folder: Path,
    name: str,
    values: tuple[float, ...] = OWN,
    key: str = "error",
    replaced: float | None = None,
    **options: Any,
) -> None:
    """A value a seed; replaced: what is added to it by either control of maps."""
    runs = []
    for seed, value in zip(SEEDS, values, strict=True):
        more = {} if replaced is None else {key: value + replaced}
        run: dict[str, Any] = dict(name=name, title=name, seed=seed)
        run["recipe"] = {"scene": "query", **options}
        run["world"] = {"looks": options.get("looks", 1), "sensor": options.get("sensor", "whole")}
        run["figures"] = {"greedy": {"error": 0.5, key: value}}
        run["controls"] = {"mean": more, "foreign": more} if more else {}
        curve = [[25, 0.9], [50, 0.6], [75, 0.4], [100, 0.38]]
        run["training"] = {"images": 100, "cpu_seconds": 60.0, "curve": curve}
        runs.append(run)
    (folder / f"{name}.json").write_text(json.dumps(runs))


def of(folder: Path, name: str, task: Asked = QUERY) -> Any:
    return next(one for one in standings(task, folder) if one.name == name)


@pytest.mark.parametrize(
    ("shift", "replaced", "verdict"),
    [
        (0.1, 0.05, "attends"),
        (0.1, 0.0, "helps"),
        (0.1, None, "helps"),
        (-0.1, 0.05, "worse"),
        (0.0, 0.05, "cannot be told"),
    ],
)
def test_verdicts(tmp_path: Path, shift: float, replaced: float | None, verdict: str) -> None:
    write(tmp_path, "co-attention-query-digits", replaced=replaced)
    noise = (0.0, 0.002, -0.002)
    twin = tuple(own + shift + each for own, each in zip(OWN, noise, strict=True))
    write(tmp_path, "siamese-query-digits", twin)
    one = of(tmp_path, "co-attention-query-digits")
    assert one.control == "siamese-query-digits" and one.verdict == verdict and verdict in VERDICTS
    assert one.gain.point == pytest.approx(-100 * shift)


def test_more_of_some_measures_is_better(tmp_path: Path) -> None:
    better = tuple(one + 0.1 for one in OWN)
    write(tmp_path, "masks-criss-cross", better, "mean_iou", replaced=-0.05)
    write(tmp_path, "masks", (0.31, 0.31, 0.32), "mean_iou")
    assert of(tmp_path, "masks-criss-cross", MASKS).verdict == "attends"
    assert [one.name for one in standings(MASKS, tmp_path)][:2] == ["masks-criss-cross", "masks"]


def test_who_looks_is_compared_with_the_best_looks_that_nobody_learned(tmp_path: Path) -> None:
    looks = {"looks": 6, "sensor": "retina"}
    write(tmp_path, "ram-query-digits", **looks)
    write(tmp_path, "random-query-digits", (0.5, 0.5, 0.51), **looks)
    write(tmp_path, "raster-query-digits", (0.4, 0.4, 0.41), **looks)
    one = of(tmp_path, "ram-query-digits")
    assert one.control == "raster-query-digits" and one.verdict == "looks"


def test_changes_of_a_recipe_are_compared_with_what_they_changed(tmp_path: Path) -> None:
    write(tmp_path, "masks", OWN, "mean_iou")
    write(tmp_path, "masks,block=general", OWN, "mean_iou")
    assert changed("masks", tmp_path) == ["masks,block=general"]
    assert standing("masks,block=general", MASKS, tmp_path).control == "masks"


def test_what_was_not_run_is_named(tmp_path: Path) -> None:
    text = markdown(tmp_path)
    for task in TASKS:
        assert all(f"`{name}`" in text for name in task.recipes())


def test_few_labels_are_a_table_of_their_own(tmp_path: Path) -> None:
    for share in (0.1, 1.0):
        for probe in (True, False):
            changes = (
                *([] if share == 1.0 else ["labels=0.1"]),
                *([] if probe else ["probe=False"]),
            )
            write(tmp_path, ",".join(["mae-digits", *changes]), labels=share, probe=probe)
    text = markdown(tmp_path)
    assert "| 10 % of labels | 100 % of labels |" in text
    assert text.count("a linear probe |") == 1 and text.count("| everything |") == 1


def test_a_mixture_is_told_by_task(tmp_path: Path) -> None:
    shares = {"blocks.0": {"channel": 0.25, "spatial": 0.75}}
    write(tmp_path, "masks,block=general", OWN, "mean_iou")
    path = tmp_path / "masks,block=general.json"
    runs = [run | {"shares": shares} for run in json.loads(path.read_text())]
    path.write_text(json.dumps(runs))
    assert "| `blocks.0` | 25.0 [25.0, 25.0] | 75.0 [75.0, 75.0] |" in markdown(tmp_path)
