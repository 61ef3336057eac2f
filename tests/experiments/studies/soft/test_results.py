"""Verdicts on made-up errors whose truth is known."""

from typing import Any

import pytest

from hardattn.experiments.studies.soft.results import LEAST_SEEDS, Standing, standings

CONTROL = [0.100, 0.110, 0.105, 0.095, 0.102]
NOISE = [0.001, -0.001, 0.0005, 0.0, -0.0005]


def row(
    name: str,
    errors: list[float],
    kind: str = "block",
    weights: int = 100,
    mean: float | None = None,
    foreign: float | None = None,
) -> dict[str, Any]:
    """mean, foreign: how much more error there is with maps replaced."""
    controls = {
        key: [error + more + noise for error, noise in zip(errors, NOISE, strict=False)]
        for key, more in (("mean", mean), ("foreign", foreign))
        if more is not None
    }
    changes = {"block": name} if kind == "block" else {}
    return {
        "name": f"block={name}" if kind == "block" else name,
        "kind": kind,
        "changes": changes,
        "weights": weights,
        "flops": 10,
        "rate": 1e-3,
        "search": {},
        "seeds": list(range(len(errors))),
        "diverged": [],
        "greedy": {"error": errors},
        "averaged": {},
        "controls": controls,
        "curve": [[[10, 0.5], [20, error]] for error in errors],
    }


def shifted(by: float, count: int = 5) -> list[float]:
    return [error + by + 2 * n for error, n in zip(CONTROL, reversed(NOISE), strict=True)][:count]


def study(*rows: dict[str, Any], recipe: str = "soft-long") -> dict[str, Any]:
    control = row("", CONTROL, "control", 90)
    return {
        "recipe": recipe,
        "updates": 2000,
        "batch": 32,
        "scenes": "digits",
        "search": {"seed": 100, "share": 0.5, "rates": [1e-3, 3e-3]},
        "seeds": 5,
        "rows": [control, *rows],
        "made_with": [],
        "core_hours": 1.0,
    }


def verdict(found: dict[str, Any], name: str) -> Standing:
    return next(one for one in standings(found) if one.row["name"] == f"block={name}")


@pytest.mark.parametrize(
    "errors, mean, foreign, wanted",
    [
        (shifted(-0.05), 0.2, 0.3, "attends"),
        (shifted(-0.05), 0.0, 0.3, "helps"),
        (shifted(-0.05), 0.2, 0.0, "helps"),
        (shifted(-0.05), -0.2, 0.3, "helps"),
        (shifted(-0.05), None, None, "helps"),
        (shifted(0.05), 0.2, 0.3, "worse"),
        (shifted(0.0), 0.2, 0.3, "cannot be told"),
        (CONTROL, 0.2, 0.3, "cannot be told"),
    ],
)
def test_a_row_attends_only_if_it_beats_its_control_and_loses_without_its_map(
    errors: list[float], mean: float | None, foreign: float | None, wanted: str
) -> None:
    found = study(row("one", errors, mean=mean, foreign=foreign))
    assert verdict(found, "one").verdict == wanted


def test_no_verdict_contradicts_its_own_map_control() -> None:
    rows = [
        row(f"row{number}", shifted(gain), mean=mean, foreign=foreign)
        for number, (gain, mean, foreign) in enumerate(
            (gain, mean, foreign)
            for gain in (-0.05, 0.0, 0.05)
            for mean in (-0.1, 0.0, 0.1)
            for foreign in (-0.1, 0.0, 0.1)
        )
    ]
    for one in standings(study(*rows)):
        if one.verdict == "attends":
            for gap in (one.mean, one.foreign):
                assert gap is not None and gap.low is not None and gap.low > 0
            assert one.minus_control is not None and one.minus_control.point < 0


def test_the_more_are_asked_the_surer_each_must_be() -> None:
    """The same row, alone, and among 60 that are like the control."""
    errors = [error - 0.004 + 2 * n for error, n in zip(CONTROL, NOISE, strict=True)]
    one = row("one", errors, mean=0.2, foreign=0.2)
    others = [row(f"other{number}", shifted(0.0), mean=0.0, foreign=0.0) for number in range(60)]
    alone, among = (verdict(study(*rows), "one") for rows in ([one], [one, *others]))
    assert alone.verdict == "attends" and among.verdict == "cannot be told"
    assert among.chance == pytest.approx(min(1, 61 * alone.chance))


def test_the_second_control_is_the_narrowest_that_has_the_weights() -> None:
    wide = [row(f"middle={n}", CONTROL, "wider", n) for n in (95, 105, 200)]
    one, less = row("one", shifted(-0.05), weights=101), row("less", shifted(-0.05), weights=90)
    found = study(one, less, *wide)
    assert verdict(found, "one").wider == "middle=105"
    gap = verdict(found, "one").minus_wider
    assert gap is not None and gap.point == pytest.approx(-5, abs=0.1)
    assert verdict(found, "less").wider == ""


def test_differences_are_of_the_same_seeds() -> None:
    one = row("one", shifted(-0.05))
    one["seeds"] = [4, 3, 2, 1, 0]
    one["greedy"]["error"] = one["greedy"]["error"][::-1]
    again = verdict(study(one), "one").minus_control
    assert again == verdict(study(row("one", shifted(-0.05))), "one").minus_control


def test_few_seeds_and_a_smoke_test_have_no_verdict() -> None:
    few = row("one", shifted(-0.05, LEAST_SEEDS - 1), mean=0.2, foreign=0.2)
    assert verdict(study(few), "one").verdict == ""
    whole = row("one", shifted(-0.05), mean=0.2, foreign=0.2)
    assert all(not one.verdict for one in standings(study(whole, recipe="soft")))
