import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image

import hardattn

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"hardattn": "hardattn"} | {
    side: f"hardattn/{side}" for side in ("envs", "agents", "experiments")
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Names inside a wheel built from a copy of the tree, offline, and the folder it lies in."""
    copy = tmp_path_factory.mktemp("tree") / "hardattn-copy"
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in (*FOLDERS, "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "conftest.py"):
        shutil.copy(ROOT / name, copy)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=1000,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (copy / "dist").iterdir()
    return path


def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_a_wheel_installs_one_name(wheel):
    assert wheel.name == f"hardattn-{hardattn.__version__}-py3-none-any.whl"
    info = f"hardattn-{hardattn.__version__}.dist-info"
    assert {name.split("/")[0] for name in names(wheel)} == {"hardattn", info}
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(f"{info}/top_level.txt").decode().split() == ["hardattn"]
        metadata = archive.read(f"{info}/METADATA").decode()
    assert "License-Expression: MIT" in metadata and f"Version: {hardattn.__version__}" in metadata


def test_a_wheel_holds_every_file_of_its_folders_and_no_other(wheel):
    wanted = {
        f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, inside in FOLDERS.items()
        for kind in ("py", "css", "js")
        for path in (ROOT / folder).rglob(f"*.{kind}")
    }
    wanted.add("hardattn/experiments/recipes/expected.json")  # and none of the results
    wanted |= {
        f"hardattn/experiments/{path.relative_to(ROOT / 'experiments').as_posix()}"
        for path in (ROOT / "experiments" / "shipped").glob("*/*")
    }
    wanted.add("hardattn/py.typed")
    assert {name for name in names(wheel) if ".dist-info/" not in name} == wanted
    wanted_too = {
        "hardattn/envs/__init__.py",
        "hardattn/agents/ram.py",
        "hardattn/report/page/assets/page.js",
    }
    assert wanted_too <= wanted


def test_an_unpacked_wheel_works_beside_foreign_envs_and_agents(wheel, tmp_path):
    """As with openai-agents installed: neither taken for ours nor overwritten."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    for name in ("envs", "agents"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("FOREIGN = True")
    code = """
import agents, envs, hardattn.agents.ram, hardattn.envs
assert agents.FOREIGN and envs.FOREIGN
assert hardattn.agents.__file__.endswith("agents/__init__.py".replace("/", __import__("os").sep))
assert not hasattr(hardattn.agents, "FOREIGN") and not hasattr(hardattn.envs, "FOREIGN")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=1000
    )
    assert done.returncode == 0, done.stderr


def test_an_unpacked_wheel_has_the_command(wheel, tmp_path):
    """Recipes with what they expect, and the folder that it is called in stays empty."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
        (entry,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
        script = archive.read(entry).decode().split("hardattn = ")[1].strip()
    module, function = script.split(":")
    (tmp_path / "empty").mkdir()

    def command(*words):
        return subprocess.run(
            [sys.executable, "-c", f"from {module} import {function}; {function}()", *words],
            cwd=tmp_path / "empty",
            env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
            capture_output=True,
            text=True,
            timeout=1000,
        )

    listed = command("list")
    assert (listed.returncode, listed.stderr) == (0, "") and "ram-digits " in listed.stdout
    assert "on " in command("list", "ram-digits").stdout.split("Expect: ")[1].splitlines()[0]
    done = command("results", "claims")
    assert done.returncode == 2 and "no committed results are installed" in done.stderr
    assert list((tmp_path / "empty").iterdir()) == []


def test_an_unpacked_wheel_looks_at_a_picture(wheel, tmp_path):
    """With the agents that lie in it, in an empty folder."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    (tmp_path / "empty").mkdir()
    photo = Image.effect_noise((90, 60), 80)
    photo.save(tmp_path / "photo.png")
    code = "from hardattn.experiments.cli import program; program()"
    words = ("look", "ram-digits", str(tmp_path / "photo.png"))
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=tmp_path / "empty",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        timeout=1000,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "photo.png: ram-digits says" in done.stdout
    assert [path.name for path in (tmp_path / "empty").iterdir()] == ["look.png"]


def test_constraints_pin_all_that_is_asked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(line.count("==") == 1 and "/" not in line and "+" not in line for line in pins)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in pins}
    asked = project["dependencies"] + project["optional-dependencies"]["dev"]
    assert {name.split(">=")[0].lower() for name in asked} <= pinned


def test_whoever_runs_the_tests_has_every_extra_that_they_do_not_skip_without():
    """`make test` installs [dev]: what an extra has beyond it is asked for by importorskip."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    lacking = {
        Requirement(one).name
        for name in extras.keys() - {"dev", "docs"}
        for one in extras[name]
        if one not in extras["dev"]
    }
    texts = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    assert lacking == {
        name for name in lacking if any(f'importorskip("{name}' in text for text in texts)
    }


def test_gymnasium_is_none_that_is_known_to_fail():
    """1.0 has no AutoresetMode; up to 1.3 every second episode in the same step counts short."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (asked,) = (one for one in map(Requirement, project["dependencies"]) if one.name == "gymnasium")
    assert not list(asked.specifier.filter(["0.29.1", "1.0.0", "1.1.1", "1.2.3", "1.3.0"]))
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    (pinned,) = (line.split("==")[1] for line in lines if line.startswith("gymnasium=="))
    assert pinned in asked.specifier
