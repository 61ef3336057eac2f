"""The agents that come with hardattn: small, whole, and as good as their cards say."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hardattn
from hardattn.data import load
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import error
from hardattn.experiments import build
from hardattn.experiments.cli import main
from hardattn.experiments.recipe import UsageError
from hardattn.experiments.revive import recipe_of
from hardattn.experiments.sharing import handed_on
from hardattn.experiments.sharing.shipped import MOST, SHIPPED, names, ship
from hardattn.scenes import fixed_scenes

ROUNDED = 0.005  # of the error, by which 16 bits and another machine may change it


def test_together_they_are_small() -> None:
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST
    assert "ram-digits" in names()
    for name in names():
        there = {path.name for path in (SHIPPED / name).iterdir()}
        assert there == {handed_on.CONFIG, handed_on.WEIGHTS, handed_on.CARD}
        assert handed_on.HALF in (SHIPPED / name / handed_on.CARD).read_text()


@pytest.mark.parametrize("name", names())
def test_each_is_as_good_as_its_card_says(name: str) -> None:
    card = (SHIPPED / name / handed_on.CARD).read_text()
    (told,) = (
        float(line.split("|")[2]) for line in card.splitlines() if line.startswith("| error |")
    )
    subject = hardattn.load(name)
    problem = recipe_of(handed_on.config_of(SHIPPED / name), name).problem
    data = load(problem.dataset)
    make = build.built(problem, data.classes, data.test.images.shape[1:]).make
    test = fixed_scenes(make, data.test, problem.test_seed, problem.test_draws)
    now = error(evaluate(subject.agent, subject.world, test, subject.draw))
    assert abs(now - told) < ROUNDED


@pytest.mark.parametrize("name", names())
def test_each_looks_without_training(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (90, 60, 3), np.uint8)
    Image.fromarray(noise).save("photo.png")
    assert main(["look", name, "photo.png"]) == 0
    assert f"photo.png: {name} says " in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"photo.png", "look.png"}


def test_one_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        handed_on, "result_of", lambda run: {"name": "huge", "parameters": 2_000_000}
    )
    with pytest.raises(UsageError, match="3,000,000 at most"):
        ship([tmp_path], tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_who_is_unknown_hears_who_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["look", "ram-nothing", "photo.png"]) == 2
    assert "ram-digits" in capsys.readouterr().err


def test_a_config_is_a_recipe_of_this_version() -> None:
    for name in names():
        config = json.loads((SHIPPED / name / handed_on.CONFIG).read_text())
        assert recipe_of(config, name).title and config["name"] == name
