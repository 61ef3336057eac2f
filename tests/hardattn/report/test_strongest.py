"""Which control decides, and when nothing is decided."""

import json
import shutil
from pathlib import Path

import pytest

from hardattn.report.controls import controls
from hardattn.report.policy_gain import Gain
from hardattn.report.render.markdown import markdown
from hardattn.report.rows import Row, tables
from hardattn.report.runs import read
from hardattn.report.strongest import BEST_PATH, TOO_SHORT, control_of, too_short
from hardattn.statistics.intervals import student_t
from tests.support.runs import change, rewritten


def row_of(runs: Path, name: str = "ram", **gains: Gain) -> Row:
    (one,) = tables(read([runs]), gains=gains)
    return next(row for row in one.rows if row.group.name == name)


def falling(folder: Path, *errors: float) -> None:
    """Every seed's validation errors, at equal distances."""
    for file in sorted(folder.rglob("result.json")):
        training = json.loads(file.read_text())["training"]
        curve = [[1000 * (at + 1), error] for at, error in enumerate(errors)]
        change(file, training={**training, "curve": curve})


def test_the_strongest_of_several_controls_decides(runs: Path) -> None:
    """10, 12, 14 % beat random looks, 30 to 36, and not a raster of 11 %."""
    assert row_of(runs).verdict == "yes"
    rewritten(runs / "random", runs, "centre", 0.50, script="centre")
    assert (row_of(runs).control, row_of(runs).verdict) == ("random", "yes")
    rewritten(runs / "random", runs, "raster", 0.11, script="raster")
    assert (row_of(runs).control, row_of(runs).verdict) == ("raster", "no")
    # A script itself is set beside random looks alone.
    assert row_of(runs, "centre").control == "random" and row_of(runs, "random").control == ""


def test_the_strongest_is_told_over_the_seeds_that_all_controls_share(runs: Path) -> None:
    """A raster of one seed, 31 %, is ahead of three of random looks, 33, yet not on that seed."""
    rewritten(runs / "random", runs, "raster", 0.31, script="raster")
    assert row_of(runs).control == "raster"
    for seed in (1, 2):
        shutil.rmtree(runs / "raster" / f"seed-{seed}")
    row = row_of(runs)
    assert (row.control, row.verdict) == ("random", "yes")
    assert row.against is not None and row.against.errors == pytest.approx((30, 36, 33))
    # The best fixed path has the row's own seeds, of which random looks may lack some.
    for seed in (1, 2):
        shutil.rmtree(runs / "random" / f"seed-{seed}")
    assert row_of(runs, ram=gain(0.10, 0.12, 0.14, retrained=0.305)).control == "random"
    # Nobody shares a seed with another: each over its own.
    (runs / "raster" / "seed-0").rename(runs / "raster" / "seed-1")
    change(runs / "raster" / "seed-1" / "result.json", seed=1)
    assert row_of(runs).control == "random"


def test_an_orderly_script_has_to_have_the_same_observer(runs: Path) -> None:
    rewritten(runs / "random", runs, "raster", 0.05, script="raster", hidden=512)
    rewritten(runs / "random", runs, "other", 0.05, script="raster", filters=16)
    assert row_of(runs).control == "random"
    # A stride of 1 is that of who says none.
    rewritten(runs / "random", runs, "same", 0.05, script="raster", filter_stride=1)
    assert row_of(runs).control == "same"


def test_a_path_of_one_seed_is_no_control_of_three(runs: Path) -> None:
    rewritten(runs / "random", runs, "path", 0.01, script="path:0.1,0.2")
    assert row_of(runs).control == "path"
    for seed in (1, 2):
        for file in sorted((runs / "path" / f"seed-{seed}").iterdir()):
            if file.is_file():
                file.unlink()
    groups = read([runs])
    ram = next(group for group in groups if group.name == "ram")
    assert [one.name for one in controls(ram, groups)] == ["random"]


def gain(*own: float, retrained: float) -> Gain:
    found = tuple(
        {
            "own": {"error": error},
            "swaps": {},
            "retrained": {"order": "raster", "error": retrained + 0.01 * at},
        }
        for at, error in enumerate(own)
    )
    return Gain("ram", "RAM", tuple(range(len(own))), found, ())


def test_the_best_fixed_path_is_a_control_of_the_same_trainings_alone(runs: Path) -> None:
    """Differences 10 - 15, 12 - 16, 14 - 17: mean -4, deviation 1."""
    row = row_of(runs, ram=gain(0.10, 0.12, 0.14, retrained=0.15))
    assert row.control == BEST_PATH and row.verdict == "yes"
    assert row.difference is not None and row.difference.point == pytest.approx(-4)
    assert row.difference.high == pytest.approx(-4 + 4.3027 / 3**0.5, abs=1e-3)
    assert row.against is not None and row.against.errors == pytest.approx((15, 16, 17))
    # What was measured of other trainings of that name is not.
    assert row_of(runs, ram=gain(0.30, 0.12, 0.14, retrained=0.15)).control == "random"
    assert row_of(runs, ram=gain(0.10, 0.12, retrained=0.15)).control == "random"
    # Weaker than random looks it is no more the strongest.
    assert row_of(runs, ram=gain(0.10, 0.12, 0.14, retrained=0.90)).control == "random"


def test_who_is_behind_and_still_learns_leaves_no_verdict(runs: Path) -> None:
    assert row_of(runs).verdict == "yes"
    falling(runs / "random", 0.9, 0.8, 0.6, 0.3)
    assert row_of(runs).verdict == TOO_SHORT
    assert [too_short(group) for group in read([runs])] == [False, True, False]
    # Who is ahead may still learn: that does not turn it round.
    falling(runs / "random", 0.9, 0.8, 0.4, 0.39)
    falling(runs / "ram", 0.9, 0.8, 0.6, 0.3)
    assert row_of(runs).verdict == "yes"
    rewritten(runs / "ram", runs, "slow", 0.60)
    assert row_of(runs, "slow").verdict == TOO_SHORT
    falling(runs / "slow", 0.9, 0.8, 0.61, 0.60)
    assert row_of(runs, "slow").verdict == "worse"


@pytest.mark.parametrize(
    ("errors", "wanted"),
    [
        ((0.9, 0.65, 0.5, 0.35), True),
        ((0.9, 0.65, 0.5, 0.45), False),
        ((0.02, 0.02, 0.010, 0.004), False),  # less than a point
        ((0.3,), False),
    ],
)
def test_what_still_falls(runs: Path, errors: tuple[float, ...], wanted: bool) -> None:
    falling(runs / "ram", *errors)
    group = next(group for group in read([runs]) if group.name == "ram")
    assert too_short(group) == wanted
    assert control_of(group, [group]) is None


def test_seeds_that_failed_are_counted_and_printed(runs: Path) -> None:
    folder = runs / "ram" / "seed-3"
    folder.mkdir()
    (folder / "failed.txt").write_text("loss is not finite at 500 images\n")
    (runs / "random" / "seed-0" / "failed.txt").write_text("an earlier attempt\n")
    (one,) = tables(read([runs]))
    text = markdown([one])
    assert "| RAM | learned_baseline | 3 (1 failed) |" in text
    assert "| random looks | – | 3 |" in text
    assert "Failed, and left out: RAM, seed 3: loss is not finite at 500 images." in text
    assert "an earlier attempt" not in text


def test_seeds_that_are_not_the_same_are_not_paired(runs: Path) -> None:
    """10, 12, 14 less 30, 36, 33, of other seeds: -21, standard error sqrt(4 / 3 + 9 / 3)."""
    for seed in range(3):
        (runs / "random" / f"seed-{seed}").rename(runs / "random" / f"seed-{seed + 10}")
        change(runs / "random" / f"seed-{seed + 10}" / "result.json", seed=seed + 10)
    row = row_of(runs)
    assert row.difference is not None and row.difference.method == "welch"
    assert row.difference.point == pytest.approx(-21) and row.verdict == "yes"
    freedom = (4 / 3 + 9 / 3) ** 2 / ((4 / 3) ** 2 / 2 + (9 / 3) ** 2 / 2)
    reach = student_t(0.975, freedom) * (13 / 3) ** 0.5
    assert row.difference.high == pytest.approx(-21 + reach)
