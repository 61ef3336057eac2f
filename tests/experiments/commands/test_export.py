"""From a finished run to a folder that is handed on, and back."""

import dataclasses
import json
import os
import shlex
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from hardattn import storage
from hardattn.agents import ReSAN, SoftAgent
from hardattn.attention import BLOCKS, HEADS
from hardattn.data import load
from hardattn.evaluation import cost
from hardattn.evaluation.evaluate import evaluate
from hardattn.experiments.build import built
from hardattn.experiments.cli import main
from hardattn.experiments.recipe import Spec, UsageError
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.records.claim import plain
from hardattn.experiments.sharing import handed_on as deploy
from hardattn.export import Deployed
from hardattn.scenes import fixed_scenes
from hardattn.tasks import Localise
from tests.support.agents import EVERYONE, build

TINY = ["--images", "64", "--batch-size", "32", "--validate-every", "64", "--test-draws", "1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of RAM."""
    top = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "SECONDS", 0.0)
        patch.setattr("hardattn.experiments.measure.PASSES", 1)
        patch.setattr("hardattn.experiments.run.tune", lambda threads: "default")
        words = ["ram-digits", *TINY, "--hidden", "16", "--std", "0.3", "--device", "cpu"]
        assert main(["train", *words, "--out", str(top)]) == 0
    (result,) = top.rglob("result.json")
    return result.parent


@pytest.fixture(scope="module")
def deployed(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("deployed") / "there"
    assert main(["export", str(run), "--out", str(out)]) == 0
    return out


def test_what_is_written(deployed: Path) -> None:
    graphs = {f"{name}{suffix}" for name in ("start", "step") for suffix in (".pt2", ".onnx")}
    assert {path.name for path in deployed.iterdir()} == {
        *("README.md", "config.json", "model.safetensors"),
        *graphs,
    }
    assert not list(deployed.parent.glob(".*")), "something was left beside it"


def seen_in_test() -> Any:
    problem = RECIPES["ram-digits"].problem
    problem = dataclasses.replace(problem, test_draws=1)
    digits = load("digits")
    make = built(problem, digits.classes, digits.test.images.shape[1:]).make
    return fixed_scenes(make, digits.test, problem.test_seed, 1)


def test_loaded_it_is_the_same_to_the_bit(run: Path, deployed: Path) -> None:
    agent, world = deploy.load(deployed)
    kept = storage.read(run / "best.pt")["agent"]
    assert agent.state_dict().keys() == kept.keys() and not agent.training
    assert all(torch.equal(value, kept[name]) for name, value in agent.state_dict().items())
    columns = storage.read(run / "columns.pt")["greedy"]
    again = evaluate(agent, world, seen_in_test())._asdict()
    for name in ("log_probability", "location", "looks", "target"):
        assert torch.equal(again[name], columns[name]), name


def test_the_graphs_answer_what_was_measured(run: Path, deployed: Path) -> None:
    _, world = deploy.load(deployed)
    columns = storage.read(run / "columns.pt")["greedy"]
    again = evaluate(Deployed(deployed), world, seen_in_test())._asdict()
    for name in ("log_probability", "location"):
        torch.testing.assert_close(again[name], columns[name], atol=1e-5, rtol=0)


def test_the_card_says_what_was_measured(run: Path, deployed: Path) -> None:
    text = (deployed / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    top, result = yaml.safe_load(front), json.loads((run / "result.json").read_text())
    assert top["license"] == "mit" and top["pipeline_tag"] == "image-classification"
    (model,) = top["model-index"]
    (measured,) = model["results"]
    assert model["name"] == result["name"] and measured["dataset"]["name"] == result["scenes"]
    assert measured["task"]["type"] == "image-classification"
    values = {one["type"]: one["value"] for one in measured["metrics"]}
    greedy = result["figures"]["greedy"]
    assert values.pop("accuracy") == 1 - greedy["error"]
    assert values and values == {name: greedy[name] for name in values}
    assert f"| error | {greedy['error']:,.4g} |" in body
    assert f"| weights | {result['parameters']:,} |" in body
    assert result["command"] in body and result["title"] in body
    for path in deployed.iterdir():
        assert path.name == "README.md" or f"| {path.name} |" in body


def test_a_result_of_before_costs_were_measured_has_a_card(run: Path) -> None:
    result = json.loads((run / "result.json").read_text())
    del result["cost"], result["flops"]
    text = deploy.card(result, ["config.json"], "it is too good")
    assert "| weights |" in text and "floating" not in text and "it is too good" in text


def test_written_again_it_replaces_what_was_there(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "there"
    deploy.deploy(run, out)
    (out / "step.onnx").unlink()
    (out / "stale").touch()
    deploy.deploy(run, out)
    assert (out / "step.onnx").exists() and not (out / "stale").exists()


def test_who_may_read_it_is_for_the_umask_to_say(run: Path, tmp_path: Path) -> None:
    """Of all files that are written, by whatever library."""
    before = os.umask(0o027)
    try:
        deploy.deploy(run, tmp_path / "there")
        storage.write(tmp_path / "a.pt", {})
        storage.replace_text(tmp_path / "a.txt", "a")
    finally:
        os.umask(before)
    for path in (*(tmp_path / "there").iterdir(), *tmp_path.glob("a.*")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o640, path
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o750


def bytes_of(path: Path) -> bytes:
    """What is in a file, and in those that it has packed."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as packed:
        return b"".join(packed.read(name) for name in packed.namelist())


def test_nothing_that_is_handed_on_names_a_folder_of_this_machine(
    run: Path, tmp_path: Path
) -> None:
    """Neither that of the images nor that of the code, in whatever file."""
    result = json.loads((run / "result.json").read_text())
    pictures = tmp_path / "some one's" / "pictures"
    result["recipe"]["dataset"] = f"folder:{pictures}@8"
    result["command"] += f" --dataset {shlex.quote(f'folder:{pictures}@8')}"
    result["name"] += f",dataset=folder:{pictures}@8".replace("/", "_")
    result["scenes"] = result["scenes"].replace("digits", f"folder:{pictures}@8")
    folder = copied(run, tmp_path / "run")
    (folder / "result.json").write_text(json.dumps(result))
    out = deploy.deploy(folder, tmp_path / "out")
    for path in out.iterdir():
        text = bytes_of(path)
        assert str(tmp_path).encode() not in text, path
        assert str(tmp_path).replace("/", "_").encode() not in text, path
        assert str(Path(deploy.__file__).parent.parent).encode() not in text, path
        assert os.path.dirname(torch.__file__).encode() not in text, path
    assert "folder:pictures@8" in (out / "README.md").read_text()
    assert deploy.load(out)[0] is not None


def copied(run: Path, to: Path, *without: str) -> Path:
    to.mkdir()
    for name in {"result.json", "best.pt", "best.pt.sha256"} - {*without}:
        (to / name).write_bytes((run / name).read_bytes())
    return to


def damaged(run: Path, to: Path) -> Path:
    folder = copied(run, to)
    (folder / "best.pt").write_bytes(b"x" + (folder / "best.pt").read_bytes()[1:])
    return folder


def not_json(run: Path, to: Path) -> Path:
    folder = copied(run, to)
    (folder / "result.json").write_text("{")
    return folder


def of_a_stranger(run: Path, to: Path) -> Path:
    folder = copied(run, to)
    result = json.loads((folder / "result.json").read_text())
    result["recipe"]["agent"] = "Rams"
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def of_another(run: Path, to: Path) -> Path:
    folder = copied(run, to)
    storage.write(folder / "best.pt", {"agent": {"a": torch.zeros(1)}})
    return folder


def of_this_machine(run: Path, to: Path) -> Path:
    folder = copied(run, to)
    result = json.loads((folder / "result.json").read_text())
    result["command"] += f" --script {to}"
    (folder / "result.json").write_text(json.dumps(result))
    return folder


FAULTS: dict[str, tuple[Callable[[Path, Path], Path], int, str]] = {
    "no folder": (lambda run, to: to, 2, "no such folder"),
    "not finished": (lambda run, to: copied(run, to, "result.json"), 2, "no finished run"),
    "no weights": (lambda run, to: copied(run, to, "best.pt"), 2, "no best.pt"),
    "damaged weights": (damaged, 5, "damaged"),
    "no JSON": (not_json, 2, "not JSON"),
    "an unknown agent": (of_a_stranger, 2, "no recipe of this version has an agent"),
    "other weights": (of_another, 2, "not the weights of"),
    "a path of this machine": (of_this_machine, 2, "command holds an absolute path"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_and_leaves_nothing(
    name: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, code, words = FAULTS[name]
    out = tmp_path / "out" / "there"
    assert main(["export", str(make(run, tmp_path / "run")), "--out", str(out)]) == code
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and words in said.err
    assert not out.parent.exists()


def test_what_fails_on_the_way_leaves_no_folder_either(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(deploy, "card", full)
    monkeypatch.setattr(deploy, "_graphs", lambda *given: None)
    assert main(["export", str(run), "--out", str(tmp_path / "out" / "there")]) == 5
    assert not (tmp_path / "out").exists()


def test_what_is_somebody_else_s_stays(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert main(["export", str(run), "--out", str(tmp_path)]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_is_no_agent_is_not_loaded(deployed: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"config.json: cannot be read"):
        deploy.load(tmp_path)
    (tmp_path / "config.json").write_bytes((deployed / "config.json").read_bytes())
    with pytest.raises(UsageError, match="not this agent's weights"):
        deploy.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="not this agent's weights"):
        deploy.load(tmp_path)
    (tmp_path / "config.json").write_text('{"format": 9}')
    with pytest.raises(UsageError, match="not of an agent of this version"):
        deploy.load(tmp_path)


def test_reasons_are_found_in_the_agent() -> None:
    gain = SoftAgent((1, 12, 12), 10, width=16, head=HEADS["gain"].make)
    sorting = SoftAgent((1, 12, 12), 10, width=16, block=BLOCKS["smyrf"].make)
    easy = SoftAgent((1, 12, 12), 10, width=16, block=BLOCKS["se"].make)
    resan = ReSAN((1, 12, 12), 10, context=(1, 12, 12), grid=(3, 3))
    assert "gradient" in str(deploy.not_exported(gain))
    assert "masks" in str(deploy.not_exported(resan))
    assert "sort" in str(deploy.not_in_onnx(sorting)) and deploy.not_exported(sorting) is None
    assert deploy.not_exported(easy) is deploy.not_in_onnx(easy) is None


GRAPHS: dict[str, tuple[set[str], str | None]] = {
    "random-digits": (set(), "its looks are drawn"),
    "reinforced-digits": (set(), "masks"),
    "cnn-digits": ({"forward.onnx", "forward.pt2"}, None),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_or_a_reason(name: str, tmp_path: Path) -> None:
    files, reason = GRAPHS[name]
    settings = plain(RECIPES[name].settings())
    config = {
        "title": "",
        "recipe": settings,
        "world": {"image": [1, 48, 48], "classes": list("0123456789")},
    }
    agent, world = deploy.build(config, "config.json")
    found = deploy._graphs(agent, world, config, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == files
    assert found is None if reason is None else reason in str(found)


@pytest.mark.parametrize("who", EVERYONE)
def test_every_agent_s_weights_are_kept_to_the_bit(who: str, tmp_path: Path) -> None:
    agent, _ = build(who)
    deploy.save(agent.state_dict(), tmp_path / "model.safetensors")
    other, _ = build(who, seed=1)
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    for one, copy in zip(agent.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, copy)


def test_a_world_is_the_same_without_the_data() -> None:
    """Of places, whose worth depends on how large the images are that were placed."""
    base = RECIPES["ram-digits"]
    changes: dict[str, Any] = {"scene": Spec("localise", canvas=48, zoom=2), "bonus": 1.0}
    recipe = dataclasses.replace(base, problem=dataclasses.replace(base.problem, **changes))
    trained = built(recipe.problem, load("digits").classes, (1, 8, 8))
    world = {"classes": list(trained.answers), "image": [1, 48, 48], "source": [1, 8, 8]}
    result: dict[str, Any] = {"title": "", "recipe": plain(recipe.settings()), "world": world}
    _, alone = deploy.build(result, "here")
    assert isinstance(alone.task, Localise) and vars(alone.task) == vars(trained.world.task)
    del world["source"]
    with pytest.raises(UsageError, match=r"here: .* do not fit"):
        deploy.build(result, "here")


def test_what_names_more_classes_than_it_answers_comes_back(tmp_path: Path) -> None:
    """Three sentences to choose from, of twelve classes: the answers say nothing of the words."""
    data, runs = tmp_path / "data", tmp_path / "runs"
    data.mkdir()
    images = np.random.default_rng(0).integers(0, 255, (48, 4, 4), np.uint8)
    for part in ("train", "validation", "test"):
        np.save(data / f"{part}_images.npy", images)
        np.save(data / f"{part}_labels.npy", np.arange(48) % 12)
    words = ["scan-matching", "--dataset", f"array:{data}", "--candidates", "3", "--canvas", "16"]
    words += ["--cell", "4", "--width", "8", "--device", "cpu", *TINY]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "SECONDS", 0.0)
        assert main(["train", *words, "--out", str(runs)]) == 0
    (found,) = runs.rglob("result.json")
    assert json.loads(found.read_text())["named"] == 12
    loaded: Any = deploy.build(json.loads(found.read_text()), found)[0]
    assert loaded.vocabulary == 18
