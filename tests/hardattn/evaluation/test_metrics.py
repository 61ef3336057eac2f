"""Figures of answers made by hand, among them the traps of known code."""

import json
import math
import sys
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from hardattn.evaluation import localisation
from hardattn.evaluation.evaluate import NOWHERE
from hardattn.evaluation.metrics import METRICS, compute, looked_and_answered, references
from tests.support.handmade import MAPS, columns, looking, mapped

CHOSEN = [(0, 0), (1, 0), (0, 0.5), (1, 0.5)]

BY_HAND = {
    "error": 0.5,
    "error_after": [0.75, 0.5],  # after the first look only the second example is right
    "nll": -(math.log(0.7) + math.log(0.3) + 2 * math.log(0.4)) / 4,
    "brier": (0.12 + 0.70 + 0.54 + 0.54) / 4,
    "ece": (abs(1 - 0.7) + abs(1 - 3 * 0.4)) / 4,  # one right of 0.7; one right of three of 0.4
    "aurc": (0 + (2 / 3) / 2 + (4 / 3) / 3 + 2 / 4) / 4,  # of the three of 0.4, two are wrong
    "error_auroc": (1 + 1 + 1 / 2 + 1 / 2) / 4,  # right ones of 0.7 and 0.4, wrong ones of 0.4
    "hit": 0.25,  # the first look was not chosen
    "spread": (0.5 + 0.25) / 2,
    "entropy": 2.5,
    "looks": 2.0,
    "looks_needed": 2.0,  # nobody gets as sure as that: all looks
    "error_when_sure": 0.5,
    "looked": 0.25,  # the second example alone, by a look that it chose
    "accuracy_looked": 0.0,
    "accuracy_missed": 2 / 3,
    "diversity": (1 + 1 + 0.5 + 0.5 + 2 * math.sqrt(1.25)) / 6,  # the corners of a rectangle
    "saccade": sum(math.hypot(0.9 - x, 0.9 - y) for x, y in CHOSEN) / 4,
    "coverage": 1 / 64,
    "revisits": 0.0,
    "centre_distance": (0 + 1 + 0.5 + math.sqrt(1.25)) / 4,
    "pointing": 0.75,  # of equal cells the first
    "energy": (1 + 0 + 1 / 2 + 1 / 4) / 4,
    "map_entropy": (0 + 0 + 1 / 2 + 1) / 4,
    "gini": (3 / 4 + 3 / 4 + 1 / 2 + 0) / 4,
    "kept": (1 / 4 + 1 / 4 + 1 / 2 + 1) / 4,
    "box_iou": (1 + 0 + 1 / 2 + 0) / 4,  # the fourth is found at threshold 0 alone
    "box_accuracy": 0.5,  # the third box is twice too wide, an IoU of just 1/2
    "box_accuracy_30": 0.5,
    "box_accuracy_70": 0.25,
    "box_accuracy_v2": (0.5 + 0.5 + 0.25) / 3,
    "mass_iou": (1 + 0 + 1 / 2 + 1 / 4) / 4,  # of equal cells all
    "pxap": (1 / 2) * (2 / 4) + (1 / 2) * (4 / 16),  # half is found in 4 cells, all in all 16
    "effective_cells": (1 / 4 + 1 / 4 + 1 / 2 + 1) / 4,
    "activation_pointing": 1.0,
    "activation_box_accuracy": 1.0,
    "token_accuracy": None,  # of sentences: see test_sentences.py
    "bleu_4": None,
    "cider": None,
    "grounding": None,
    "recall_1": None,  # of many answers: see test_ranks.py
    "recall_5": None,
    "recall_10": None,
}


@pytest.mark.parametrize("name", list(METRICS))
def test_by_hand(name: str) -> None:
    assert name in BY_HAND, f"no value by hand in BY_HAND of test_metrics.py for {name!r}"
    assert METRICS[name](columns()) == pytest.approx(BY_HAND[name])


def test_by_hand_where_agents_stopped() -> None:
    """Two stopped after the first look: what they would have looked at next counts nowhere."""
    found = compute(columns(looks=torch.tensor([2, 1, 2, 1])))
    assert found["looks"] == 1.5 and found["hit"] == 0.0 and found["entropy"] == 2.0
    assert found["spread"] == pytest.approx((0.0 + 0.25) / 2)
    assert found["diversity"] == pytest.approx(0.5) and found["coverage"] == 2 / 4 / 64
    assert found["saccade"] == pytest.approx((math.hypot(0.9, 0.9) + math.hypot(0.9, 0.4)) / 2)
    assert found["centre_distance"] == pytest.approx((0 + 0.5) / 2) and found["looked"] == 0.0
    nobody = compute(columns(looks=torch.ones(4, dtype=torch.long)))
    names = "hit spread entropy diversity saccade coverage revisits centre_distance".split()
    assert all(nobody[name] is None for name in names)


def test_columns_by_hand() -> None:
    made = columns()
    assert made.prediction[:, 1].tolist() == [0, 0, 0, 0]
    assert made.correct[:, 1].tolist() == [True, False, True, False]
    assert made.confidence[:, 1].tolist() == pytest.approx([0.7, 0.4, 0.4, 0.4])
    assert made.nll[:, 0].exp().tolist() == pytest.approx([10, 2, 10, 5])


def test_figures_are_json_even_from_a_diverged_net() -> None:
    found = compute(columns(log_probability=torch.full((4, 2, 4), torch.nan)))
    json.dumps(found, allow_nan=False)
    assert found["nll"] is None and found["n"] == 4 and found["error"] == 1
    lost = torch.full((4, 5, 5), torch.nan)
    found = compute(columns(density=lost, activation=lost))
    json.dumps(found, allow_nan=False)
    assert found["energy"] is None and found["box_accuracy"] == 0.0
    sure = torch.tensor([0.0, -math.inf, -math.inf, -math.inf]).expand(4, 2, 4)
    found = compute(columns(log_probability=sure))
    assert found["nll"] is None and found["error"] == 0.5 and found["brier"] == 1.0
    json.dumps(found, allow_nan=False)


# Where there is no target, or nothing that looks.

NAN = math.nan
LEFT, NOTHING = [-1.0, -1.0, 0.0, 1.0], [NAN] * 4
POINT = [0.5, 0.5, 0.5, 0.5]


def test_images_without_a_target_do_not_count() -> None:
    density = torch.tensor([[[3.0, 1.0]]]).expand(3, -1, -1)  # points at the left half
    found = mapped(density, torch.tensor([[LEFT], [NOTHING], [POINT]]))
    alone = mapped(density[:1], torch.tensor([[LEFT]]))
    names = [*(set(compute(found)) & set(BY_HAND) - {"error", "error_after"})]
    for name in names:
        assert METRICS[name](found) == pytest.approx(METRICS[name](alone), nan_ok=True), name
    assert METRICS["pointing"](found) == 1.0 and METRICS["energy"](found) == 0.75
    for nowhere in (NOTHING, POINT):
        empty = mapped(density, torch.tensor([[nowhere]]).expand(3, -1, -1))
        for name in ("pointing", "energy", "pxap", "box_accuracy_v2", "mass_iou", "looked"):
            assert METRICS[name](empty) is None, name
        json.dumps(compute(empty), allow_nan=False)


def test_columns_without_boxes_still_tell_of_the_rest() -> None:
    found = compute(columns(box=NOWHERE))
    assert found["hit"] == 0.25 and found["map_entropy"] == pytest.approx(BY_HAND["map_entropy"])
    assert found["looked"] is found["pointing"] is found["pxap"] is None


def test_of_a_hard_agent_images_without_a_target_do_not_count_either() -> None:
    place = torch.tensor([[0.0, 0.0], [-0.5, 0.5]]).expand(2, -1, -1)
    found = looking(place, box=torch.tensor([[LEFT], [NOTHING]]))
    assert METRICS["hit"](found) == METRICS["looked"](found) == 1.0


def test_looked_and_answered_by_looks() -> None:
    """Of four: looked and right, looked and wrong (above 1/K), missed and right by a tie, missed
    and wrong. The first look, in the box for all, was nobody's choice.
    """
    hit = torch.tensor([[True, True], [True, True], [True, False], [True, False]])
    found = looked_and_answered(columns(hit=hit))
    assert found == (0.25, 0.25, 0.25, 0.25, 0.5, 0.5)
    stopped = looked_and_answered(columns(hit=hit, looks=torch.tensor([1, 2, 2, 2])))
    assert stopped == (0.0, 0.25, 0.5, 0.25, 0.0, pytest.approx(2 / 3))
    always = looked_and_answered(columns(hit=torch.ones(4, 2, dtype=torch.bool)))
    assert always == (0.5, 0.5, 0.0, 0.0, 0.5, None)


def test_looked_and_answered_by_maps() -> None:
    nowhere = torch.full((4, 2, 2), NAN)
    assert looked_and_answered(columns(location=nowhere)) == (0.5, 0.25, 0.0, 0.25, 2 / 3, 0.0)
    assert looked_and_answered(columns(location=nowhere, density=torch.empty(4, 0, 0))) is None


def test_reference_maps_are_rows_beside_an_agent() -> None:
    middle = torch.tensor([[[-0.5, -0.5, 0.5, 0.5]]]).expand(200, -1, -1)
    found = references(mapped(torch.ones(200, 9, 7), middle))
    assert set(found) == {"centre map", "random map"}
    centre, chance = found.values()
    assert centre["pointing"] == 1.0 and centre["energy"] > 0.4
    assert chance["pointing"] == pytest.approx(0.25, abs=0.1)  # as much as the box's area
    assert chance["energy"] == pytest.approx(0.25, abs=0.01)
    assert chance["pxap"] == pytest.approx(0.25, abs=0.05)
    assert references(mapped(torch.ones(200, 9, 7), middle))["random map"] == chance
    # Of the four cells in the middle of 12 x 12 the first lies in the quarter at top left.
    assert references(looking(torch.zeros(3, 2, 2)))["centre map"]["pointing"] == 1.0
    json.dumps(found, allow_nan=False)


def test_a_map_that_was_written_to_is_measured_again() -> None:
    density = torch.tensor(MAPS)
    made = columns(density=density)
    assert METRICS["box_accuracy"](made) == 0.5
    density[:] = density[:1].clone()
    assert METRICS["box_accuracy"](made) == 1.0


def test_what_several_figures_come_from_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def noting(density: Tensor, box: Tensor) -> localisation.Overlaps:
        seen.append(density)
        return overlaps(density, box)

    overlaps = localisation.overlaps
    monkeypatch.setattr(localisation, "overlaps", noting)
    made = columns(density=torch.tensor(MAPS))._replace(activation=torch.tensor(MAPS[::-1]))
    compute(made)
    assert len(seen) == 2 and seen[0] is made.density and seen[1] is made.activation


def calls(work: Callable[[], object]) -> int:
    """How many functions of Python and of C are called in it."""
    count = 0

    def called(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_figures_hardly_go_from_image_to_image() -> None:
    """Each takes eight calls of functions, two maps with all their thresholds included."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for count in (50, 50, 550):  # the first of all imports, and builds what stays
        maps = torch.rand(count, 14, 14, generator=generator)
        place = 2 * torch.rand(count, 8, 2, generator=generator) - 1
        made = looking(place)._replace(density=maps, activation=maps.flip(0))
        found.append(calls(partial(compute, made)))
    assert found[2] - found[1] < 20 * 500
