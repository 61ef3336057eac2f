"""The report: what it reads, says and refuses, and that a browser is content with it."""

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hardattn import storage
from hardattn.agents import RAM
from hardattn.evaluation.evaluate import evaluate
from hardattn.experiments import committed as collect
from hardattn.experiments.cli import main
from hardattn.experiments.studies import comparison as compare
from hardattn.report.columns import RESULTS, columns
from hardattn.report.controls import control, script
from hardattn.report.details import DETAILS
from hardattn.report.findings import findings
from hardattn.report.page.page import page
from hardattn.report.render.markdown import markdown
from hardattn.report.render.terminal import terminal
from hardattn.report.results import upgraded
from hardattn.report.rows import difference, error_after, tables
from hardattn.report.runs import Group, ReportError, Run, read, unfinished
from hardattn.sensors import SENSORS, Retina
from hardattn.stats import Estimate
from hardattn.tasks import Classify
from hardattn.viz import pictures
from hardattn.world import World
from tests.support.browser import tell
from tests.support.runs import (
    CLASSES,
    SCENES,
    change,
    rewritten,
    scenes,
    told as told_by,
    write_run,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("runs")
    for seed, (ram, random) in enumerate([(0.10, 0.30), (0.12, 0.36), (0.14, 0.33)]):
        write_run(top, "ram", seed, ram)
        write_run(top, "random", seed, random)
    write_run(top, "whole", 0, 0.05)
    return top


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(made, tmp_path / "runs"))


def test_groups_are_recipes_and_their_seeds_in_order(made: Path) -> None:
    groups = read([made / "whole", made, made / "ram" / "seed-2" / "result.json"])
    assert [(g.scenes, g.name, g.seeds) for g in groups] == [
        (SCENES, "ram", (0, 1, 2)),
        (SCENES, "random", (0, 1, 2)),
        (SCENES, "whole", (0,)),
    ]
    assert [script(group.first) for group in groups] == ["", "random", ""]


def test_table_values_by_hand(made: Path) -> None:
    (one,) = tables(read([made]))
    assert [(sees, [row.title for row in rows]) for sees, rows in one.sections] == [
        ("never sees the image", ["RAM", "random looks"]),
        ("sees everything", ["MLP, whole <image>"]),
    ]
    ram, random, whole = one.rows
    # Errors 10, 12, 14: mean 12, standard error 2 / sqrt(3), t(2) = 4.3027.
    assert ram.error.point == pytest.approx(12)
    assert ram.error.high == pytest.approx(12 + 4.3027 * 2 / 3**0.5, abs=1e-3)
    assert (ram.error.n, ram.error.unit) == (3, "seed")
    # Differences -20, -24, -19: mean -21, deviation sqrt(7).
    assert ram.difference is not None and ram.control == "random" and ram.verdict == "yes"
    assert ram.difference.point == pytest.approx(-21)
    assert ram.difference.low == pytest.approx(-21 - 4.3027 * (7 / 3) ** 0.5, abs=1e-3)
    assert random.difference is None and random.script == "random"
    assert whole.difference is None and whole.control == ""
    assert ram.pixels == 3 * 2 * 16 and whole.pixels == 12 * 15
    assert ram.seconds == Estimate(4, 4, 4, 3, "quartiles")  # of the processor, not of the wall
    told = {column.key: column.found for column in (*RESULTS, *DETAILS)}
    assert told["speed"](ram) == Estimate(500, 500, 500, 3, "quartiles") and whole.hit is None
    assert (ram.estimator, random.estimator, whole.estimator) == ("learned_baseline", "", "")
    # Two looks at a Gaussian of standard deviation 0.17 are chosen: log(2 pi e 0.17^2).
    assert told["entropy"](ram) == pytest.approx(math.log(2 * math.pi * math.e * 0.17**2), abs=1e-5)
    assert told["entropy"](random) == pytest.approx(math.log(4)) and told["entropy"](whole) is None
    measured = [run.result.metrics for run in ram.group.runs]
    averaged = [m["averaged"]["error"] for m in measured]
    assert told["averaged"](ram) == pytest.approx(100 * np.mean(averaged))
    assert told["nll"](ram) == pytest.approx(np.mean([m["greedy"]["nll"] for m in measured]))


def test_one_seed_says_so(made: Path) -> None:
    (one,) = tables(read([made / "ram" / "seed-0", made / "random" / "seed-0"]))
    row = one.rows[0]
    assert row.error.unit == "image" and row.error.n == 40 and row.error.low is not None
    assert row.difference is not None and row.difference.unit == "image"
    text = markdown([one])
    assert "1 seed" in text and "nothing of another training seed" in text
    assert all("One training seed" in finding.caution for finding in findings(one))


def test_one_seed_of_json_has_no_interval(made: Path, tmp_path: Path) -> None:
    collect.collect([made / "ram" / "seed-0", made / "random" / "seed-0"], tmp_path)
    (one,) = tables(read([tmp_path]))
    assert one.rows[0].error == (pytest.approx(10), None, None, 1, "none", "seed")
    assert one.rows[0].difference == (pytest.approx(-20), None, None, 1, "none", "seed")
    assert one.rows[0].verdict == "unsure"
    assert "1 seed, so no interval: RAM, random looks" in markdown([one])
    assert "with no interval" in findings(one)[0].claim
    assert "Where they looked" not in page(read([tmp_path]))


def test_against(made: Path) -> None:
    (one,) = tables(read([made]), "ram")
    assert [row.control for row in one.rows] == ["", "ram", ""]
    assert "minus RAM" in markdown([one])
    # Who sees everything is compared with nobody that does not, on its card neither.
    for name in ("whole", "random"):
        (one,) = tables(read([made]), name)
        for row in one.rows:
            other = next((each for each in one.rows if each.group.name == row.control), row)
            assert other.sees == row.sees
        (whole,) = (one for one in findings(one) if one.sees == "sees everything")
        assert "points" not in whole.claim and whole.headline == ""
    with pytest.raises(ReportError, match="no row named 'radnom'; perhaps random"):
        tables(read([made]), "radnom")


def test_curves_have_a_look_each(made: Path) -> None:
    ram, _, whole = read([made])
    assert len(error_after(ram)) == 3 and len(error_after(whole)) == 1
    curve = [run.result.greedy["error_after"][1] for run in ram.runs]
    assert error_after(ram)[1].point == pytest.approx(100 * np.mean(curve))


def test_a_table_without_a_control_and_one_where_the_control_wins(runs: Path) -> None:
    (one,) = tables(read([runs / "ram", runs / "whole"]))
    assert "difference" not in [column.key for column in columns(one)]
    for seed in range(3):
        file = runs / "ram" / f"seed-{seed}" / "result.json"
        result = json.loads(file.read_text())
        result["figures"]["greedy"]["error"] = 0.5
        file.write_text(json.dumps(result))
    first = findings(tables(read([runs]))[0])[0]
    assert first.claim.startswith("No learned policy is ahead")
    assert first.headline == "RAM does worse than random looks"


def test_a_control_is_the_same_agent_at_random(runs: Path) -> None:
    ram, random = runs / "ram", runs / "random"
    rewritten(ram, runs, "dram", 0.40, agent="Dram", balance=0.1)
    rewritten(random, runs, "random-dram", 0.20, agent="Dram", balance=0.1)
    rewritten(ram, runs, "spread", 0.20, agent="SpreadRam", floor=0.03)
    rewritten(ram, runs, "wide", 0.20, agent="Ram", lr=1.0)
    rewritten(random, runs, "random-wide", 0.25, agent="Ram", lr=1.0)
    rewritten(random, runs, "centre", 0.50, script="centre")
    rewritten(ram, runs, "four", 0.20)
    for file in (runs / "four").rglob("result.json"):
        change(file, world={**json.loads(file.read_text())["world"], "looks": 4})
    groups = {group.name: group for group in read([runs])}
    found = {name: control(group, [*groups.values()]) for name, group in groups.items()}
    assert {name: other and other.name for name, other in found.items()} == {
        "ram": "random",
        "centre": "random",
        # A variant of RAM has all its settings; those of Dram and of `wide` it lacks one of.
        "spread": "random",
        "dram": "random-dram",
        "wide": "random-wide",
        # Another world, and nobody at random in it.
        "four": None,
        "whole": None,
        "random": None,
        "random-dram": None,
        "random-wide": None,
    }
    # Somebody else's observer is no control, though its settings be fewer.
    del groups["random-dram"]
    assert control(groups["dram"], [*groups.values()]) is None
    del groups["random"], groups["random-wide"]
    assert control(groups["ram"], [*groups.values()]) is None


OWN = "dram mram edram draw zoom-ram kalman-ram glance-focus s3ta scal".split()
SHARED = {"sat-soft": "sat", "sat-hard": "sat"} | {
    f"variational-{one}": "variational"
    for one in ("soft", "hard", "exact", "marginal", "enumerated", "sampled")
}
RAMS = "ram ram-reinforce ram-self-critical ram-leave-one-out"
RAMS += " dt-ram spread-ram guided-ram ws-ram temporal-ram"


def test_every_recipe_that_learns_to_look_has_its_control() -> None:
    """Told from what a result holds: nothing but settings, world and sight."""
    from hardattn.experiments import build
    from hardattn.experiments.recipes import RECIPES
    from hardattn.experiments.run import _world, plain

    wanted: dict[str, str | None] = {f"{name}-digits": f"random-{name}-digits" for name in OWN}
    wanted |= {f"{name}-digits": f"random-{other}-digits" for name, other in SHARED.items()}
    wanted |= {f"{name}-digits": "random-digits" for name in RAMS.split()}
    wanted |= {f"{name}-digits": None for name in ("oracle", "mlp", "cnn", "conv-2014", "random")}
    groups = []
    for name in {*wanted, *filter(None, wanted.values())}:
        recipe = RECIPES[name]
        world = build.world(recipe.problem, 10, (1, 8, 8))
        result = {
            "recipe": plain(recipe.settings()),
            "sees": world.sees((1, 48, 48)),
            "world": _world(recipe.problem.sensor.name, world, ("a", "b"), (1, 48, 48)),
        }
        groups.append(Group(SCENES, name, (Run(told_by(**result), Path(name), None),)))
    for group in groups:
        found = control(group, groups)
        assert (found.name if found else None) == wanted.get(group.name), group.name


def test_whoever_does_not_beat_its_control_is_named(runs: Path) -> None:
    rewritten(runs / "ram", runs, "worse", 0.60)
    rewritten(runs / "ram", runs, "even", 0.32)
    (one,) = tables(read([runs]))
    verdicts = {row.group.name: row.verdict for row in one.rows}
    assert verdicts == {"ram": "yes", "even": "no", "worse": "worse", "random": "", "whole": ""}
    text = markdown([one])
    assert re.search(r"\| even \|.*\| \*\*no\*\* \|", text)
    assert re.search(r"\| worse \|.*\| \*\*worse\*\* \|", text)
    assert "Not ahead of their controls: even; worse." in findings(one)[0].caution


def test_several_controls_have_a_column(runs: Path) -> None:
    assert "its control" not in markdown(tables(read([runs])))
    rewritten(runs / "ram", runs, "dram", 0.20, agent="Dram", balance=0.1)
    rewritten(runs / "random", runs, "random-dram", 0.30, agent="Dram", balance=0.1)
    (one,) = tables(read([runs]))
    text = markdown([one])
    assert "| minus its control | beats it |" in text
    assert re.search(r"\| dram \| dram \|.*\| random-dram \|", text)
    assert re.search(r"\| RAM \| ram \|.*\| random \|", text)


def test_recipes_of_one_title_are_told_apart(runs: Path) -> None:
    for run in sorted((runs / "random").iterdir()):
        change(run / "result.json", name="ram,lr=0.1", title="RAM")
    titles = [row.title for row in tables(read([runs]))[0].rows]
    assert "RAM" in titles and "RAM (lr=0.1)" in titles


def spoil_json(runs: Path) -> str:
    file = runs / "ram" / "seed-1" / "result.json"
    file.write_text(file.read_text()[:100])
    return "seed-1/result.json: not JSON, or cut short"


def spoil_foreign(runs: Path) -> str:
    (runs / "ram" / "seed-1" / "result.json").write_text('{"a": 1}')
    return "seed-1/result.json: not the result of a run"


def spoil_format(runs: Path) -> str:
    change(runs / "ram" / "seed-1" / "result.json", format=7)
    return "seed-1/result.json: format 7"


def spoil_field(runs: Path) -> str:
    change(runs / "ram" / "seed-1" / "result.json", seed="one")
    return "seed-1/result.json: seed is 'one'"


def spoil_figures(runs: Path) -> str:
    change(runs / "ram" / "seed-1" / "result.json", figures={"greedy": {"n": 3}})
    return "seed-1/result.json: figures.greedy.error is missing"


def spoil_seed(runs: Path) -> str:
    change(runs / "ram" / "seed-1" / "result.json", seed=2)
    return "seed 2 of ram is also in"


def spoil_recipe(runs: Path) -> str:
    change(runs / "ram" / "seed-1" / "result.json", recipe={"agent": "Ram", "lr": 3})
    return "recipe.estimator differs from"


def spoil_columns(runs: Path) -> str:
    (runs / "whole" / "seed-0" / "columns.pt").write_bytes(b"no")
    return "columns.pt: damaged"


def spoil_columns_away(runs: Path) -> str:
    (runs / "whole" / "seed-0" / "columns.pt").unlink()
    return "columns.pt: missing beside result.json"


def spoil_columns_foreign(runs: Path) -> str:
    storage.write(runs / "whole" / "seed-0" / "columns.pt", {"greedy": {"a": 1}})
    return "columns.pt: not the columns"


def spoil_count(runs: Path) -> str:
    file = runs / "whole" / "seed-0" / "result.json"
    result = json.loads(file.read_text())
    result["figures"]["greedy"]["n"] = 41
    file.write_text(json.dumps(result))
    return "n is not the number of rows"


def spoil_examples(runs: Path) -> str:
    path = runs / "whole" / "seed-0" / "examples.pt"
    stored = storage.read(path)
    storage.write(path, {**stored, "image": stored["image"].flip(0)})
    return "their examples differ"


SPOILERS = [value for name, value in sorted(globals().items()) if name.startswith("spoil_")]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_broken_run_is_one_line_that_names_it(
    spoil: Any, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = spoil(runs)
    assert main(["report", str(runs)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and str(runs) in line
    assert not (runs / "report.html").exists() and not (runs / "report.md").exists()


def test_wrong_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd.json").write_text("{}")
    half = tmp_path / "half" / "seed-0"
    half.mkdir(parents=True)
    (half / "recipe.json").write_text("{}")
    for name, words in [
        ("absent", "no such file or folder"),
        ("empty", "no finished run in it"),
        ("odd.json", "not a results file"),
        ("half/seed-0", "not finished"),
    ]:
        assert main(["report", str(tmp_path / name)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line and str(tmp_path / name) in line
    assert unfinished([tmp_path]) == [half]


def test_difference_refuses_other_scenes(runs: Path) -> None:
    path = runs / "random" / "seed-0" / "columns.pt"
    stored = storage.read(path)
    stored["greedy"]["target"] = (stored["greedy"]["target"] + 1) % CLASSES
    storage.write(path, stored)
    ram, random = read([runs / "ram" / "seed-0", runs / "random" / "seed-0"])
    with pytest.raises(ReportError, match="targets differ"):
        difference(ram, random)


def test_markdown_and_terminal(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = tables(read([made]))
    text = markdown(done)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    # Two tables of a head, a rule, two classes and three rows, each as wide as its head.
    assert [len({line.count("|") for line in half}) for half in (lines[:7], lines[7:])] == [1, 1]
    assert len(lines) == 14
    assert "12.0 [7.0, 17.0]" in text and "−21.0 [−27.6, −14.4] | yes |" in text
    assert "Commands: `hardattn train RECIPE --seed SEED`, seeds 0, 1, 2.\n" in text
    assert "- MLP, whole <image>, seed 0: `hardattn train whole --seed 0`" in text
    for width in (60, 100, 200):
        terminal(done, width)
        out = capsys.readouterr().out
        assert "RAM" in out and "12.0" in out
        assert max(map(len, out.splitlines())) <= width


def test_compare_writes_what_it_says(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "ram" / "seed-9").mkdir()
    written = compare.compare([runs])
    out = capsys.readouterr().out
    assert written == runs / "report.html" and str(written) in out and "seed-9" in out
    text = written.read_text()
    for words in (
        "RAM: 21.0 points less error than random looks",
        "MLP, whole &lt;image&gt;",
        "d &amp; e",
        "Not finished, and left out:",
        "hardattn train ram --seed 2",
        "abc1234",
        "over 3 training seeds",
        "sees everything",
    ):
        assert words in text, words
    assert "<image>" not in text.split("<script")[0]
    assert not re.search(r'(src|href)="(?!data:|#)', text.split("<script>")[0])
    assert len(text) < 8e6
    assert not list(runs.glob("*.tmp"))
    assert "report.md" in out and "| RAM |" in (runs / "report.md").read_text()
    assert compare.compare([runs / "ram"], runs / "new" / "place").exists()


def test_collect(made: Path, runs: Path, tmp_path: Path, capsys: Any) -> None:
    (written,) = collect.collect([made / "ram"], tmp_path / "results")
    content = json.loads(written.read_text())
    assert written.name == "ram.json" and [one["seed"] for one in content] == [0, 1, 2]
    told = json.loads((made / "ram" / "seed-1" / "result.json").read_text())
    assert content[1] == upgraded(told)
    before = written.read_bytes()
    collect.collect([*sorted((made / "ram").iterdir(), reverse=True)], tmp_path / "results")
    assert written.read_bytes() == before
    spoiled = runs / "ram" / "seed-1" / "result.json"
    for command in ("run --out /srv/runs", "run --root=/srv", str(Path.home()), r"run C:\data"):
        change(spoiled, command=command)
        with pytest.raises(ReportError, match="command holds an absolute path"):
            collect.collect([runs / "ram"], tmp_path / "results")
    change(spoiled, command="run x --out runs/a", title="images/s, T-shirt/top, 1 / 2")
    collect.collect([runs / "ram"], tmp_path / "results")
    (runs / "ram" / "seed-4").mkdir()
    assert main(["results", "collect", str(runs / "ram"), "--out", str(tmp_path)]) == 2
    assert "seed-4: not finished" in capsys.readouterr().err


def test_path_picture_draws_what_the_retina_reads() -> None:
    image = torch.zeros(1, 16, 16, dtype=torch.uint8)
    place = torch.tensor([[-0.5, -0.5], [0.5, 0.5]])
    drawn = pictures.path_picture(image, place, 4, 1, side=320)
    assert drawn.shape == (320, 320, 3) and drawn.dtype == np.uint8
    # The look at pixel (12, 12) covers 10 to 14, which is 200 to 280 at 20 times the size.
    frame = np.array(pictures.colours(2)[1])
    close = np.abs(drawn.astype(int) - frame).sum(-1) < 60
    rows, across = np.nonzero(close)
    assert abs(across.max() - 280) <= 3 and abs(rows.max() - 280) <= 3
    assert close[201, 270] and close[270, 201] and not close[270, 190]


def test_path_picture_takes_any_image_and_no_looks() -> None:
    nowhere = torch.full((1, 2), torch.nan)
    image = torch.arange(3 * 6 * 12).view(3, 6, 12).to(torch.uint8)
    drawn = pictures.path_picture(image, nowhere, side=240)
    assert drawn.shape == (120, 240, 3)
    assert np.array_equal(drawn[10, 10], image[:, 0, 0].numpy())
    tall = pictures.path_picture(image, nowhere, caption="a rather long caption " * 5, side=240)
    assert tall.shape == (144, 240, 3)
    with pytest.raises(ValueError, match="uint8"):
        pictures.path_picture(image.float(), nowhere)


def test_colours_brighten() -> None:
    light = [np.dot(colour, (0.2126, 0.7152, 0.0722)) for colour in pictures.colours(7)]
    assert light == sorted(light) and len(set(light)) == 7


def test_sheet_and_glimpses() -> None:
    seen = scenes(5)
    world = World(Retina(4, 2), Classify(CLASSES), 3)
    agent = RAM((2, 4, 4), CLASSES, hidden=8, what=8, where=8)
    done = evaluate(agent, world, seen)
    drawn = pictures.sheet(seen, done, 4, 2, ["a", "b", "c", "d"], across=3, side=200)
    assert drawn.shape == (2 * (160 + 24) + 8, 3 * 200 + 2 * 8, 3)
    image = torch.full((1, 16, 16), 200, dtype=torch.uint8)
    strip = pictures.glimpses(image, torch.zeros(3, 2), Retina(4, 2), width=200)
    assert strip.shape == (64, 200, 3) and (strip[32, 32] == 200).all()
    edge = pictures.glimpses(image, torch.tensor([[-1.0, -1.0]]), Retina(4, 1), width=100)
    assert (edge[20, 20] == 0).all() and (edge[80, 80] == 200).all()


def test_glimpses_lay_odd_patches_where_they_were_read() -> None:
    """Of ten pixels a side the finest five begin at the third or the fourth."""
    sensor, found = Retina(5, 2), set()
    for x in (-0.05, 0.0, 0.05):
        place = torch.tensor([[x, 0.0]])
        (coarse, fine) = (sensor.corners(place, (24, 24))[0, scale].tolist() for scale in (1, 0))
        image = torch.zeros(1, 24, 24, dtype=torch.uint8)
        image[:, fine[1] : fine[1] + 5, fine[0] : fine[0] + 5] = 255
        strip = pictures.glimpses(image, place, sensor, width=112)  # a frame of 6 or 7, 10 a pixel
        frame = 112 // 16
        inner, middle = 112 - 2 * frame, 56
        left = frame + round(inner * (fine[0] - coarse[0]) / 10)
        white = (strip[middle, frame:-frame] == 255).all(1).nonzero()[0] + frame
        assert white[0] == left and len(white) == round(inner / 2)
        found.add(fine[0] - coarse[0])
    assert found == {2, 3}


def test_a_path_picture_and_the_retina_agree_on_ties() -> None:
    """A centre a rounding below a pixel's edge is taken for one on it, as the retina takes it."""
    image = torch.zeros(1, 20, 20, dtype=torch.uint8)
    for place in (0.2, 0.2 - 1e-6, 0.2 + 1e-6):
        at = torch.tensor([[place, place]])
        corner = Retina(3).corners(at, (20, 20))[0, 0].tolist()
        assert corner == [11, 11]
        drawn = pictures.path_picture(image, at, 3, 1).astype(int)
        exact = pictures.path_picture(image, torch.tensor([[0.2, 0.2]]), 3, 1)
        assert np.abs(drawn - exact).mean() < 0.5


ACT = """
var rows = function () {
  return [].map.call(document.querySelectorAll("table.sortable tbody:first-of-type tr.row"),
                     function (r) { return r.querySelector(".name").textContent; }); };
var head = document.querySelector("th.error button");
said.plots = document.querySelectorAll(".plot .main-svg").length > 0
  && document.querySelectorAll(".plot .scatterlayer .trace").length;
said.first = rows(); head.click(); said.second = rows(); head.click(); said.third = rows();
said.classes = document.querySelectorAll("table.sortable tbody").length;
document.querySelector(".chip").click();
said.hidden = [].map.call(document.querySelectorAll(".plot"), function (p) {
  return p.data.filter(function (t) { return t.visible === false; }).length; });
"""


@pytest.mark.parametrize("width", [1400, 420])
def test_a_browser_shows_it_and_sorts_it(made: Path, tmp_path: Path, width: int) -> None:
    html = page(read([made]), command="hardattn report runs")
    told = tell(html, ACT, tmp_path, width)
    assert told["faults"] == [] and not told["wide"]
    assert told["plots"] >= 9
    # Ordered by error to begin with, so the first click turns it round.
    assert told["first"] == told["third"] == ["RAM", "random looks"]
    assert told["second"] == ["random looks", "RAM"]
    assert told["classes"] == 2 and all(told["hidden"])


WIDE = """
var boxes = [].slice.call(document.querySelectorAll(".scroll"));
said.agree = boxes.every(function (box) {
  var over = box.scrollWidth > box.clientWidth + 1, hint = box.previousElementSibling;
  return hint.className === "more-there" && hint.hidden === !over
    && box.classList.contains("more") === over && (box.tabIndex === 0) === over; });
var box = document.querySelector("table.sortable").parentElement;
said.narrow = boxes.some(function (one) {
  return one.clientWidth && one.scrollWidth <= one.clientWidth; });
said.over = box.scrollWidth > box.clientWidth;
said.hint = box.previousElementSibling.textContent;
box.scrollLeft = box.scrollWidth; box.dispatchEvent(new Event("scroll"));
said.after = [box.classList.contains("more"), box.previousElementSibling.textContent];
"""


@pytest.mark.parametrize("width", [1400, 420])
def test_what_scrolls_sideways_says_so(made: Path, tmp_path: Path, width: int) -> None:
    told = tell(page(read([made])), WIDE, tmp_path, width)
    assert told["faults"] == [] and told["agree"] and told["over"]
    assert told["narrow"] or width == 420
    assert "to the right" in told["hint"] and "right" not in told["after"][1]
    assert not told["after"][0]


@pytest.mark.parametrize("name", SENSORS)
def test_a_page_for_whatever_was_looked_through(name: str, made: Path, tmp_path: Path) -> None:
    """The columns hold points: a place that is more than a point is drawn without its glimpse."""
    run = tmp_path / "ram" / "seed-0"
    shutil.copytree(made / "ram" / "seed-0", run)
    result = json.loads((run / "result.json").read_text())
    options = {"size": 3, "scales": 1, "rows": 3, "columns": 3, "cover": 0.5}
    change(run / "result.json", world={**result["world"], **options, "sensor": name})
    text = page(read([run]))
    points = SENSORS[name](**OPTIONS[name]).places == 2
    assert ("what was seen, look by look" in text) == points


OPTIONS: dict[str, dict[str, Any]] = {
    name: {"rows": 3, "columns": 3} if name in ("cells", "patches", "pairs") else {"size": 3}
    for name in SENSORS
} | {"whole": {}, "crop": {"size": 3, "cover": 0.5}}
