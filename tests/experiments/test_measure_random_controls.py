"""Random looks are the mean of several draws, and each training seed has draws of its own."""

from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn.agents import RAM, Scripted
from hardattn.data import load
from hardattn.evaluation import cost
from hardattn.evaluation.evaluate import Columns, evaluate
from hardattn.evaluation.metrics import error
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.measure import measure
from hardattn.experiments.recipe import RunOptions
from hardattn.experiments.revive import RunLoader
from hardattn.experiments.run import DRAWS_OF_CONTROLS
from hardattn.experiments.trainers import trainer as trainers
from hardattn.report.rows import tables
from hardattn.report.runs import read
from hardattn.rollout import greedy
from hardattn.scenes import Scenes, fixed_scenes, translated
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.world import World

WORLD = World(Retina(4), Classify(10), 3)


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return fixed_scenes(partial(translated, canvas=16), load("digits").test, 0).slice(0, 50)


def random_looks() -> Any:
    torch.manual_seed(0)
    return Scripted(RAM((1, 4, 4), 10, hidden=8), "random", WORLD.looks)


def parts(columns: Columns) -> list[Columns]:
    """Each draw of many."""
    count = len(columns.target) // 50
    return [Columns(*(field[n * 50 : n * 50 + 50] for field in columns)) for n in range(count)]


def test_each_seed_has_draws_of_its_own(scenes: Scenes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardattn.experiments.measure.PASSES", 3)
    agent = random_looks()
    one, again, other = (measure(agent, WORLD, scenes, seed=seed, draws=4) for seed in (0, 0, 1))
    assert torch.equal(one["drawn"].location, again["drawn"].location)
    every = [*parts(one["drawn"]), *parts(other["drawn"])]
    assert len(every) == 8
    for a, b in combinations(every, 2):
        # First looks are the world's, and those of all agents.
        assert torch.equal(a.location[:, 0], b.location[:, 0])
        assert not (a.location[:, 1:] == b.location[:, 1:]).any()
    for found in (one, other):
        assert torch.equal(found["greedy"].location, parts(found["drawn"])[0].location)
    # Sampled passes as well.
    assert not (one["sampled"].location[:, 1:] == other["sampled"].location[:, 1:]).any()
    # The first draw of seed 0 is what `evaluate` gives.
    assert torch.equal(one["greedy"].location, evaluate(agent, WORLD, scenes, greedy).location)


def test_who_looks_where_it_likes_is_looked_at_once(scenes: Scenes) -> None:
    torch.manual_seed(0)
    agent = RAM((1, 4, 4), 10, hidden=8)
    one, other = (measure(agent, WORLD, scenes, seed=seed) for seed in (0, 1))
    assert "drawn" not in one and torch.equal(one["greedy"].location, other["greedy"].location)


def test_a_control_s_figures_are_the_mean_of_its_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "SECONDS", 0.0)
    monkeypatch.setattr("hardattn.experiments.measure.PASSES", 2)
    small = ["--images", "12800", "--batch-size", "64", "--lr", "0.01", "--warmup", "10"]
    small += ["--canvas", "12", "--zoom", "1", "--hidden", "16", "--validate-every", "12800"]
    small += ["--test-draws", "1", "--device", "cpu", "--seed", "4", "--out", str(tmp_path)]
    for recipe in ("random-digits", "ram-digits"):
        name, given, run = parse([recipe, *small])
        trainers.execute(name, given, run, "a command")
    groups = {group.name.partition("-")[0]: group for group in read([tmp_path])}
    control = groups["random"].runs[0]
    greedy_figures = control.result.metrics["greedy"]
    assert greedy_figures["draws"] == DRAWS_OF_CONTROLS and greedy_figures["n"] == 359
    assert control.columns is not None and len(control.columns["greedy"].target) == 359
    drawn = control.columns["drawn"]
    assert len(drawn.target) == 359 * DRAWS_OF_CONTROLS
    assert greedy_figures["error"] == error(drawn) != error(control.columns["greedy"])
    assert "draws" not in groups["ram"].first.metrics["greedy"]
    # In the table the error, its interval and the difference are all of the mean.
    (one,) = tables(list(groups.values()))
    rows = {row.group.name.partition("-")[0]: row for row in one.rows}
    assert rows["random"].error.point == pytest.approx(100 * error(drawn))
    assert rows["random"].error.low < rows["random"].error.point
    gap = rows["ram"].error.point - rows["random"].error.point
    assert rows["ram"].difference and rows["ram"].difference.point == pytest.approx(gap)
    # And whoever makes it alive finds the same error.
    assert control.folder is not None
    assert not RunLoader(RunOptions(device="cpu"))(control.folder, control.stored).differs
