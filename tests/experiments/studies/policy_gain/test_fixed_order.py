"""Observers that are retrained for a fixed order of looks."""

import json
from pathlib import Path

import pytest

from hardattn.experiments import build, measure, run as execute
from hardattn.experiments.cli import main
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.command_line.words import Origin, as_words, overrides
from hardattn.experiments.recipe import RunOptions
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.records import claim
from hardattn.experiments.revive import LoadedRun
from hardattn.experiments.studies.policy_gain import fixed_order as retrain
from hardattn.experiments.studies.policy_gain.measure import gains
from tests.support.policy_gain import only


def test_the_observer_is_retrained_for_the_best_order(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "PASSES", 1)
    folder = only(runs, None)
    assert main(["swap", str(folder), "--retrain", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    found = json.loads((folder / "gain.json").read_text())["retrained"]
    validated, tests = {}, {}
    for order, start in zip(retrain.ORDERS, ("centre", "raster", "path:"), strict=True):
        there = only(runs, start) / "result.json"
        result = json.loads(there.read_text())
        assert result["recipe"]["estimator"] == "reinforce" and result["recipe"]["images"] == 1280
        validated[order] = min(point for _, point in result["training"]["curve"])
        tests[order] = result["figures"]["greedy"]["error"]
        # It is had again by its own command.
        name, recipe, _ = parse(result["command"].split()[2:])
        assert name == result["name"]
        assert json.loads(json.dumps(claim.plain(recipe.settings()))) == result["recipe"]
        if order == found["order"]:
            assert (folder / found["folder"]).resolve() == there.parent.resolve()
    assert validated[found["order"]] == min(validated.values())
    assert found["error"] == tests[found["order"]]
    assert "the best fixed order" in said and f"({found['order']}, observer retrained)" in said

    monkeypatch.setattr(retrain, "retrained", None)  # nothing is trained a second time
    assert main(["swap", str(folder), "--retrain", "--device", "cpu"]) == 0
    assert capsys.readouterr().out == said
    capsys.readouterr()


def test_nothing_is_retrained_where_no_looking_was_learned(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = only(runs, "random")
    gains([folder], retrain=True)
    assert "no looking was learned" in capsys.readouterr().err
    assert json.loads((folder / "gain.json").read_text())["retrained"] is None


@pytest.mark.parametrize(
    "name", ["ram-leave-one-out-digits", "sat-soft-digits", "reinforced-digits", "edram-digits"]
)
def test_the_order_has_the_budget_of_the_agent(name: str) -> None:
    """As many episodes, by an estimator that any looks go with, in a command that says so."""
    recipe = RECIPES[name]
    run = RunOptions(device="cpu")
    setting = execute.prepare(recipe.problem, run)
    setting = setting._replace(validation=setting.validation.slice(0, 20))
    agent = build.agent(
        recipe.agent, setting.world.sensor.shape(setting.image), setting.world, setting.image
    )
    alive = LoadedRun({}, recipe, setting, agent, setting.validation)
    new = retrain.ordered(alive, retrain.path_of(alive))
    times = recipe.estimator.get("samples") or 1
    assert new.training.images == times * recipe.training.images
    assert new.training.images // new.training.batch_size == recipe.training.images // (
        recipe.training.batch_size
    )
    words = as_words(Origin(name, overrides(name, new)))
    assert parse(words)[1].settings() == new.settings()
    shape = setting.world.sensor.shape(setting.image)
    build.agent(new.agent, shape, setting.world, setting.image)


def test_orders_that_were_trained_for_are_not_trained_for_again(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished runs serve, as those of controls that a demo has anyway."""
    monkeypatch.setattr(retrain, "execute", None)
    folder, other = only(runs, None), only(runs, "random")
    name, recipe, run = parse(retrain.words_of(folder, "mean", RunOptions(device="cpu")))
    assert recipe.agent.get("script").startswith("path:") and run.seed == 0
    assert name.startswith(folder.parent.name.partition(",")[0])
    known = dict.fromkeys(retrain.ORDERS, other)
    (gain,), faults = gains([folder], retrain=True, device="cpu", known=known)
    found = gain.found[0]["retrained"]
    assert not faults and (folder / found["folder"]).resolve() == other.resolve()
    result = json.loads((other / "result.json").read_text())
    assert found["error"] == result["figures"]["greedy"]["error"]
    assert gain.difference("retrained") is not None
