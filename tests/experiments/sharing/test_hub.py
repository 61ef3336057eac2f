"""Agents pushed to a Hub and pulled from it: what comes back is what went there."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import hardattn
from hardattn.evaluation import cost
from hardattn.experiments.cli import main
from hardattn.experiments.recipe import UsageError
from hardattn.experiments.sharing.hub import parsed, pull
from tests.support.hub import TOKEN, Hub, serving

TINY = "--images 64 --batch-size 32 --validate-every 64 --test-draws 1 --device cpu".split()
PICTURE = np.random.default_rng(0).integers(0, 256, (50, 40, 3), np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "SECONDS", 0.0)
        patch.setattr("hardattn.experiments.measure.PASSES", 1)
        patch.setattr("hardattn.experiments.run.tune", lambda threads: "default")
        assert main(["train", "ram-digits", "--hidden", "16", *TINY, "--out", str(top)]) == 0
    (result,) = top.rglob("result.json")
    return result.parent


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serving() as one:
        monkeypatch.setenv("HF_ENDPOINT", one.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("HARDATTN_CACHE", str(tmp_path / "cache"))
        yield one


def same(one: object, other: object) -> None:
    first, second = (hardattn.load(str(each)).agent.state_dict() for each in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    picture, columns = hardattn.look(str(one), PICTURE)
    again, alike = hardattn.look(str(other), PICTURE)
    assert np.array_equal(picture, again)
    assert torch.equal(columns.log_probability, alike.log_probability)


def test_what_is_pushed_comes_back_to_the_bit(run: Path, served: Hub, tmp_path: Path) -> None:
    words = ["export", str(run), "--out", str(tmp_path / "out"), "--push", "hub:somebody/ram"]
    assert main(words) == 0
    kept = served.repositories["somebody/ram"]
    assert kept == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert served.large, "weights are large files there"
    same(run, "hub:somebody/ram")
    assert main(words) == 0, "a second time it is there already"
    photo = tmp_path / "photo.png"
    from PIL import Image

    Image.fromarray(PICTURE).save(photo)
    out = str(tmp_path / "look.png")
    assert main(["look", "hub:somebody/ram@main", str(photo), "--out", out]) == 0


def test_a_folder_will_do_as_well(run: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    assert main(["export", str(run), "--out", str(tmp_path / "a"), "--push", str(there)]) == 0
    same(run, there)


def test_what_was_pulled_once_is_there_without_the_hub(
    run: Path, served: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["export", str(run), "--out", str(tmp_path / "a"), "--push", "hub:a/b"]) == 0
    pull("hub:a/b")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    same(run, "hub:a/b")


def test_code_of_somebody_else_is_not_run(run: Path, served: Hub, tmp_path: Path) -> None:
    assert main(["export", str(run), "--out", str(tmp_path / "a"), "--push", "hub:a/b"]) == 0
    config = json.loads(served.repositories["a/b"]["config.json"])
    config["recipe"]["encoder"] = "os:system"
    served.repositories["a/b"]["config.json"] = json.dumps(config).encode()
    with pytest.raises(UsageError, match="its encoder is code of somebody's own"):
        pull("hub:a/b")


def test_what_goes_wrong_is_one_line(
    run: Path,
    served: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photo = str(tmp_path / "photo.png")
    push = ["export", str(run), "--out", str(tmp_path / "a"), "--push", "hub:a/b"]

    def said(words: list[str]) -> str:
        assert main(words) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1, error
        return error

    assert "answers 404" in said(["look", "hub:no/body", photo])
    assert "write hub:OWNER/NAME" in said(["look", "hub:nobody", photo])
    monkeypatch.setenv("HF_TOKEN", "another")
    assert "answers 401" in said(push)
    monkeypatch.delenv("HF_TOKEN")
    assert "$HF_TOKEN" in said(push)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be reached" in said(["look", "hub:no/body", photo])


def test_names_and_revisions() -> None:
    assert parsed("hub:a/b") == ("a/b", "main") and parsed("hub:a/b@v1.0") == ("a/b", "v1.0")
    for wrong in ("hub:", "hub:a", "hub:a/b/c", "hub:../b@../../x"):
        with pytest.raises(UsageError, match="OWNER/NAME"):
            parsed(wrong)
