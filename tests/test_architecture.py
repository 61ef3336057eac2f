import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE, SIDES = "hardattn", ("envs", "agents")
DRAWS = ("viz", "report")  # rooms that need what draws as soon as they are imported

# Each room of the core, and the rooms it may import. What is not written here may not be.
MAY = {
    "rng": "",
    "storage": "",
    "stats": "",
    "device": "",
    "distributions": "",
    "clustering": "",
    "noise": "",
    "layers": "",
    "maps": "noise",
    "blocks": "layers maps noise",
    "stochastic": "blocks distributions layers maps noise",
    "attention": "blocks stochastic",
    "data": "",
    "scenes": "data rng",
    "sensors": "",
    "tasks": "clustering",
    "world": "rng scenes sensors tasks",
    "catch": "data rng scenes sensors tasks world",
    "problem": "catch scenes sensors tasks world",
    "rollout": "distributions noise scenes world",
    "estimators": "distributions rollout scenes world",
    "export": "distributions rollout scenes world",
    "evaluation": "clustering data maps rollout scenes sensors tasks world",
    "viz": "evaluation scenes sensors",
    "training": "data estimators evaluation problem rng rollout scenes storage viz world",
    "report": "data evaluation problem scenes sensors stats storage viz",
}
# Packages beside torch, numpy and the standard library: inside functions, and at the top of a file;
# of a room, or of a single module in it.
LAZILY = {
    "data": {"sklearn", "PIL", "datasets"},
    "clustering": {"scipy", "sklearn"},
    "export": {"onnx_ir", "onnxruntime"},
    "training": {"tensorboard", "PIL", "rich"},
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
HEAVY += "onnx onnx_ir onnxruntime safetensors".split()
BRIDGES = ["stable_baselines3", "sb3_contrib"]
DRAWING = ["PIL", "plotly", "matplotlib"]


def python_files(root, *folders):
    return sorted(path for folder in folders for path in (root / folder).rglob("*.py"))


def dotted(root, path):
    """hardattn/world.py -> hardattn.world; envs/vector.py -> hardattn.envs.vector."""
    parts = path.relative_to(root).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join((CORE, *parts) if parts[0] in (*SIDES, "experiments") else parts)


def room(name):
    """hardattn.report.page.page -> report."""
    return (*name.split("."), "")[1]


def imports(root, path):
    """(dotted name, whether it is imported with the module itself, line) of each import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        or (isinstance(outer, ast.If) and ast.unparse(outer.test) == "TYPE_CHECKING")
        for node in ast.walk(outer)
    }
    package = dotted(root, path).split(".")
    package = package if path.name == "__init__.py" else package[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            source = ".".join([*start, *filter(None, [node.module])])
            names = [f"{source}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield name, id(node) not in inside, node.lineno


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
        ("hardattn/layers.py", "import torchvision"),
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


# The same of the experiments, whose rooms are files and folders. Each line of it may import those
# above, as its row says.
EXPERIMENTS_MAY = {
    "options": "",
    "recipe": "options",
    "folder": "",
    "recipes": "options recipe",
    "parse": "options recipe recipes",
    "build": "options recipe",
    "command": "recipe",
    "words": "parse recipe recipes",
    "timing": "recipe",
    "sources": "folder recipe",
    "states": "recipe",
    "committed": "recipe recipes",
    "run": "build folder recipe recipes sources timing words",
    "sb3": "recipe run timing",
    "trainers": "options recipe run sb3",
    "revive": "recipe recipes run sources trainers",
    "parallel": "folder parse recipe revive timing",
    "handed_on": "build committed folder recipe revive sources",
    "benchmarks": "build committed recipes run",
    "studies": "build committed folder parallel parse recipe recipes revive run sources trainers "
    "words",
    "completion": "recipe recipes",
    "commands": "command options parse recipe recipes words committed handed_on parallel run "
    "states studies benchmarks trainers",
    "cli": "command commands completion folder options",
    "__main__": "cli",
}
# What must be there before it is known what is to be done: it imports no torch.
LIGHT = "options recipe recipes parse command words completion commands cli".split()
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


def run(code, *options, cwd=ROOT, **environment):
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=cwd,
        env={"PATH": "", "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=1000,
    )


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
