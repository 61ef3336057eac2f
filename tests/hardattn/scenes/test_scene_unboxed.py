"""Of scenes that do not say where the target is, nothing says that it was found."""

import json
import math
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn import storage
from hardattn.agents import RAM, Scripted
from hardattn.data import Dataset, Split, load
from hardattn.envs import GlimpseVectorEnv, Problem as Env, problem_of
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.failure_modes import states
from hardattn.evaluation.metrics import METRICS, OF_BOXES, compute, references
from hardattn.evaluation.swap import Meaningless, own_looks, swapped
from hardattn.experiments import recipe as config, run as execute
from hardattn.experiments.cli import main
from hardattn.experiments.commands import tables as table
from hardattn.experiments.recipe import ProblemOptions, UsageError
from hardattn.experiments.recipes.cluttered import CLUTTERED_60
from hardattn.experiments.recipes.mnist import MNIST
from hardattn.experiments.sharing import handed_on as deploy
from hardattn.experiments.studies.policy_gain import measure as gain
from hardattn.experiments.studies.robustness import changes
from hardattn.problem import SCENES, Problem as Built
from hardattn.report.columns import RESULTS
from hardattn.report.findings import findings
from hardattn.report.page.page import page
from hardattn.report.render.markdown import markdown
from hardattn.report.rows import tables
from hardattn.report.runs import read
from hardattn.scenes import fixed_scenes, plain, translated
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.training.log import Log, read_metrics
from hardattn.training.loop import train
from hardattn.training.options import TrainOptions
from hardattn.world import World
from tests.support import runs
from tests.support.handmade import columns
from tests.support.runs import told, write_cells, write_run, write_soft


def test_what_cannot_be_said_without_a_box_is_in_the_table() -> None:
    """Over all metrics of a class: None is what depends on boxes, and nothing else."""
    made = columns()
    nowhere = made._replace(box=torch.full_like(made.box, torch.nan), hit=made.hit & False)
    before, after = compute(made), compute(nowhere)
    assert {name for name in METRICS if after[name] is None and before[name] is not None} == {
        name for name in OF_BOXES if before[name] is not None
    }
    assert not any(value is not None for value in (after[name] for name in OF_BOXES))
    for found in references(nowhere).values():
        assert all(found[name] is None for name in OF_BOXES if name in found)
    assert not any(states(nowhere)[name] for name in ("collapsed", "centre_biased", "captured"))


def test_the_two_lists_of_such_scenes_agree() -> None:
    assert tuple(name for name, kind in SCENES.items() if not kind.boxed) == config.UNBOXED
    recipes: list[dict[str, str]] = [{"scene": "plain"}, {"scene": "pair"}, {}]
    assert [told(recipe=recipe).boxed for recipe in recipes] == [False, True, True]


PLAIN = {"scene": "plain", "task": "classify", "dataset": "digits"}


@pytest.fixture
def framed(tmp_path: Path) -> Path:
    """Runs as older versions left them: the target was said to fill the image."""
    write_run(tmp_path, "ram", 0)
    write_run(tmp_path, "random", 0)
    write_soft(tmp_path, 0, 0.2, "cbam_spatial")
    write_cells(tmp_path, 0, 0.5)
    for file in tmp_path.rglob("result.json"):
        result = json.loads(file.read_text())
        runs.change(file, recipe={**result["recipe"], **PLAIN})
    return tmp_path


@pytest.fixture
def unframed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as they are made now."""
    monkeypatch.setattr(runs, "scenes", partial(runs.scenes, framed=False))
    write_run(tmp_path, "ram", 0)
    write_run(tmp_path, "random", 0)
    write_soft(tmp_path, 0, 0.2, "cbam_spatial")
    write_cells(tmp_path, 0, 0.5)
    for file in tmp_path.rglob("result.json"):
        result = json.loads(file.read_text())
        runs.change(file, recipe={**result["recipe"], **PLAIN})
    return tmp_path


@pytest.mark.parametrize("kind", ["framed", "unframed"])
def test_no_report_claims_that_a_target_was_found(
    kind: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    top: Path = request.getfixturevalue(kind)
    groups = read([top])
    (one,) = tables(groups)
    for row in one.rows:
        shown = {column.key: column.value(row) for column in RESULTS}
        about = ("hit", "pointing", "box_accuracy", "box_iou", "activation_pointing")
        assert [shown[key] for key in about] == [None] * 5, row.title
        run = row.group.runs[0]
        for draw in ("greedy", "sampled", "averaged"):
            assert all(run.figure(draw, name) is None for name in OF_BOXES)
        assert run.columns is not None and run.examples is not None
        assert run.columns["greedy"].box.isnan().all() and not run.columns["greedy"].hit.any()
        assert run.examples["box"].isnan().all()
    said = [dict(finding.facts)["Looked at the target"] for finding in findings(one)]
    assert said and all("nobody knows where the target is" in words for words in said)
    assert main(["report", str(top)]) == 0
    capsys.readouterr()
    html = (top / "report.html").read_text()
    shown = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    for words in ("Right because it looked there?", "MaxBoxAcc", "frame is the target", "pointing"):
        assert words not in shown, words
    film = re.search(r'class="film">(.*?)</script>', html, re.DOTALL)
    assert film
    told = json.loads(film[1])
    assert all(scene["boxes"] == [] for scene in told["scenes"])
    assert all(play["hit"] is None for agent in told["agents"] for play in agent["plays"])
    text = (top / "report.md").read_text()
    assert "hit %" not in text and "pointing" not in text and "box" not in text
    for name in ("report.csv", "report-seeds.csv"):
        head, *lines = (line.split(",") for line in (top / name).read_text().splitlines())
        for line in lines:
            filled = [key for key, value in zip(head, line, strict=False) if value]
            assert not [key for key in filled if key.rpartition(".")[2] in OF_BOXES]


def test_a_card_of_an_older_run_claims_nothing(framed: Path) -> None:
    result = json.loads((framed / "ram" / "seed-0" / "result.json").read_text())
    assert result["figures"]["greedy"]["hit"] == 1.0
    result["made_with"]["processor"] = "a processor"
    text = deploy.card(result, [], None)
    assert "| error |" in text and not [name for name in OF_BOXES if f"| {name} |" in text]
    assert not [name for name in OF_BOXES if f"type: {name}\n" in text]


def test_the_committed_results_say_nothing_of_the_kind() -> None:
    every = tables(read([table.ROOT / "experiments" / "results"]))
    one = next(one for one in every if "plain" in one.scenes)
    assert all(row.hit is None for row in one.rows)
    assert "hit %" not in markdown([one])


def test_a_browser_does_not_say_on_the_target(unframed: Path, tmp_path: Path) -> None:
    from tests.support.browser import tell

    script = """said.words = [].map.call(document.querySelectorAll(".said"), function (one) {
      return one.textContent; });"""
    told = tell(page(read([unframed])), script, tmp_path, 1400)
    assert told["faults"] == [] and told["words"]
    assert not [words for words in told["words"] if "the target" in words]


def make_split(count: int = 48) -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return Split(images, torch.arange(count) % 3)


TOLD = [{"first": "target"}, {"context": "target"}, {"first": "target", "context": "target"}]


@pytest.mark.parametrize("told", TOLD)
def test_nobody_is_told_a_place_that_nobody_knows(told: dict[str, Any], tmp_path: Path) -> None:
    """In one line each: recipes, evaluation, training, environments."""
    with pytest.raises(UsageError, match="nobody knows where the target is in plain scenes") as one:
        ProblemOptions(scene=config.Spec("plain"), **told)
    assert "\n" not in str(one.value)
    ProblemOptions(scene=config.Spec("translated", canvas=48), **told)
    world = World(Retina(4), Classify(3), 2, **told)
    agent = RAM((1, 4, 4), 3, hidden=8, what=8, where=8)
    split, where = make_split(), "scenes without a box"
    with pytest.raises(ValueError, match=where):
        evaluate(agent, world, fixed_scenes(plain, split, 1))
    assert (
        len(evaluate(agent, world, fixed_scenes(partial(translated, canvas=12), split, 1)).looks)
        == 48
    )
    data = Dataset("noise", split, split, split, ("a", "b", "c"))
    with pytest.raises(ValueError, match=where):
        here = Built(world, plain, data.classes)
        given = agent, here, ESTIMATORS["reinforce"].make, data, fixed_scenes(plain, split, 1)
        train(*given, tmp_path, TrainOptions(8))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=where):
        GlimpseVectorEnv(Env(world, plain, split, ("a", "b", "c")))


def test_the_command_line_refuses_it_in_one_line(tmp_path: Path) -> None:
    words = ["oracle-digits", "--scene", "plain", "--canvas", "None", "--zoom", "None"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "hardattn.experiments",
            "train",
            *words,
            "--out",
            str(tmp_path / "runs"),
        ],
        cwd=table.ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and not (tmp_path / "runs").exists()
    assert "nobody knows where the target is in plain scenes" in done.stderr
    assert "Traceback" not in done.stderr


def test_recipes_have_an_oracle_where_the_target_is_known() -> None:
    assert "oracle-mnist" not in MNIST.members("mnist")
    assert any(name.startswith("oracle") for name in CLUTTERED_60.members("x"))


def test_training_notes_no_hits(tmp_path: Path) -> None:
    """What TensorBoard is given is in metrics.jsonl: a number where there are boxes, else none."""
    split = make_split()
    data = Dataset("noise", split, split, split, ("a", "b", "c"))
    for name, make in (("plain", plain), ("placed", partial(translated, canvas=12))):
        folder = tmp_path / name
        agent = RAM((1, 4, 4), 3, hidden=8, what=8, where=8)
        world = World(Retina(4), Classify(3), 3)
        log = Log(folder, name, quiet=True)
        train(
            *(agent, Built(world, make, data.classes), ESTIMATORS["reinforce"].make, data),
            *(fixed_scenes(make, split, 1), folder),
            TrainOptions(64, batch_size=16, validate_every=32),
            log=log,
        )
        log.close()
        for entry in read_metrics(folder):
            for part in ("training", "validation"):
                value = entry[part]["hit"]
                assert (value is None) if name == "plain" else 0 <= value <= 1
            assert math.isfinite(entry["training"]["loss"])


def test_changes_and_swaps_that_need_a_box_say_so() -> None:
    problem = ProblemOptions(sensor=config.Spec("retina", size=4), looks=3)
    setting = execute.prepare(problem, config.RunOptions())
    agent = RAM((1, 4, 4), 10, hidden=8, what=8, where=8)
    test = setting.validation.slice(0, 40)
    from hardattn.experiments.revive import LoadedRun

    recipe = config.Recipe("", "", problem=problem)
    subject = LoadedRun({"recipe": {}}, recipe, setting, agent, test)
    for name in ("occlusion", "position"):
        with pytest.raises(changes.NoMeaning, match="nobody knows where the target is in plain"):
            changes.CHANGES[name](subject)
    own = own_looks(agent, setting.world, test)
    with pytest.raises(Meaningless, match="without the box"):
        swapped("oracle", own, setting.world, test)
    random = Scripted(agent, "random", 3)
    assert evaluate(random, setting.world, test).hit.sum() == 0


def test_gains_that_counted_false_hits_are_measured_again(framed: Path) -> None:
    folder = framed / "ram" / "seed-0"
    (folder / "best.pt.sha256").write_text("abc  best.pt\n")
    storage.write(folder / "gain.pt", {"weights": "abc"})
    result = json.loads((folder / "result.json").read_text())
    for hit, known in ((1.0, False), (None, True)):
        found = {
            **{"format": 1, "name": result["name"], "seed": result["seed"]},
            "own": {"error": 0.5, "hit": hit},
            **{"swaps": {}, "draws": 5, "left_out": {}, "retrained": None},
        }
        (folder / "gain.json").write_text(json.dumps(found))
        assert (gain._known(folder, result) is not None) == known


def test_an_environment_of_plain_scenes_has_no_box() -> None:
    env = GlimpseVectorEnv(problem_of("DigitsPlain", "test"), 3)
    env.reset(seed=0)
    assert env.scenes.box.isnan().all()
    assert load("digits").test.images.shape[2:] == (8, 8)
