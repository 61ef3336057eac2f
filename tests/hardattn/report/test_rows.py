"""Rows of the report: groups of seeds, their values and intervals."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardattn import storage
from hardattn.experiments.cli import main
from hardattn.experiments.records import committed as collect
from hardattn.experiments.studies import comparison as compare
from hardattn.report.columns import RESULTS, columns
from hardattn.report.controls import script
from hardattn.report.details import DETAILS
from hardattn.report.findings import findings
from hardattn.report.page.page import page
from hardattn.report.render.markdown import markdown
from hardattn.report.results import upgraded
from hardattn.report.rows import error_after, tables
from hardattn.report.runs import ReportError, read
from hardattn.report.strongest import difference
from hardattn.statistics.intervals import Estimate
from tests.support.runs import CLASSES, SCENES, change


def test_groups_are_recipes_and_their_seeds_in_order(made: Path) -> None:
    groups = read([made / "whole", made, made / "ram" / "seed-2" / "result.json"])
    assert [(g.scenes, g.name, g.seeds) for g in groups] == [
        (SCENES, "ram", (0, 1, 2)),
        (SCENES, "random", (0, 1, 2)),
        (SCENES, "whole", (0,)),
    ]
    assert [script(group.first) for group in groups] == ["", "random", ""]


def test_table_values_by_hand(made: Path) -> None:
    (one,) = tables(read([made]))
    assert [(sees, [row.title for row in rows]) for sees, rows in one.sections] == [
        ("never sees the image", ["RAM", "random looks"]),
        ("sees everything", ["MLP, whole <image>"]),
    ]
    ram, random, whole = one.rows
    # Errors 10, 12, 14: mean 12, standard error 2 / sqrt(3), t(2) = 4.3027.
    assert ram.error.point == pytest.approx(12)
    assert ram.error.high == pytest.approx(12 + 4.3027 * 2 / 3**0.5, abs=1e-3)
    assert (ram.error.n, ram.error.unit) == (3, "seed")
    # Differences -20, -24, -19: mean -21, deviation sqrt(7).
    assert ram.difference is not None and ram.control == "random" and ram.verdict == "yes"
    assert ram.difference.point == pytest.approx(-21)
    assert ram.difference.low == pytest.approx(-21 - 4.3027 * (7 / 3) ** 0.5, abs=1e-3)
    assert random.difference is None and random.script == "random"
    assert whole.difference is None and whole.control == ""
    assert ram.pixels == 3 * 2 * 16 and whole.pixels == 12 * 15
    assert ram.seconds == Estimate(4, 4, 4, 3, "quartiles")  # of the processor, not of the wall
    told = {column.key: column.found for column in (*RESULTS, *DETAILS)}
    assert told["speed"](ram) == Estimate(500, 500, 500, 3, "quartiles") and whole.hit is None
    assert (ram.estimator, random.estimator, whole.estimator) == ("learned_baseline", "", "")
    # Two looks at a Gaussian of standard deviation 0.17 are chosen: log(2 pi e 0.17^2).
    assert told["entropy"](ram) == pytest.approx(math.log(2 * math.pi * math.e * 0.17**2), abs=1e-5)
    assert told["entropy"](random) == pytest.approx(math.log(4)) and told["entropy"](whole) is None
    measured = [run.result.metrics for run in ram.group.runs]
    averaged = [m["averaged"]["error"] for m in measured]
    assert told["averaged"](ram) == pytest.approx(100 * np.mean(averaged))
    assert told["nll"](ram) == pytest.approx(np.mean([m["greedy"]["nll"] for m in measured]))


def test_one_seed_says_so(made: Path) -> None:
    (one,) = tables(read([made / "ram" / "seed-0", made / "random" / "seed-0"]))
    row = one.rows[0]
    assert row.error.unit == "image" and row.error.n == 40 and row.error.low is not None
    assert row.difference is not None and row.difference.unit == "image"
    text = markdown([one])
    assert "1 seed" in text and "nothing of another training seed" in text
    assert all("One training seed" in finding.caution for finding in findings(one))


def test_one_seed_of_json_has_no_interval(made: Path, tmp_path: Path) -> None:
    collect.collect([made / "ram" / "seed-0", made / "random" / "seed-0"], tmp_path)
    (one,) = tables(read([tmp_path]))
    assert one.rows[0].error == (pytest.approx(10), None, None, 1, "none", "seed")
    assert one.rows[0].difference == (pytest.approx(-20), None, None, 1, "none", "seed")
    assert one.rows[0].verdict == "unsure"
    assert "1 seed, so no interval: RAM; random looks" in markdown([one])
    assert "with no interval" in findings(one)[0].claim
    assert "Where they looked" not in page(read([tmp_path]))


def test_against(made: Path) -> None:
    (one,) = tables(read([made]), "ram")
    assert [row.control for row in one.rows] == ["", "ram", ""]
    assert "minus RAM" in markdown([one])
    # Who sees everything is compared with nobody that does not, on its card neither.
    for name in ("whole", "random"):
        (one,) = tables(read([made]), name)
        for row in one.rows:
            other = next((each for each in one.rows if each.group.name == row.control), row)
            assert other.sees == row.sees
        (whole,) = (one for one in findings(one) if one.sees == "sees everything")
        assert "points" not in whole.claim and whole.headline == ""
    with pytest.raises(ReportError, match="no row named 'radnom'; perhaps random"):
        tables(read([made]), "radnom")


def test_curves_have_a_look_each(made: Path) -> None:
    ram, _, whole = read([made])
    assert len(error_after(ram)) == 3 and len(error_after(whole)) == 1
    curve = [run.result.greedy["error_after"][1] for run in ram.runs]
    assert error_after(ram)[1].point == pytest.approx(100 * np.mean(curve))


def test_a_table_without_a_control_and_one_where_the_control_wins(runs: Path) -> None:
    (one,) = tables(read([runs / "ram", runs / "whole"]))
    assert "difference" not in [column.key for column in columns(one)]
    for seed in range(3):
        file = runs / "ram" / f"seed-{seed}" / "result.json"
        result = json.loads(file.read_text())
        result["figures"]["greedy"]["error"] = 0.5
        file.write_text(json.dumps(result))
    first = findings(tables(read([runs]))[0])[0]
    assert first.claim.startswith("No learned policy is ahead")
    assert first.headline == "RAM does worse than random looks"


def test_recipes_of_one_title_are_told_apart(runs: Path) -> None:
    for run in sorted((runs / "random").iterdir()):
        change(run / "result.json", name="ram,lr=0.1", title="RAM")
    titles = [row.title for row in tables(read([runs]))[0].rows]
    assert "RAM" in titles and "RAM (lr=0.1)" in titles


def test_difference_refuses_other_scenes(runs: Path) -> None:
    path = runs / "random" / "seed-0" / "columns.pt"
    stored = storage.read(path)
    stored["greedy"]["target"] = (stored["greedy"]["target"] + 1) % CLASSES
    storage.write(path, stored)
    ram, random = read([runs / "ram" / "seed-0", runs / "random" / "seed-0"])
    with pytest.raises(ReportError, match="targets differ"):
        difference(ram, random)


def test_compare_writes_what_it_says(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "ram" / "seed-9").mkdir()
    written = compare.compare([runs])
    out = capsys.readouterr().out
    assert written == runs / "report.html" and str(written) in out and "seed-9" in out
    text = written.read_text()
    for words in (
        "RAM: 21.0 points less error than random looks",
        "MLP, whole &lt;image&gt;",
        "d &amp; e",
        "Not finished, and left out:",
        "hardattn train ram --seed 2",
        "abc1234",
        "over 3 training seeds",
        "sees everything",
    ):
        assert words in text, words
    assert "<image>" not in text.split("<script")[0]
    assert not re.search(r'(src|href)="(?!data:|#)', text.split("<script>")[0])
    assert len(text) < 8e6
    assert not list(runs.glob("*.tmp"))
    assert "report.md" in out and "| RAM |" in (runs / "report.md").read_text()
    assert compare.compare([runs / "ram"], runs / "new" / "place").exists()


def test_collect(made: Path, runs: Path, tmp_path: Path, capsys: Any) -> None:
    (written,) = collect.collect([made / "ram"], tmp_path / "results")
    content = json.loads(written.read_text())
    assert written.name == "ram.json" and [one["seed"] for one in content] == [0, 1, 2]
    told = json.loads((made / "ram" / "seed-1" / "result.json").read_text())
    assert content[1] == upgraded(told)
    before = written.read_bytes()
    collect.collect([*sorted((made / "ram").iterdir(), reverse=True)], tmp_path / "results")
    assert written.read_bytes() == before
    spoiled = runs / "ram" / "seed-1" / "result.json"
    for command in ("run --out /srv/runs", "run --root=/srv", str(Path.home()), r"run C:\data"):
        change(spoiled, command=command)
        with pytest.raises(ReportError, match="command holds an absolute path"):
            collect.collect([runs / "ram"], tmp_path / "results")
    change(spoiled, command="run x --out runs/a", title="images/s, T-shirt/top, 1 / 2")
    collect.collect([runs / "ram"], tmp_path / "results")
    (runs / "ram" / "seed-4").mkdir()
    assert main(["results", "collect", str(runs / "ram"), "--out", str(tmp_path)]) == 2
    assert "seed-4: not finished" in capsys.readouterr().err
