"""Finished runs made alive again, and measured again: as they were, and without training."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from hardattn import storage
from hardattn.data import load
from hardattn.evaluation import cost
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import error
from hardattn.experiments.cli import main
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.command_line.words import Origin, as_words, named, origin_of
from hardattn.experiments.recipe import Recipe, RunOptions, UsageError
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.records import claim
from hardattn.experiments.revive import RunLoader, recipe_of
from hardattn.report import format_1

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--images", "64", "--batch-size", "32", "--validate-every", "64", "--test-draws", "1"]
KINDS, EACH = 3, 20  # classes, and images in each: enough for all that is measured


@pytest.fixture(autouse=True)
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a look takes is measured by as few passes as can be."""
    monkeypatch.setattr(cost, "SECONDS", 0.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on a few digits, in a folder of images."""
    out, images = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("images")
    digits = load("digits").train
    for label in range(KINDS):
        (images / str(label)).mkdir()
        for number, image in enumerate(digits.images[digits.labels == label][:EACH, 0]):
            Image.fromarray(image.numpy()).save(images / str(label) / f"{number}.png")
    options = [*TINY, "--dataset", f"folder:{images}", "--device", "cpu", "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        untimed.__wrapped__(patch)  # type: ignore[attr-defined]
        for name in ("ram-digits", "random-digits", "soft"):
            extra = ["--block", "bayesian_weibull"] if name == "soft" else []
            assert main(["train", name, *extra, *options]) == 0
    return out


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    """A copy, to write into."""
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def only(runs: Path, name: str) -> Path:
    (found,) = runs.glob(f"{name}*/seed-0")
    return found


def result_of(folder: Path) -> dict[str, object]:
    return json.loads((folder / "result.json").read_text())


def test_every_committed_result_still_says_the_same() -> None:
    """Its settings, under the names of now, but for options that it left as by default."""
    count = 0
    for path in sorted((ROOT / "experiments" / "results").glob("*.json")):
        for result in json.loads(path.read_text()):
            told = {k: v for k, v in format_1.settings(result["recipe"]).items() if v is not None}
            again = claim.plain(recipe_of(result, path.name).settings())
            assert {key: again.get(key) for key in told} == told, path.name
            count += 1
    assert count > 400


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_comes_back_from_its_result(name: str) -> None:
    recipe = RECIPES[name]
    training = dataclasses.replace(recipe.training, images=7)
    changed = dataclasses.replace(recipe, training=training)
    for one in (recipe, changed):
        settings = json.loads(json.dumps(claim.plain(one.settings())))
        again = recipe_of({"title": one.title, "recipe": settings}, name)
        assert again.settings() == one.settings()
        assert (again.problem, again.estimator) == (one.problem, one.estimator)
        assert again.training == one.training
    old = {key: value for key, value in settings.items() if key not in ("rho", "train_fraction")}
    assert recipe_of({"title": "", "recipe": old}, name).training == training
    with pytest.raises(UsageError, match="no recipe of this version has gone"):
        recipe_of({"title": "", "recipe": {**old, "gone": 1}}, name)


def test_only_the_agent_of_the_result_will_do(runs: Path) -> None:
    folder, revive = only(runs, "ram-digits"), RunLoader(RunOptions(device="cpu"))
    result = result_of(folder)
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    subject = revive(folder, result)
    assert torch.equal(torch.rand(1), before)  # nobody else's random numbers are used up
    assert not subject.agent.training and not subject.fresh(1).training
    assert not subject.differs
    recipe = result["recipe"]
    assert isinstance(recipe, dict)
    with pytest.raises(UsageError, match="no recipe of this version has an agent"):
        revive(folder, {**result, "recipe": {**recipe, "agent": "Elsewhere"}})
    with pytest.raises(UsageError, match="not the weights of"):
        revive(folder, {**result, "recipe": {**recipe, "hidden": 8}})
    result["figures"]["greedy"]["error"] -= 0.02  # type: ignore[index]
    assert "in result.json" in revive(folder, result).differs


def test_clusters_err_as_often_as_their_result_says(tmp_path: Path) -> None:
    """Whoever measures the agent, without a word of clusters."""
    words = ["gat-cluster-digits", *TINY, "--device", "cpu", "--out", str(tmp_path)]
    assert main(["train", *words]) == 0
    folder = only(tmp_path, "gat-cluster-digits")
    result = result_of(folder)
    subject = RunLoader(RunOptions(device="cpu"))(folder, result)
    told = result["figures"]["greedy"]["error"]  # type: ignore[index]
    assert error(evaluate(subject.agent, subject.setting.world, subject.test)) == told
    assert error(subject.columns) == told and not subject.differs


def test_weights_are_read_from_what_was_kept(runs: Path) -> None:
    """Not from the last checkpoint."""
    folder = only(runs, "ram-digits")
    subject = RunLoader(RunOptions(device="cpu"))(folder, result_of(folder))
    kept = storage.read(folder / "best.pt")["agent"]
    assert all(torch.equal(kept[name], value) for name, value in subject.agent.state_dict().items())


def test_scenes_are_shared_by_runs_of_one_problem(runs: Path) -> None:
    revive = RunLoader(RunOptions(device="cpu"))
    one, other = (
        revive(folder, result_of(folder))
        for folder in (only(runs, "ram-digits"), only(runs, "random-digits"))
    )
    assert one.test is other.test


def test_what_is_measured_again_is_what_was_measured_first(runs: Path) -> None:
    before = {}
    for path in sorted(runs.rglob("result.json")):
        before[path] = json.loads(path.read_text())
        cut = {key: value for key, value in before[path].items() if key != "cost"}
        cut["figures"] = {"greedy": dict(cut["figures"]["greedy"])}
        del cut["figures"]["greedy"]["nll"]  # as if from a version that did not measure so much
        path.write_text(json.dumps(cut))
        storage.write(path.parent / "columns.pt", {})
    assert main(["evaluate", str(runs), "--device", "cpu"]) == 0
    assert len(before) == 3
    for path, first in before.items():
        again = json.loads(path.read_text())
        for key in first.keys() - {"cost", "made_with", "training"}:
            assert again[key] == first[key], key
        of_then = {key: first[key] for key in ("made_with", "sources")}
        assert again["training"] == {**of_then, **first["training"]}
        assert again["cost"].keys() == first["cost"].keys()
        drawn = {"drawn"} if "random" in path.parent.parent.name else set()
        kept = storage.read(path.parent / "columns.pt").keys()
        assert kept == {"greedy", "sampled"} | drawn


def test_with_what_it_was_trained_is_remembered(runs: Path) -> None:
    folder = only(runs, "ram-digits")
    result = json.loads((folder / "result.json").read_text())
    result["made_with"]["commit"] = "of old"
    (folder / "result.json").write_text(json.dumps(result))
    for _ in range(2):
        assert main(["evaluate", str(folder), "--device", "cpu"]) == 0
    again = json.loads((folder / "result.json").read_text())
    assert again["training"]["made_with"]["commit"] == "of old"
    assert again["made_with"]["commit"] != "of old"


def test_what_cannot_be_measured_is_named_and_left(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = only(runs, "ram-digits") / "result.json"
    result = json.loads(odd.read_text())
    result["recipe"]["agent"] = "Elsewhere"
    odd.write_text(json.dumps(result))
    text = odd.read_text()
    assert main(["evaluate", str(runs), "--device", "cpu"]) == 2
    said = capsys.readouterr()
    assert said.err.count("error:") == 1 and "no recipe of this version has an agent" in said.err
    assert "3 of 3" in said.out and odd.read_text() == text
    assert main(["evaluate", str(runs / "nowhere")]) == 2
    assert "no such file or folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "swap", "robustness"])
def test_one_run_that_cannot_be_made_alive_does_not_stop_the_others(
    runs: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether its data, its weights or its agent cannot be had."""
    shutil.rmtree(only(runs, "soft").parent)
    random = only(runs, "random-digits")
    for name, spoilt in (("no-data", {"dataset": "folder:nowhere"}), ("no-agent", {"hidden": -1})):
        folder = Path(shutil.copytree(only(runs, "ram-digits"), runs / name / "seed-0"))
        result = result_of(folder) | {"name": name}
        recipe = result["recipe"]
        assert isinstance(recipe, dict)
        result["recipe"] = {**recipe, **spoilt}
        (folder / "result.json").write_text(json.dumps(result))
    weights = only(runs, "ram-digits") / "best.pt"
    weights.write_bytes(b"x" + weights.read_bytes()[1:])
    more = ["--what", "contrast"] if command == "robustness" else []
    assert main([command, str(runs), "--device", "cpu", *more]) == 2
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if line.startswith(("error: ", "left out: "))]
    assert len(lines) == 3, said.err
    for name in ("no-agent", "no-data", "ram-digits,"):
        assert sum(f"{runs}/{name}" in line for line in lines) == 1
    left = {"swap": "gain.json", "robustness": "characterisation.json"}.get(command)
    assert left is None or (random / left).exists()
    assert "random-digits" in said.out and "Traceback" not in said.err


def test_an_agent_that_was_edited_so_that_it_raises_is_one_line(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(self: object, *given: object, **named: object) -> None:
        raise AttributeError("no more\nof this")

    folder = only(runs, "ram-digits")
    monkeypatch.setattr("hardattn.agents.RAM.__init__", raising)
    with pytest.raises(UsageError) as fault:
        RunLoader(RunOptions(device="cpu"))(folder, result_of(folder))
    assert str(fault.value) == f"{folder}: cannot be made alive (AttributeError: no more)"


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_run_is_repeated_from_data(name: str) -> None:
    """Its recipe by name, and what was changed; of results that do not say, from its name."""
    base = RECIPES[name]
    training = dataclasses.replace(base.training, images=77, lr=0.125)
    label, recipe = named(name, dataclasses.replace(base, training=training))
    origin = Origin(name, {"images": 77, "lr": 0.125})
    assert label == f"{name},images=77,lr=0.125"
    result = {"name": label, "title": "", "recipe": json.loads(json.dumps(recipe_as_json(recipe)))}
    for given in (result, result | claim.origin(label, recipe)):
        assert origin_of(given, recipe_of(given, "here")) == origin
    assert claim.origin(label, recipe)["origin"] == origin._asdict()
    again, told, run = parse([*as_words(origin), "--seed", "3"])
    assert (again, told.settings(), run.seed) == (label, recipe.settings(), 3)
    with pytest.raises(UsageError, match="not a run of a recipe that there is"):
        origin_of({"name": "gone,lr=1"}, recipe)


def recipe_as_json(recipe: Recipe) -> dict[str, object]:
    return claim.plain(recipe.settings())
