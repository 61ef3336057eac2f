"""The command that asks whether a policy mattered: what it finds, leaves, says and refuses."""

import json
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn import storage
from hardattn.agents import RAM, Scripted
from hardattn.estimators import reinforce
from hardattn.evaluation import swap
from hardattn.evaluation.metrics import error
from hardattn.experiments.cli import main
from hardattn.experiments.studies.policy_gain import measure as gain
from hardattn.experiments.studies.policy_gain.measure import gains, swapped_columns
from hardattn.report.policy_gain import Gain, verdict
from hardattn.rng import mix
from hardattn.rollout import greedy
from hardattn.scenes import Scenes
from hardattn.sensors import Retina
from hardattn.statistics.intervals import Estimate
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.policy_gain import only
from tests.support.runs import write_run

WORLD = World(Retina(3), Classify(2), 4)


def squares(count: int, seed: int) -> Scenes:
    """A square of 2 x 2 pixels anywhere on 8 x 8, of brightness 100 (class 0) or 200 (class 1)."""
    drawn = torch.Generator().manual_seed(seed)
    corner = torch.randint(7, (count, 2), generator=drawn)
    target = torch.randint(2, (count,), generator=drawn)
    away = torch.arange(8) - corner[..., None]
    column, row = ((away >= 0) & (away < 2)).unbind(1)
    lit = (row[:, :, None] & column[:, None]) * (100 * (1 + target))[:, None, None]
    box = torch.cat([corner, corner + 2], 1) / 4 - 1
    return Scenes(lit[:, None].to(torch.uint8), target, box[:, None], torch.arange(count))


@lru_cache
def observer(seed: int) -> Any:
    """A RAM whose answer was trained under random looks, and its looking never."""
    torch.manual_seed(seed)
    agent = RAM((1, 3, 3), 2, core="gru", hidden=32, what=32, where=16)
    looking = Scripted(agent, "random", WORLD.looks)
    descent = torch.optim.Adam(agent.parameters(), 1e-2)
    for update in range(150):
        descent.zero_grad()
        drawn = torch.Generator().manual_seed(mix(seed, update))
        reinforce(looking, WORLD, squares(64, mix(seed, update, 1)), drawn).total.backward()
        descent.step()
    # As it was drawn, all looks would be near the centre.
    torch.nn.init.normal_(agent.locator.weight)
    return agent


def gain_of(wrap: Callable[[Any], Any], world: World = WORLD, seeds: int = 3) -> Gain:
    """Of observers of several seeds, made into agents."""
    found = []
    for seed in range(seeds):
        columns, _ = swapped_columns(wrap(observer(seed)), world, squares(1000, seed), greedy)
        errors = {name: {"error": error(one)} for name, one in columns.items()}
        found.append({"own": errors.pop("own"), "swaps": errors, "retrained": None})
    return Gain("a", "a", tuple(range(seeds)), tuple(found), ({},) * seeds)


def test_an_untrained_policy_is_no_better_than_random() -> None:
    found = gain_of(lambda agent: agent)
    # By the means of several draws it can be told to be worse.
    assert found.verdict("random") != "better than random"


def test_random_looks_are_no_better_than_random() -> None:
    found = gain_of(lambda agent: Scripted(agent, "random", WORLD.looks))
    assert found.verdict("random") == "no better than random"


def test_a_perfect_policy_is_better_by_what_random_looks_miss() -> None:
    told = World(WORLD.sensor, WORLD.task, WORLD.looks, context="target")
    found = gain_of(lambda agent: Scripted(agent, "oracle", told.looks), told)
    assert found.verdict("random") == "better than random"
    gap = [100 * (one["swaps"]["random"]["error"] - one["own"]["error"]) for one in found.found]
    assert found.difference("random").point == pytest.approx(sum(gap) / 3)
    assert found.difference("oracle").point == 0


def test_the_files_hold_what_they_should_and_are_made_once(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = only(runs, None)
    result = json.loads((folder / "result.json").read_text())
    assert main(["swap", str(folder)]) == 0
    said = capsys.readouterr()
    assert "1 seed; over 359 test images" in said.out and "looking again" in said.err
    found = json.loads((folder / "gain.json").read_text())
    assert list(found) == [
        *("format", "name", "seed", "own", "swaps", "draws", "left_out", "retrained"),
        "per_example",
    ]
    assert (found["format"], found["name"], found["seed"]) == (1, result["name"], 0)
    greedy = result["figures"]["greedy"]
    assert found["own"] == {key: greedy[key] for key in ("error", "hit")}
    assert found["retrained"] is None and set(found["left_out"]) == {"foreign"}
    kept = storage.read(folder / "gain.pt")
    for name, one in found["swaps"].items():
        assert set(one) == {"error", "hit", "nll"}
        drawn = name in ("random", "shuffled")
        assert kept[name].dtype == (torch.float64 if drawn else torch.bool)
        assert kept[name].shape == (718,)
        shares = kept[name].double() * swap.DRAWS
        assert torch.equal(shares, shares.round())
        assert one["error"] == pytest.approx(1 - kept[name].double().mean().item())

    stamp = (folder / "gain.json").stat().st_mtime_ns
    monkeypatch.setattr(gain, "swapped_columns", None)  # nothing is measured a second time,
    assert main(["swap", str(folder)]) == 0
    again = capsys.readouterr()
    assert again.out == said.out and "looking again" not in again.err
    assert (folder / "gain.json").stat().st_mtime_ns == stamp
    weights = storage.read(folder / "best.pt")
    weights["agent"]["critic.bias"] += 1
    storage.write(folder / "best.pt", weights)
    with pytest.raises(TypeError):  # but of other weights it is
        gains([folder])


def test_asked_again_it_measures_the_same(runs: Path) -> None:
    folder = next(runs.glob("*/seed-0"))
    gains([folder])
    first = (folder / "gain.json").read_text()
    (folder / "gain.json").write_text(first.replace('"error": 0', '"error": 1'))
    gains([folder], again=True)
    assert (folder / "gain.json").read_text() == first


def one_seed(own: list[bool], swap: list[bool], index: list[int]) -> Gain:
    wrong = [sum(not right for right in one) / len(one) for one in (own, swap)]
    found = {"own": {"error": wrong[0]}, "swaps": {"random": {"error": wrong[1]}}}
    right = {"own": torch.tensor(own), "random": torch.tensor(swap), "index": torch.tensor(index)}
    return Gain("a", "a", (0,), (found,), (right,))


def test_the_interval_of_one_seed_is_over_images() -> None:
    # 200 images of two scenes each: half of the images lose both of their scenes by the swap.
    images = torch.arange(200).repeat_interleave(2)
    swap = (images % 2 == 0).tolist()
    found = one_seed([True] * 400, swap, images.tolist()).difference("random")
    assert (found.point, found.n, found.unit) == (50, 200, "image")
    # The standard error is that of 200 images, 100 * sqrt(1/4 / 200) = 3.5, not of 400 scenes.
    assert found.high - found.point == pytest.approx(1.96 * 3.54, rel=0.08)
    assert verdict(found) == "better"
    even = one_seed([True] * 4, [True] * 4, [0, 1, 2, 3])
    assert even.verdict("random", "x") == "no better than x"
    lost = one_seed(swap, [True] * 400, images.tolist()).difference("random")
    assert verdict(lost) == "worse"


def test_one_image_alone_says_nothing() -> None:
    found = one_seed([True, True], [False, True], [3, 3]).difference("random")
    assert found == Estimate(50.0, None, None, 1, "none", "image")
    assert verdict(found) == "unsure"


def test_seeds_by_hand() -> None:
    found = [
        {"own": {"error": own}, "swaps": {"random": {"error": swap}}, "retrained": None}
        for own, swap in ((0.10, 0.30), (0.12, 0.36), (0.14, 0.33))
    ]
    gap = Gain("a", "a", (0, 1, 2), tuple(found), ({}, {}, {})).difference("random")
    # 20, 24, 19: mean 21, deviation sqrt(7), t(2) = 4.3027.
    assert gap.point == pytest.approx(21)
    assert gap.low == pytest.approx(21 - 4.3027 * (7 / 3) ** 0.5, abs=1e-3)


def test_no_interval_of_a_gain_leaves_what_is_possible() -> None:
    """Errors of 9, 89 and 7 %, as of three seeds of which one did not learn."""
    found = [
        {"own": {"error": own}, "swaps": {"random": {"error": 0.9}}, "retrained": None}
        for own in (0.09, 0.89, 0.07)
    ]
    gap = Gain("a", "a", (0, 1, 2), tuple(found), ({}, {}, {})).difference("random")
    assert gap.high == 100 and -100 <= gap.low < 0 < gap.point


def refused(capsys: pytest.CaptureFixture[str], words: str, *paths: str | Path) -> None:
    capsys.readouterr()
    assert main(["swap", *(str(path) for path in paths)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and words in said.err
    assert len(said.err.strip().splitlines()) == 1 and said.err.startswith("error: ")


def test_bad_paths_are_one_line(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, "no such file", tmp_path / "nowhere")
    refused(capsys, "no finished run", tmp_path)
    result = next(made.rglob("result.json"))
    (tmp_path / "results.json").write_text(f"[{result.read_text()}]")
    refused(capsys, "without weights", tmp_path / "results.json")


def test_runs_that_cannot_be_made_alive_are_one_line(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = only(made, None)
    folder = Path(shutil.copytree(source, tmp_path / "a" / "seed-0"))
    refused(capsys, "best.pt: missing", write_run(tmp_path / "b", "ram", 0))
    (folder / "gain.json").write_text("{")
    storage.write(folder / "gain.pt", {})
    refused(capsys, "delete it", folder)
    (folder / "gain.json").unlink()
    storage.write(folder / "best.pt", {"agent": {"a": torch.zeros(1)}})
    refused(capsys, "not the weights", folder)
    (folder / "best.pt").unlink()
    refused(capsys, "best.pt: missing", folder)
    result = json.loads((folder / "result.json").read_text())
    result["recipe"]["agent"] = "Elsewhere"
    (folder / "result.json").write_text(json.dumps(result))
    refused(capsys, "no recipe of this version has an agent", folder)


def test_what_is_known_of_other_code_is_said(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = only(runs, "random")
    gains([folder])
    assert "--again" not in capsys.readouterr().err
    result = json.loads((folder / "result.json").read_text())
    result["sources"]["files"]["hardattn.agents.ram"] = "of old"
    (folder / "result.json").write_text(json.dumps(result))
    done, faults = gains([folder])
    assert len(done) == 1 and faults == []
    said = capsys.readouterr().err
    assert "hardattn.agents.ram has changed" in said and "--again" in said


def test_another_versions_error_is_said(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = next(runs.glob("*/seed-0"))
    result = json.loads((folder / "result.json").read_text())
    result["figures"]["greedy"]["error"] += 0.02
    (folder / "result.json").write_text(json.dumps(result))
    gains([folder])
    assert "another version" in capsys.readouterr().err
