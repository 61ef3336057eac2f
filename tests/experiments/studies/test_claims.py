"""Claims on blocks are put to the study of all of them, and all say at what budget."""

import json
from pathlib import Path
from typing import Any

from hardattn.experiments.records.committed import RESULTS
from hardattn.experiments.studies import claims
from hardattn.experiments.studies.claims import CLAIMS, budget, rows, runs, sides
from hardattn.experiments.studies.soft.results import SAVED
from tests.experiments.studies.soft.test_results import CONTROL, row, shifted, study

OF_BLOCKS = [one for one in CLAIMS if one.one.startswith("soft-long")]


def studied(folder: Path, *names: str) -> Path:
    """A folder of results with a study that has these rows."""
    made: list[dict[str, Any]] = []
    for name in names:
        one = row("", shifted(-0.01), "block")
        one["name"] = name
        kept = ("nll", "ece", "aurc", "error_auroc", "activation_box_accuracy")
        one["greedy"] |= dict.fromkeys(kept, CONTROL)
        made.append(one)
    path = folder / SAVED.relative_to(RESULTS)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(study(*made)))
    return folder


def test_every_claim_on_a_block_is_on_a_row_of_the_study() -> None:
    from hardattn.experiments.studies.soft import plan

    known = {each.name for each in plan.rows_of(plan.FULL)}
    for one in OF_BLOCKS:
        for name in (one.one, one.other):
            if isinstance(name, str):
                assert name.partition(",")[2] in known, name


def test_both_sides_are_of_one_protocol(tmp_path: Path) -> None:
    results = studied(tmp_path, "block=multi_head", "block=bayesian_weibull", "head=retain")
    whole = next(one for one in OF_BLOCKS if one.one.endswith("weibull"))
    mine, theirs = sides(whole, results)
    assert budget(mine[0]) == budget(theirs[0]) == "2,000 updates of 32"
    half = next(one for one in OF_BLOCKS if one.other == "soft-long,head=retain")
    assert not sides(half, results)[0] and sides(half, results)[1]


def test_what_draws_nothing_has_its_own_figures_as_averages(tmp_path: Path) -> None:
    results = studied(tmp_path, "head=retain")
    run = runs(results, "soft-long,head=retain")[0]
    assert run["figures"]["averaged"] == run["figures"]["greedy"]


def test_every_verdict_says_at_what_budget() -> None:
    for one in rows(RESULTS):
        assert (one["budget"] != "") == (one["verdict"] != "not run")
    heads = claims.markdown(RESULTS).splitlines()[0]
    assert heads.index("budget") < heads.index("verdict")
