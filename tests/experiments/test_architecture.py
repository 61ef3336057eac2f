"""The rooms of experiments, and who may import whom."""

import sys

import pytest

from tests.support.imports import CORE, ROOT, dotted, imports, python_files, run

# The same of the experiments, whose rooms are files and folders. Each line of it may import those
# above, as its row says.
EXPERIMENTS_MAY = {
    "kinds": "",
    "options": "kinds",
    "recipe": "kinds options",
    "recipes": "kinds options recipe",
    "measure": "kinds",
    "build": "kinds options recipe",
    "command_line": "kinds options recipe recipes",
    "records": "command_line kinds recipe recipes",
    "run": "build command_line kinds measure recipe recipes records",
    "trainers": "build kinds options recipe records run",
    "revive": "build kinds measure recipe recipes records run trainers",
    "sweeps": "command_line kinds options recipe recipes records revive run",
    "sharing": "build kinds recipe records revive",
    "benchmarks": "build kinds recipe recipes records run",
    "studies": "build command_line kinds measure options recipe recipes records revive run "
    "sharing sweeps trainers",
    "commands": "benchmarks command_line kinds options recipe recipes records run sharing "
    "studies sweeps trainers",
    "cli": "command_line commands options records",
    "__main__": "cli",
}


# What must be there before it is known what is to be done: it imports no torch.
LIGHT = "kinds options recipe recipes command_line commands cli".split()


QUICK = {"tyro", *sys.stdlib_module_names}


SLIM = ("hardattn.report.titles.", "hardattn.report.format_1.", "hardattn.training.options.")


def room_of_experiments(name):
    """hardattn.experiments.studies.figures -> studies; "" of what is none of them."""
    parts = name.split(".")
    return parts[2] if parts[:2] == [CORE, "experiments"] and len(parts) > 2 else ""


def quick(name):
    """Whether what is imported needs no torch itself."""
    return name.split(".")[0] in QUICK or f"{name}.".startswith(SLIM)


def of_sb3(name):
    """Whether it needs Stable-Baselines3, which takes its time to be imported."""
    return name.rpartition(".")[0] in ("hardattn.envs.sb3", "hardattn.agents.sb3")


def faults_of_experiments(root):
    """Every import among the experiments that goes against their direction."""
    found, graph = [], {}
    paths = {dotted(root, path): path for path in python_files(root, "experiments")}
    for module, path in paths.items():
        here = room_of_experiments(module)
        for name, eager, line in imports(root, path):
            why, there = None, room_of_experiments(name)
            target = next((one for one in (name, name.rpartition(".")[0]) if one in paths), "")
            if target and there:
                graph.setdefault(module, set()).add(target)
            if name.split(".")[0] == "experiments":
                why = "imports a second copy"
            elif there and there != here and there not in EXPERIMENTS_MAY.get(here, "").split():
                why = f"{here or 'experiments'} may not import {there}"
            elif there == here == "commands":
                why = "a command imports another"
            elif eager and here in LIGHT and not there and not quick(name):
                why = f"{here}, which is to be quick, imports {name} at the top of a file"
            elif eager and here in LIGHT and there and there not in LIGHT:
                why = f"{here}, which is to be quick, imports {there} at the top of a file"
            elif not eager and here not in LIGHT and name.startswith(CORE) and not of_sb3(name):
                why = f"{name} is imported inside a function, which saves nothing here"
            if why:
                found.append(f"{path.relative_to(root)}:{line}: {why}")
    while ends := {one for one in graph if not graph[one] & graph.keys() - {one}}:
        graph = {one: to for one, to in graph.items() if one not in ends}
    return found + [f"{one} is in a circle, or imports one" for one in sorted(graph)]


def test_imports_of_experiments_go_one_way():
    assert faults_of_experiments(ROOT) == []
    rooms = {room_of_experiments(dotted(ROOT, path)) for path in python_files(ROOT, "experiments")}
    assert rooms - {""} == set(EXPERIMENTS_MAY)
    for name, may in EXPERIMENTS_MAY.items():
        assert name not in may.split()
    done = []
    while ready := [
        name
        for name, may in EXPERIMENTS_MAY.items()
        if name not in done and set(may.split()) <= {*done}
    ]:
        done += ready
    assert set(done) == set(EXPERIMENTS_MAY)


@pytest.mark.parametrize(
    "path, line",
    [
        ("recipes/new.py", "import torch"),
        ("recipes/new.py", "from hardattn.world import World"),
        ("recipes/new.py", "from ..run import execute"),
        ("recipe.py", "from .recipes import RECIPES"),
        ("studies/new.py", "from ..commands.train import run"),
        ("studies/new.py", "def f():\n    from ..commands import train"),
        ("studies/new.py", "def f():\n    from ..run import execute"),
        ("studies/new.py", "from ..cli import main"),
        ("commands/new.py", "from .train import run"),
        ("commands/new.py", "def f():\n    from .train import run"),
        ("commands/new.py", "from ..run import execute"),
        ("commands/new.py", "import numpy"),
        ("commands/new.py", "from hardattn.report.runs import read"),
        ("run.py", "from .revive import RunLoader"),
        ("unknown.py", "from .run import execute"),
        ("run.py", "import experiments.recipe"),
        ("benchmarks/new.py", "from ..studies.figures import figures"),
    ],
)
def test_a_planted_import_of_experiments_is_caught(tmp_path, path, line):
    file = tmp_path / "experiments" / path
    file.parent.mkdir(parents=True)
    file.write_text(line)
    assert len(faults_of_experiments(tmp_path)) == 1


def test_a_circle_of_experiments_is_caught(tmp_path):
    folder = tmp_path / "experiments" / "studies"
    folder.mkdir(parents=True)
    for one, other in (("a", "b"), ("b", "c"), ("c", "a")):
        (folder / f"{one}.py").write_text(f"from .{other} import x")
    assert len(faults_of_experiments(tmp_path)) == 3
    (folder / "c.py").write_text("from ..run import x")
    assert faults_of_experiments(tmp_path) == []


def test_the_light_rooms_import_no_torch():
    names = [dotted(ROOT, path) for path in python_files(ROOT, "experiments")]
    light = [name for name in names if room_of_experiments(name) in LIGHT]
    code = f"""
import importlib, sys
for name in {light}:
    importlib.import_module(name)
heavy = [name for name in ("torch", "numpy", "plotly", "stable_baselines3") if name in sys.modules]
assert not heavy, heavy
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
