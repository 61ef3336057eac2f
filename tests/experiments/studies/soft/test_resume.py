"""What is committed stands for the runs it tells of, on a machine that has none of them."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.recipe import UsageError
from hardattn.experiments.records.committed import RESULTS
from hardattn.experiments.studies.soft import measure, results, resume
from hardattn.experiments.studies.soft.plan import FULL, kept

pytestmark = pytest.mark.skipif(not RESULTS.is_dir(), reason="results are in a checkout only")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plan of all rows, which takes seconds to measure."""
    out = tmp_path_factory.mktemp("laid")
    kept(out / measure.PLAN, FULL)
    return out


def laid(plan: Path, out: Path, found: results.Found) -> Path:
    out.mkdir()
    (out / measure.PLAN).write_bytes((plan / measure.PLAN).read_bytes())
    resume.lay(found, out, FULL)
    return out


def by_name(found: results.Found) -> dict[str, Any]:
    return {row["name"]: row for row in found["rows"]}


def test_what_is_laid_is_collected_as_it_was(plan: Path, tmp_path: Path) -> None:
    found = results.read()
    again = results.collected(laid(plan, tmp_path / "runs", found), FULL)
    assert by_name(again) == by_name(found)
    assert {**again, "rows": []} == {**found, "rows": []}


def test_what_diverged_stays_so_and_what_is_lacking_is_lacking(plan: Path, tmp_path: Path) -> None:
    found = copy.deepcopy(results.read())
    row = by_name(found)["block=se"]
    row["diverged"], row["seeds"] = row["seeds"][:1], row["seeds"][1:2]
    for values in (*row["greedy"].values(), *row["controls"].values(), row["curve"]):
        values[:] = values[1:2]
    other = by_name(found)["block=eca"]
    worse = max(other["search"], key=other["search"].get)
    other["search"][worse] = None
    again = by_name(results.collected(laid(plan, tmp_path / "runs", found), FULL))
    assert again["block=se"] == row and again["block=eca"] == other


def test_runs_of_the_folder_itself_stay(plan: Path, tmp_path: Path) -> None:
    found = results.read()
    out = laid(plan, tmp_path / "runs", found)
    path = next(out.glob("seeds/*=se*/seed-0/result.json"))
    path.write_text("{}")
    resume.lay(found, out, FULL)
    assert path.read_text() == "{}"


def test_what_was_made_and_committed_here_is_counted_once(plan: Path, tmp_path: Path) -> None:
    """A committed run of this very folder took 36 of all seconds; another is not committed yet."""
    found = results.read()
    out = laid(plan, tmp_path / "runs", found)
    path = next(out.glob("seeds/*=se*/seed-0/result.json"))
    content = json.loads(path.read_text())
    content["training"]["spent"] = 36.0
    path.write_text(json.dumps(content))
    later = path.parents[1] / "seed-9"
    later.mkdir()
    (later / "result.json").write_text(json.dumps({"training": {"spent": 72.0}}))
    for _ in range(2):
        resume.lay(found, out, FULL)
        assert measure.spent(out) == pytest.approx(3600 * found["core_hours"] + 72, abs=1)


def test_another_protocol_is_refused(plan: Path, tmp_path: Path) -> None:
    found = copy.deepcopy(results.read())
    found["updates"] += 1
    with pytest.raises(UsageError, match="updates"):
        laid(plan, tmp_path / "runs", found)
