"""Trained agents on changed scenes: from runs to curves, tables, a figure; and every refusal."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn.data import Dataset
from hardattn.experiments import measure, run as execute
from hardattn.experiments.cli import main
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.studies.comparison import compare
from hardattn.experiments.studies.figures import figures
from hardattn.experiments.studies.robustness import tables as characterised
from hardattn.experiments.studies.robustness.changes import CHANGES
from hardattn.experiments.studies.robustness.measure import NAME, stored
from hardattn.report.render.print import Curves, inline, printed
from hardattn.report.runs import read
from tests.support.commands import small

TINY = ["--images", "16", "--batch-size", "8", "--validate-every", "16", "--test-draws", "1"]
RUNS = {
    "ram-digits": [],
    "centre-digits": [],
    "cnn-digits": [],
    "soft": ["--block", "non_local", "--weights", "9000", "--width", "8"],
}


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs see a few images only, and leave the process's settings alone."""

    def few(name: str, root: Path | None, device: torch.device) -> Dataset:
        return small(name).to(device)

    monkeypatch.setattr(execute, "load", few)
    monkeypatch.setattr(execute, "tune", lambda threads: "default")
    monkeypatch.setattr(measure, "PASSES", 2)
    monkeypatch.setattr(execute, "EXAMPLES", 4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Every run of RUNS, at a tiny size; ram-digits with two seeds."""
    top = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        few_images.__wrapped__(patch)  # type: ignore[attr-defined]
        for name, words in RUNS.items():
            for seed in range(1 + (name == "ram-digits")):
                options = ["--out", str(top), "--device", "cpu", "--seed", str(seed)]
                assert main(["train", name, *words, *TINY, *options]) == 0
    yield top


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    """A copy of all, to write into."""
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def go(*words: str | Path) -> int:
    return main(["robustness", *map(str, words), "--device", "cpu"])


def folder(top: Path, name: str, seed: int = 0) -> Path:
    (found,) = [one for one in top.glob(f"{name}*/seed-{seed}") if "train_fraction" not in str(one)]
    return found


def found_in(place: Path) -> dict[str, Any]:
    return json.loads((place / NAME).read_text())


def test_everything_is_measured_or_left_out_for_a_reason(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = {path: path.read_bytes() for path in runs.rglob("best.pt")}
    results = {path: path.read_bytes() for path in runs.rglob("result.json")}
    assert go(runs) == 0
    assert all(path.read_bytes() == content for path, content in {**weights, **results}.items())
    for name in RUNS:
        place = folder(runs, name)
        one, result = found_in(place), json.loads((place / "result.json").read_text())
        assert {*one["found"], *one["left_out"]} == set(CHANGES)
        assert not {*one["found"]} & {*one["left_out"]}
        for what, curve in one["found"].items():
            if "trained" in curve:
                counts = {len(curve[key]) for key in ("at", "error", "hit", "pointing", "n")}
                assert counts == {len(curve["at"])} and curve["at"] == sorted(curve["at"]), what
            known = curve["at"].index(curve["trained"]) if curve.get("trained") is not None else -1
            # Clutter is added to other scenes, of the same kind, than those of the test.
            if known >= 0 and not (name == "soft" and what in ("clutter", "distractors")):
                assert curve["error"][known] == result["figures"]["greedy"]["error"], (name, what)
                assert curve["hit"][known] == result["figures"]["greedy"]["hit"], (name, what)
    left_out = {name: set(found_in(folder(runs, name))["left_out"]) for name in RUNS}
    assert left_out == {
        "ram-digits": {"distractors", "sparsity"},
        "centre-digits": {"distractors", "sparsity", "randomisation"},
        "cnn-digits": {"distractors", "sparsity", "randomisation"},
        "soft": set(),
    }
    said = capsys.readouterr()
    assert "ram-digits,test_draws=1" in said.out and "contrast, %" in said.out
    assert "it learned with 0 pieces of clutter, not with 4" in said.out
    assert "clutter (1 of 11)" in said.err


def test_what_is_there_is_not_measured_again(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder(runs, "ram-digits")
    assert go(place, "--what", "contrast,sparsity") == 0
    before = found_in(place)
    assert set(before["found"]) == {"contrast"} and set(before["left_out"]) == {"sparsity"}
    for name in ("contrast", "sparsity"):
        monkeypatch.setitem(CHANGES, name, lambda subject: pytest.fail("measured again"))
    assert go(place, "--what", "contrast,sparsity,noise") == 0
    after = found_in(place)
    assert after["found"]["contrast"] == before["found"]["contrast"] and "noise" in after["found"]


def test_what_was_found_before_it_was_stopped_stays(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def strike(subject: Any) -> Any:
        raise KeyboardInterrupt

    place = folder(runs, "ram-digits")
    monkeypatch.setitem(CHANGES, "noise", strike)
    assert go(place, "--what", "contrast,noise") == 130
    assert set(found_in(place)["found"]) == {"contrast"}
    assert "the same command goes on" in capsys.readouterr().err


def test_another_result_is_measured_anew(runs: Path) -> None:
    place = folder(runs, "ram-digits")
    assert go(place, "--what", "contrast") == 0
    result = json.loads((place / "result.json").read_text())
    assert stored(place, result)["found"]
    result["made_with"]["finished"] = "later"
    assert not stored(place, result)["found"]


@pytest.mark.parametrize(
    "words, answer",
    [
        (["--what", "contrst"], "nothing to measure is called 'contrst': perhaps contrast"),
        (["nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_wrong_words(
    runs: Path, capsys: pytest.CaptureFixture[str], words: list[str], answer: str
) -> None:
    assert go(runs, *words) == 2
    said = capsys.readouterr().err
    assert answer in said and said.count("\n") == 1 and not list(runs.rglob(NAME))


def test_broken_files(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = folder(runs, "ram-digits")
    (place / NAME).write_text("{")
    assert go(place) == 2 and "not JSON" in capsys.readouterr().err
    (place / NAME).write_text("[]")
    assert go(place) == 2 and "no characterisation" in capsys.readouterr().err
    (place / NAME).unlink()
    (place / "best.pt").write_bytes(b"none")
    assert go(place) == 2 and "damaged" in capsys.readouterr().err


def test_one_run_that_cannot_be_done_does_not_stop_the_others(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = folder(runs, "cnn-digits")
    result = json.loads((place / "result.json").read_text())
    result["recipe"]["agent"] = "Mine"
    (place / "result.json").write_text(json.dumps(result))
    assert go(runs, "--what", "position") == 2
    said = capsys.readouterr().err
    assert f"left out: {place}: no recipe of this version has an agent 'Mine'" in said
    assert found_in(folder(runs, "ram-digits"))["found"] and not (place / NAME).exists()


def test_learning_from_fewer_images(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []

    def here(commands: list[list[str]], workers: int) -> int:
        """As a sweep, in this process."""
        asked.extend(commands)
        return max((main(["train", *command]) for command in commands), default=0)

    monkeypatch.setattr("hardattn.experiments.studies.robustness.measure.sweep", here)
    place = folder(runs, "ram-digits", 1)
    assert go(place, "--what", "position", "--train") == 0
    curve = found_in(place)["found"]["labels"]
    assert curve["at"] == [6.25, 12.5, 25, 50, 100] and len(asked) == 4
    names = {parse(command)[0]: parse(command)[2] for command in asked}
    for (name, one), share in zip(names.items(), (0.0625, 0.125, 0.25, 0.5), strict=True):
        result = json.loads((runs / name / "seed-1" / "result.json").read_text())
        assert one.seed == 1 and result["recipe"]["train_fraction"] == share
        assert (
            curve["error"][curve["at"].index(100 * share)] == result["figures"]["greedy"]["error"]
        )
    whole = json.loads((place / "result.json").read_text())["figures"]["greedy"]["error"]
    assert curve["error"][-1] == whole
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert go(place, *(runs / name for name in names), "--what", "position", "--train") == 0
    assert len(asked) == 4 and capsys.readouterr().err.count("a point of another run's curve") == 4
    assert {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()} == before


def entry(name: str, seed: int, error: float, **found: Any) -> dict[str, Any]:
    text = {"title": name, "scenes": "noise", "sees": "everything", "command": name}
    left_out = {} if found else {"contrast": "it is night"}
    return {
        "name": name,
        "seed": seed,
        **text,
        "error": error,
        "found": found,
        "left_out": left_out,
    }


def curve(
    *errors: float, x: str = "contrast, %", at: tuple[float, ...] = (25, 100)
) -> dict[str, Any]:
    none = [None] * len(errors)
    return {"x": x, "at": [*at], "trained": 100, "error": [*errors], "hit": none, "pointing": none}


def test_the_readme_has_means_over_seeds_with_intervals() -> None:
    """Errors of 20, 24 and 28 %: half the interval is 4.3027 * 4 / sqrt(3)."""
    half = 4.302653 * 4 / math.sqrt(3)
    given = [entry("ram", seed, 0.1, contrast=curve(0.20 + 0.04 * seed, 0.1)) for seed in (2, 0, 1)]
    pixel = {"answers": 0.25, "error": 0.5, "looks": None, "maps": 0.8125}
    given.append(entry("cnn", 0, 0.05, shift=pixel))
    lines = characterised.markdown(given).splitlines()
    assert lines[2].startswith("| run | seeds | error % | contrast 25 % | 1 px: answers changed |")
    assert lines[4] == "| cnn | 1 | 5.0 | – | 25.0 | 0.81 |"
    wanted = f"24.0 [{24 - half:.1f}, {24 + half:.1f}]"
    assert lines[5] == f"| ram | 3 | 10.0 [10.0, 10.0] | {wanted} | – | – |"


def test_the_figure_has_a_curve_a_run_and_stands_in_the_page(runs: Path) -> None:
    assert go(runs, "--what", "contrast,position,randomisation,shift") == 0
    groups = read([runs])
    drawn = {one.scenes: one for one in figures(groups, "a command")}
    assert len(drawn) == 2  # sets of scenes
    figure = next(one for scenes, one in drawn.items() if "translated" in scenes)
    panels = {panel.x: panel for panel in figure.panels if isinstance(panel, Curves)}
    contrast = panels["contrast, % (learned with 100)"]
    assert contrast.log and len(contrast.series) == 3
    ram = next(one for one in contrast.series if len(one.seeds) == 2)
    errors = [
        found_in(folder(runs, "ram-digits", seed))["found"]["contrast"]["error"] for seed in (0, 1)
    ]
    for at, mean in enumerate(ram.mean):
        assert mean.point == pytest.approx(50 * (errors[0][at] + errors[1][at]))
        assert mean.n == 2 and mean.low is not None
    drawn_anew = panels["layers drawn anew"]
    assert not drawn_anew.log and drawn_anew.series[0].mean[0].point == pytest.approx(1)
    assert "weights as they were" in figure.caption and "seeds 0, 1" in figure.caption
    assert all("<svg" in inline(panel) for panel in figure.panels)
    assert printed(figure)["pdf"].startswith(b"%PDF")
    html = compare([runs], runs).read_text()
    assert all(html.count(f'id="figure-characterisation-{number}"') == 1 for number in range(2))
    assert figure.title in html and "learned with 100" in html


def test_runs_that_were_not_characterised_have_no_figure(runs: Path) -> None:
    assert not [one for one in figures(read([runs]), "") if one.key.startswith("characterisation")]


def test_committed_figures_are_those_of_the_runs(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "hardattn.experiments.studies.robustness.measure.SAVED", runs / "saved.json"
    )
    assert go(runs, "--what", "shift,contrast", "--save") == 0
    saved = json.loads((runs / "saved.json").read_text())
    assert len(saved) == 5
    for one in saved:
        place = folder(runs, one["name"], one["seed"])
        assert one["found"] == found_in(place)["found"]
        assert (
            one["error"]
            == json.loads((place / "result.json").read_text())["figures"]["greedy"]["error"]
        )
    assert "ram-digits,test_draws=1" in characterised.markdown(saved)


def test_a_scene_that_cannot_be_changed_says_so(tmp_path: Path) -> None:
    """Two digits are two targets, and a plain image has no canvas."""
    words = [*TINY, "--out", str(tmp_path), "--device", "cpu", "--looks", "3"]
    pair = ["--scene", "pair", "--canvas", "24", "--zoom", "1"]
    blank = ["--scene", "plain", "--canvas", "None", "--zoom", "1"]
    assert main(["train", "ram-digits", *pair, *words]) == 0
    assert main(["train", "ram-digits", *blank, *words]) == 0
    assert go(tmp_path, "--what", "clutter,size,position,canvas,occlusion,shift") == 0
    said = {
        json.loads((one.parent / "recipe.json").read_text())["scene"]: json.loads(one.read_text())[
            "left_out"
        ]
        for one in tmp_path.rglob(NAME)
    }
    assert set(said["pair"]) == {"position"} and "more targets" in said["pair"]["position"]
    assert set(said["plain"]) == {"clutter", "size", "position", "canvas", "occlusion"}
