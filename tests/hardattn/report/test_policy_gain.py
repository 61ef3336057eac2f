"""Policy gain in the report."""

import json
from pathlib import Path

import pytest
import torch

from hardattn import storage
from hardattn.report.columns import columns
from hardattn.report.findings import findings
from hardattn.report.page.page import page
from hardattn.report.page.sections.swaps import swaps
from hardattn.report.policy_gain import gain_of, measured, sentence
from hardattn.report.rows import tables
from hardattn.report.runs import ReportError, read
from tests.support.runs import write_soft
from tests.support.tables import by_name, only


def write_gain(folder: Path, own: float, swapped: dict[str, float], fixed: float = -1.0) -> None:
    again = {"order": "raster", "error": fixed, "folder": "x"} if fixed >= 0 else None
    found = {
        "format": 1,
        "own": {"error": own, "hit": 0.5},
        "swaps": {name: {"error": error} for name, error in swapped.items()},
        "left_out": {},
        "retrained": again,
    }
    (folder / "gain.json").write_text(json.dumps(found))


def test_policy_gain_by_hand(runs: Path) -> None:
    assert by_name(only(runs))["ram"].gain is None
    assert "policy gain" not in page(read([runs]))
    for seed, (own, random) in enumerate([(0.10, 0.30), (0.12, 0.36), (0.14, 0.33)]):
        write_gain(
            runs / "ram" / f"seed-{seed}", own, {"random": random, "oracle": own - 0.05}, own + 0.02
        )
    table = only(runs)
    row = by_name(table)["ram"]
    # Gains 20, 24, 19: mean 21, deviation sqrt(7), t(2) = 4.3027.
    assert row.gain is not None and row.gain.point == pytest.approx(21)
    assert row.gain.low == pytest.approx(21 - 4.3027 * (7 / 3) ** 0.5, abs=1e-3)
    shown = {column.key: column for column in columns(table)}
    assert shown["gain"].text(row, 1) == "+21.0 [+14.4, +27.6]"
    said = sentence(gain_of(row.group), 1)
    assert said.startswith("Where it looks matters: with random looks the same observer errs 21.0")
    assert "best fixed order (raster) errs 2.0 points more than it (+2.0 to +2.0)" in said
    text = swaps([(one.title, one) for one in measured([row.group for row in table.rows])], 1)
    assert "<td>−5.0 [−5.0, −5.0]</td>" in text and text.count("<tr data-title") == 1
    html = page(read([runs]))
    assert "Did looking there matter?" in html and "Where it looks matters" in html
    assert dict(findings(table)[0].facts)["Did that matter?"] == said


def test_a_policy_that_does_nothing_is_said_to(runs: Path) -> None:
    for seed, more in enumerate([-0.01, 0.0, 0.02]):
        write_gain(runs / "ram" / f"seed-{seed}", 0.2, {"random": 0.2 + more})
    said = sentence(gain_of(by_name(only(runs))["ram"].group), 1)
    assert said.startswith("Its looking is no better than random looks: 0.3 points of gain (−")
    for seed in range(3):
        write_gain(runs / "ram" / f"seed-{seed}", 0.2, {"random": 0.1 + seed / 100})
    said = sentence(gain_of(by_name(only(runs))["ram"].group), 1)
    assert said.startswith("Its looking is worse than random looks")
    # Not measured of every seed: nothing is said.
    (runs / "ram" / "seed-1" / "gain.json").unlink()
    assert by_name(only(runs))["ram"].gain is None


def test_the_gain_of_one_seed_is_over_its_images(runs: Path) -> None:
    folder = runs / "ram" / "seed-0"
    write_gain(folder, 0.25, {"random": 0.75})
    group = read([folder])[0]
    said = sentence(gain_of(group), 1)
    assert said == "With random looks the same observer errs 50.0 points more (no interval)."
    own = torch.arange(40) % 4 != 0
    right = {"own": own, "random": ~own, "index": torch.arange(40), "weights": ""}
    storage.write(folder / "gain.pt", right)
    row = by_name(only(folder))["ram"]
    assert row.gain is not None and (row.gain.unit, row.gain.n) == ("image", 40)
    assert row.gain.point == pytest.approx(50) and row.gain.low > 0


def test_a_broken_gain_is_named(runs: Path) -> None:
    for text in ("{", "[]", '{"format": 1}', '{"format": 2, "own": {}, "swaps": {}}'):
        (runs / "ram" / "seed-1" / "gain.json").write_text(text)
        with pytest.raises(ReportError, match=r"gain\.json: "):
            tables(read([runs]))


def test_soft_attention_has_its_gain_over_the_mean_map(tmp_path: Path) -> None:
    for seed in range(2):
        write_gain(write_soft(tmp_path, seed, 0.2, "se"), 0.2, {"mean": 0.3, "foreign": 0.5})
    (row,) = only(tmp_path).rows
    assert row.gain is not None and row.gain.point == pytest.approx(10)
    said = sentence(gain_of(row.group), 1)
    assert "with the mean map the same observer errs 10.0 points more" in said
