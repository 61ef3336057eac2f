"""Who is whose control, and who does not beat it."""

import json
import re
from pathlib import Path

from hardattn.report.controls import controls
from hardattn.report.findings import findings
from hardattn.report.render.markdown import markdown
from hardattn.report.rows import tables
from hardattn.report.runs import Group, Run, read
from hardattn.report.strongest import control_of
from tests.support.runs import SCENES, change, rewritten, told as told_by


def of(runs: Path, name: str) -> tuple[Group, list[Group]]:
    """A group of runs, and all."""
    groups = read([runs])
    return next(one for one in groups if one.name == name), groups


def strongest(group: Group, here: list[Group]) -> str | None:
    """The name of the run that is its control."""
    found = control_of(group, here)
    return None if found is None else found.name


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
    found = {name: strongest(group, [*groups.values()]) for name, group in groups.items()}
    assert found == {
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
    assert strongest(groups["dram"], [*groups.values()]) is None
    del groups["random"], groups["random-wide"]
    assert strongest(groups["ram"], [*groups.values()]) == "centre"
    del groups["centre"]
    assert strongest(groups["ram"], [*groups.values()]) is None


def test_an_older_result_has_a_control_that_tells_more_of_its_world(runs: Path) -> None:
    for file in (runs / "random").rglob("result.json"):
        change(file, world={**json.loads(file.read_text())["world"], "source": [1, 8, 8]})
    assert strongest(*of(runs, "ram")) == "random"


def test_a_share_is_a_script_s_own_where_the_learned_one_has_none(runs: Path) -> None:
    """Fixed patches are stronger than random ones, and so the control of who chooses patches."""
    rewritten(runs / "random", runs, "fixed", 0.30, script="centre", share=0.1)
    assert strongest(*of(runs, "ram")) == "fixed"
    rewritten(runs / "random", runs, "all", 0.10, script="raster", share=1.0)
    assert strongest(*of(runs, "ram")) == "fixed"
    rewritten(runs / "ram", runs, "half", 0.20, share=0.5)
    assert strongest(*of(runs, "half")) != "fixed"


def test_a_run_that_names_its_controls_has_these_and_no_other(runs: Path) -> None:
    ram = runs / "ram"
    rewritten(ram, runs, "twin", 0.40, agent="Dense")
    rewritten(ram, runs, "attending", 0.20, agent="Dense")
    for file in (runs / "attending").rglob("result.json"):
        change(file, compared_with=["twin", "not-run"])
    groups = {group.name: group for group in read([runs])}
    assert strongest(groups["attending"], [*groups.values()]) == "twin"
    del groups["twin"]
    assert strongest(groups["attending"], [*groups.values()]) is None


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
    from hardattn.experiments.records.claim import plain
    from hardattn.experiments.run import _world

    wanted: dict[str, str | None] = {f"{name}-digits": f"random-{name}-digits" for name in OWN}
    wanted |= {f"{name}-digits": f"random-{other}-digits" for name, other in SHARED.items()}
    plain_ram = "random-ram-learned-baseline-digits"
    wanted |= {f"{name}-digits": plain_ram for name in RAMS.split()} | {
        "ram-digits": "random-digits"
    }
    wanted |= {f"{name}-digits": None for name in ("oracle", "mlp", "cnn", "conv-2014", "random")}
    wanted[plain_ram] = None
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
        found = [one.name for one in controls(group, groups)]
        assert found == [*filter(None, [wanted.get(group.name)])], group.name


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
