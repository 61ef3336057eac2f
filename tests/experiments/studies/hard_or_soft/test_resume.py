"""What is committed stands for the runs it tells of, on a machine that has none of them."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardattn.experiments.recipe import UsageError
from hardattn.experiments.studies.hard_or_soft import measure, plan, results, resume
from hardattn.experiments.studies.hard_or_soft.measure import Given
from tests.support.few_cells import PATH, Pool, few, given, kinds


def entry(seed: int, error: float) -> dict[str, Any]:
    return {
        **{"name": "a", "seed": seed, "error": error, "error_after": [error], "images": 2_048},
        **{"pixels_after": [9], "cpu_seconds": 5.0, "curve": [[512, error]], "draws": 1},
        "wrong": results.packed(np.array([0, 1])),
    }


@pytest.fixture
def found(tmp_path: Path, pool: Pool) -> Any:
    """Two trials of RAM, one of which diverged; one seed of it and of two controls, of which
    another seed diverged.
    """
    how = given(tmp_path / "first")
    plan.kept(how.out / plan.PLAN, how.protocol)
    search = measure.search_of(how, few()[0])
    told = results.collected(how)
    cells = {one["name"]: one for one in told["cells"]}
    values = [one.values for one in search.found()]
    ram = cells["ram-search-digits"]
    ram["trials"] = [
        {"values": values[0], "error": None, "failed": "diverged"},
        {"values": values[1], "error": 0.25, "failed": ""},
    ]
    ram |= {"chosen": values[1], "runs": [entry(0, 0.2) | {"path": PATH}], "diverged": []}
    cells["random-ram-search-digits"] |= {"runs": [entry(0, 0.4)], "diverged": [1]}
    cells["path-ram-search-digits"] |= {"runs": [entry(0, 0.3)]}
    return told | {"core_hours": 1.5, "made_with": ["abc on a processor"]}


def plain(found: Any) -> Any:
    """Without trials that were drawn and not run, which a new folder has as well."""
    for one in found["cells"]:
        if one.get("chosen") is None:
            one.pop("trials", None), one.pop("chosen", None)
    return found


def test_what_is_laid_is_collected_as_it_was(found: Any, tmp_path: Path, pool: Pool) -> None:
    how = given(tmp_path / "second")
    resume.lay(found, how)
    again = results.collected(how)
    assert plain(again) == plain(copy.deepcopy(found))
    assert measure.spent(how.out) == 1.5 * 3600
    resume.lay(found, how)
    assert plain(results.collected(how)) == plain(copy.deepcopy(found))


def test_only_what_is_lacking_is_run(found: Any, tmp_path: Path, pool: Pool) -> None:
    how = given(tmp_path / "second")
    resume.lay(found, how)
    assert measure.run(how, few()) == 0
    assert kinds(pool.asked) == [*["trial soft"] * 2, "soft 0", "ram 1", "soft 1", "path 1"]


def test_hours_that_were_spent_elsewhere_count(found: Any, tmp_path: Path, pool: Pool) -> None:
    how = Given(tmp_path / "second", plan.QUICK, 1, hours=2.5)
    resume.lay(found, how)
    measure.run(how, few())
    assert len(pool.asked) == 2  # of half an hour each


def test_what_was_made_and_committed_here_is_counted_once(
    found: Any, tmp_path: Path, pool: Pool
) -> None:
    """Two trials and three runs of RAM, half an hour each, are committed and lie here."""
    how = given(tmp_path / "second")
    measure.run(how, few())
    here = 1_800 * len(pool.asked)
    cells = {one["name"]: one for one in found["cells"]}
    search = measure.search_of(how, few()[0])
    cells["ram-search-digits"]["trials"] = [
        {"values": one.values, "error": one.error, "failed": ""} for one in search.found()
    ]
    cells["random-ram-search-digits"]["diverged"] = []
    for _ in range(2):
        resume.lay(found | {"core_hours": 10.0}, how)
        assert measure.spent(how.out) == pytest.approx(36_000 + here - 5 * 1_800, abs=1)


def test_another_protocol_or_space_is_refused(found: Any, tmp_path: Path, pool: Pool) -> None:
    with pytest.raises(UsageError, match="other trials"):
        resume.lay(found | {"trials": 3}, given(tmp_path / "b"))
    found["cells"][0]["trials"][0]["values"] = {"lr": 1.0}
    with pytest.raises(UsageError, match="has other settings by now"):
        resume.lay(found, given(tmp_path / "c"))
