import ast
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.imports import CORE, ROOT, SIDES, dotted, imports, python_files, run

DRAWS = ("viz", "report")  # rooms that need what draws as soon as they are imported


# Each room of the core, and the rooms it may import. What is not written here may not be.
MAY = {
    "rng": "",
    "storage": "",
    "statistics": "",
    "device": "",
    "distributions": "",
    "clustering": "",
    "noise": "",
    "episode": "noise",
    "nn": "episode noise",
    "maps": "noise",
    "blocks": "maps nn noise",
    "stochastic": "blocks distributions maps nn noise",
    "attention": "blocks stochastic",
    "decoders": "blocks maps",
    "data": "",
    "scenes": "data rng",
    "sensors": "scenes",
    "tasks": "clustering",
    "world": "data rng scenes sensors tasks",
    "catch": "data rng scenes sensors tasks world",
    "problem": "catch scenes sensors tasks world",
    "rollout": "distributions episode nn noise scenes world",
    "estimators": "distributions nn rollout scenes world",
    "export": "distributions rollout scenes world",
    "evaluation": "clustering data maps rollout scenes sensors tasks world",
    "looking": "data distributions evaluation maps rollout scenes sensors tasks world",
    "viz": "evaluation looking scenes sensors",
    "training": "data estimators evaluation problem rng rollout scenes storage tasks viz world",
    "report": "data evaluation problem scenes sensors statistics storage viz",
}


# Packages beside torch, numpy and the standard library: inside functions, and at the top of a file;
# of a room, or of a single module in it.
LAZILY = {
    "data": {"PIL", "datasets"},
    "clustering": {"scipy", "sklearn"},
    "export": {"onnx_ir", "onnxruntime"},
    "training": {"tensorboard", "PIL", "rich", "mlflow", "wandb"},
    "report": {"rich"},
    "envs": {"PIL", "matplotlib"},
}


AT_THE_TOP = {
    "viz": {"PIL", "matplotlib"},
    "report": {"PIL", "plotly", "matplotlib"},
    "envs": {"gymnasium"},
    "envs.sb3": {"stable_baselines3"},
}


ALWAYS = {"torch", "numpy", *sys.stdlib_module_names}


BANNED_STEMS = {"util", "utils", "helper", "helpers", "common", "base", "manager", "managers"}


# What the core must not need to be imported; and what only drawing rooms may need.
HEAVY = "torchvision timm sklearn scipy tensorboard datasets tyro yaml rich".split()
HEAVY += "onnx onnx_ir onnxruntime safetensors mlflow wandb".split()


BRIDGES = ["stable_baselines3", "sb3_contrib"]


DRAWING = ["PIL", "plotly", "matplotlib"]


def room(name):
    """hardattn.report.page.page -> report."""
    return (*name.split("."), "")[1]


def faults(root):
    """Every import that goes against the direction of the house, as `file:line: why`."""
    found = []
    for path in python_files(root, CORE, *SIDES):
        module = dotted(root, path)
        here = room(module)
        for name, eager, line in imports(root, path):
            first, there = name.split(".")[0], room(name)
            why = None
            if first in ("experiments", "tests", *SIDES) or (first, there) == (CORE, "experiments"):
                why = f"imports {first}"
            elif first == CORE:
                if there in SIDES and there != here:
                    why = f"{here} imports {there}"
                elif eager and there in DRAWS and here not in DRAWS:
                    why = f"{there}, which draws, is imported at the top of a file"
                elif here not in SIDES and there not in (here, *MAY.get(here, "").split()):
                    why = f"{here or CORE} may not import {there or CORE}"
            elif first not in ALWAYS:
                places = here, module.removeprefix(f"{CORE}.")
                allowed = set().union(*(AT_THE_TOP.get(place, ()) for place in places))
                if first not in (allowed if eager else allowed | LAZILY.get(here, set())):
                    why = f"{here} may not import {first}{' at the top of a file' * eager}"
            if why:
                found.append(f"{path.relative_to(root)}:{line}: {why}")
    return found


def test_imports_go_one_way():
    assert faults(ROOT) == []


def test_every_room_is_in_the_table_and_the_table_has_no_cycle():
    rooms = {room(dotted(ROOT, path)) for path in python_files(ROOT, CORE)} - {""}
    assert rooms - set(MAY) == set()
    done = []
    while ready := [name for name in MAY if name not in done and set(MAY[name].split()) <= {*done}]:
        done += ready
    assert set(done) == set(MAY)


@pytest.mark.parametrize(
    "path, line",
    [
        ("hardattn/world.py", "from hardattn.training.loop import train"),
        ("hardattn/world.py", "from .rollout import rollout"),
        ("hardattn/world.py", "from hardattn import rollout"),
        ("hardattn/world.py", "import hardattn.estimators.relaxed"),
        ("hardattn/report/new.py", "from ..training.loop import train"),
        ("hardattn/estimators/new.py", "def f():\n    from hardattn.training.loop import train"),
        ("hardattn/unknown.py", "import hardattn.world"),
        ("hardattn/__init__.py", "from hardattn.world import World"),
        ("hardattn/training/loop.py", "from hardattn.agents import RAM"),
        ("hardattn/training/loop.py", "import experiments.run"),
        ("hardattn/training/loop.py", "from hardattn.experiments import run"),
        ("agents/new.py", "from hardattn.envs import vector"),
        ("agents/new.py", "from ..envs.vector import Vector"),
        ("envs/new.py", "from hardattn import agents"),
        ("envs/new.py", "import agents"),
        ("agents/new.py", "from experiments import recipes"),
        ("hardattn/data/images.py", "from PIL import Image"),
        (
            "hardattn/data/digits.py",
            "try:\n    import sklearn.datasets\nexcept ImportError:\n    pass",
        ),
        ("hardattn/world.py", "def f():\n    import PIL"),
        ("hardattn/nn/layers.py", "import torchvision"),
        ("hardattn/training/log.py", "from hardattn.viz.pictures import sheet"),
        ("hardattn/report/new.py", "import rich"),
        ("agents/new.py", "import gymnasium"),
        ("envs/new.py", "import stable_baselines3"),
        ("agents/sb3.py", "import stable_baselines3"),
    ],
)
def test_a_planted_import_is_caught(tmp_path, path, line):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(line)
    assert len(faults(tmp_path)) == 1


@pytest.mark.parametrize(
    "path, line",
    [
        ("hardattn/world.py", "import torch, math\nfrom hardattn.scenes import Scenes"),
        ("hardattn/estimators/new.py", "from hardattn.estimators.relaxed import pathwise"),
        ("hardattn/estimators/__init__.py", "from .relaxed import pathwise"),
        ("hardattn/data/images.py", "def f():\n    import PIL.Image"),
        ("hardattn/training/log.py", "def f():\n    from hardattn.viz.pictures import sheet"),
        ("agents/new.py", "from ..world import World\nfrom .ram import RAM"),
        ("envs/new.py", "import gymnasium\nfrom hardattn.world import World"),
        ("envs/sb3.py", "import gymnasium\nfrom stable_baselines3 import PPO"),
    ],
)
def test_a_proper_import_is_let_through(tmp_path, path, line):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(line)
    assert faults(tmp_path) == []


def comparisons(source, names):
    """Lines on which a program compares with, or looks in, words one of which is such a name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            # What is looked up in a table may be any word; what a word is compared with may not.
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        else:
            continue
        words = {word.value for side in sides for word in ast.walk(side) if is_word(word)}
        found |= {node.lineno} if words & set(names) else set()
    return sorted(found)


def is_word(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_no_scene_is_told_by_its_name():
    """All that hangs on the name of a scene stands in its row of SCENES."""
    from hardattn.problem import SCENES

    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in python_files(ROOT, CORE, *SIDES, "experiments")
        for line in comparisons(path.read_text(encoding="utf-8"), SCENES)
    ]
    assert found == []
    for planted in (
        'scene == "catch"',
        '"plain" != scene',
        'scene in ("search", "other")',
        'scene not in {"pair": 1}',
        'problem.scene.lower() == "localise"',
        'match scene:\n    case "sequence" | "plain":\n        pass',
    ):
        assert comparisons(planted, SCENES) == [2 if "match" in planted else 1], planted
    for fine in (
        'SCENES["catch"]',
        'kind == "class"',
        'f(scene="pair")',
        '{"plain": 1}.get(scene)',
    ):
        assert comparisons(fine, SCENES) == []


def test_no_file_is_named_for_nothing():
    paths = [
        path for folder in (CORE, *SIDES, "experiments") for path in (ROOT / folder).rglob("*")
    ]
    assert [path for path in paths if path.stem in BANNED_STEMS] == []


def test_every_module_imports_without_the_optional_packages():
    names = [dotted(ROOT, path) for path in python_files(ROOT, CORE, *SIDES)]
    assert {"hardattn.data", "hardattn.world", "hardattn.envs", "hardattn.agents.ram"} <= set(names)
    code = f"""
import importlib, sys
for name in {HEAVY + DRAWING + BRIDGES}:
    sys.modules[name] = None
for name in {[name for name in names if room(name) not in DRAWS and name != "hardattn.envs.sb3"]}:
    importlib.import_module(name)
for name in {DRAWING + BRIDGES}:
    del sys.modules[name]
for name in {names}:
    importlib.import_module(name)
twice = [name for name in sys.modules if name.split(".")[0] in {(*SIDES, "experiments")}]
assert not twice, twice
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_hardattn_alone_is_light_and_tames_openmp():
    code = """
import os, sys
import hardattn
assert "torch" not in sys.modules and "numpy" not in sys.modules
assert os.environ["OMP_WAIT_POLICY"] == sys.argv[1]
"""
    code = code.replace("sys.argv[1]", "os.environ['WANTED']")
    assert run(code, WANTED="passive").returncode == 0
    assert run(code, WANTED="active", OMP_WAIT_POLICY="active").returncode == 0


def test_an_uninstalled_checkout_works(tmp_path):
    """A copy of the tree, with no installed copy in sight and with one."""
    import torch

    for folder in (CORE, *SIDES, "experiments"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.pyc"))
    code = f"""
import sys
import hardattn.agents.ram, hardattn.envs, hardattn.experiments
from pathlib import Path
for name, module in list(sys.modules.items()):
    if name.split(".")[0] == "hardattn":
        assert Path(module.__file__).is_relative_to({str(tmp_path)!r}), module.__file__
for name in ("hardattn.tests", "hardattn.hardattn"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{{name}} is a second copy")
"""
    # With -S no .pth file is read, so an editable install is out of sight.
    packages = str(Path(torch.__file__).parent.parent)
    for options, environment in ((["-S"], {"PYTHONPATH": packages}), ([], {})):
        done = run(code, *options, cwd=tmp_path, **environment)
        assert done.returncode == 0, done.stderr


def test_no_machine_paths():
    machine = re.compile(r"(?<![\w.~-])/(home|root|Users|work|mnt|opt)/\w|[A-Z]:\\Users")
    assert machine.search('open("/' + 'home/me/data")') and machine.search("in /" + "opt/x")
    assert not machine.search("https://example.org/home/page and ../work/x")
    kinds = {".py", ".md", ".toml", ".txt", ".json", ".jsonl", ".yaml", ".yml", ".csv", ""}
    found = []
    for top in (
        CORE,
        *SIDES,
        "experiments",
        "tests",
        ".ci",
        *(p.name for p in ROOT.iterdir() if p.is_file() and p.name != ".git"),  # a worktree's
    ):
        path = ROOT / top
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file() and file.suffix in kinds and "__pycache__" not in file.parts:
                text = file.read_text(encoding="utf-8", errors="replace")
                found += [f"{file.relative_to(ROOT)}: {m[0]}" for m in machine.finditer(text)]
    assert found == []
