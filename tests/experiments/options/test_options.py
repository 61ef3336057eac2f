"""Options are written once: in the signature and the Args of what takes them."""

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docstring_parser
import pytest

from hardattn.experiments import build
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.options import tables, wording
from hardattn.experiments.options.option import Option, UsageError, kinds_of
from hardattn.experiments.options.tables import GIVEN, PARTS
from hardattn.experiments.recipe import PLAIN, Recipe, Spec
from hardattn.experiments.recipes import RECIPES
from hardattn.report.format_1 import RENAMED

ROOT = Path(__file__).resolve().parents[3]
ROWS = [(part, name) for part in PARTS for name in tables.rows(part)]
# A recipe whose part can be any row.
OF = dict.fromkeys(PARTS, "ram-digits") | dict.fromkeys(PLAIN, "soft")
NOT_CHOSEN = {"scene": {"search"}}  # an agent would have to be told what to find


def own(call: Any) -> Any:
    """The function, or the class that has a constructor of its own."""
    if not inspect.isclass(call):
        return call
    return next(one for one in call.__mro__ if "__init__" in vars(one))


@pytest.mark.parametrize("part, name", ROWS)
def test_args_name_every_option_and_nothing_else(part: str, name: str) -> None:
    found = own(tables.row(part, name))
    if found.__module__.startswith("torch"):
        return  # a row without a constructor has nothing to choose
    function = vars(found)["__init__"] if inspect.isclass(found) else found
    takes = {
        each.name
        for each in inspect.signature(function).parameters.values()
        if each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD)
    }
    text = inspect.cleandoc(found.__doc__ or "")
    told = {one.arg_name: one.description for one in docstring_parser.google.parse(text).params}
    first = {"self", "agent", "world", "scenes", "generator", "split", "index"}
    first |= {"glimpse", "channels"} | ({"classes"} if part in ("agent", "head") else set())
    assert set(told) == takes - first, f"{part} {name}: its Args are not what it takes"
    assert all(told.values())


def another(option: Option) -> list[str]:
    """Words for a value of that kind."""
    if option.choices:
        return [str(option.choices[-1])]
    for kind in kinds_of(option.kind):
        if kind in (int, float, bool):
            return {int: ["8"], float: ["0.25"], bool: ["True"]}[kind]
    if option.name == "genotype":
        return ["(('skip',),)"]
    if option.name == "script":
        return ["random"]
    if option.name == "encoder":
        return ["mine:make"]
    return ["2", "3"]


@pytest.mark.parametrize("part, name", ROWS)
def test_every_option_of_every_row_can_be_set(part: str, name: str) -> None:
    if name in NOT_CHOSEN.get(part, ()):
        return
    base = [OF[part], f"--{part}", name]
    needed = {
        "canvas": "48",
        "size": "4",
        "rows": "4",
        "columns": "4",
        "cover": "0.5",
        "frames": "6",
    }
    takes = tables.options_of(part, name)
    for option in takes.values():
        if option.needed and option.name not in RECIPES[OF[part]].specs()[part].options:
            base += [f"--{option.name}", needed[option.name]]
    for option in takes.values():
        _, plain, _ = parse(base)
        (flag,) = [
            one.name for one in plain.flags() if (one.part, one.option.name) == (part, option.name)
        ]
        words = another(option)
        _, recipe, _ = parse([*base, f"--{flag.replace('_', '-')}", *words])
        value = recipe.specs()[part].get(option.name)
        assert value == wording.read(option, words), (part, name, option.name)
        assert recipe.settings()[flag] == value


@pytest.mark.parametrize("name", RECIPES)
def test_help_lists_what_the_rows_of_a_recipe_take_and_nothing_else(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = RECIPES[name]
    with pytest.raises(SystemExit) as leaving:
        parse([name, "--help"])
    assert not leaving.value.code
    lines = capsys.readouterr().out.splitlines()
    flags = [line.split()[0] for line in lines if line.startswith("  --")]
    assert len(flags) == len(set(flags))
    common = {"seed", "seeds", "device", "threads", "capture", "out", "root", "track", "again"}
    common |= {"config", "validate_only", *recipe.specs()}
    rows = {
        each for part, spec in recipe.specs().items() for each in tables.options_of(part, spec.name)
    }
    told = {flag.removeprefix("--").replace("-", "_") for flag in flags}
    for each in told - common:
        bare = next((each.removeprefix(f"{p}_") for p in PARTS if each.startswith(f"{p}_")), each)
        of_records = {flag.name for flag in recipe.flags() if flag.part not in recipe.specs()}
        assert each in of_records or bare in rows, each
    assert told >= common | {flag.name for flag in recipe.flags()}


@pytest.mark.parametrize("old, new", RENAMED.items())
def test_an_old_flag_is_refused_with_its_new_name(old: str, new: str) -> None:
    flag = new.replace("_", "-")
    with pytest.raises(UsageError, match=f"^--{old} is now called --{flag}$"):
        parse(["ram-digits", f"--{old}", "1"])


def test_whole_numbers_may_be_written_with_an_exponent() -> None:
    _, recipe, run = parse(["ram-digits", "--images", "1e5", "--seed", "2"])
    assert recipe.training.images == 100_000 and run.seed == 2
    with pytest.raises(UsageError, match=r"--images takes a whole number, not '1[.]5'"):
        parse(["ram-digits", "--images", "1.5"])


def test_options_of_one_name_are_told_apart_by_their_part() -> None:
    words = ["soft", "--block", "em_attention", "--block-momentum", "0.5", "--momentum", "0.8"]
    _, recipe, _ = parse(words)
    assert recipe.training.momentum == 0.8
    assert recipe.specs()["block"] == Spec("em_attention", momentum=0.5)


def test_options_of_bases_are_explained_too() -> None:
    """A constructor that passes on what it does not know takes what its bases take."""
    found = tables.options_of("agent", "player")
    assert found["std"].help and found["core"].choices == ("rnn", "gru", "lstm")
    assert "head" not in found and "reach" not in found


MINE = '''
"""What somebody else has written."""

from torch import nn

from hardattn.agents import RAM
from hardattn.estimators.score_function import reinforce
from hardattn.sensors import Retina
from hardattn.stochastic.gaussian_attention import GaussianAttention


class Mine(RAM):
    """RAM of another kind.

    Args:
        twist: How far it turns.
    """

    def __init__(self, glimpse, classes, *, looks, twist: float = 0.5, **options):
        super().__init__(glimpse, classes, **options)
        self.twist, self.looks = twist, looks


def louder(agent, world, scenes, generator=None, *, volume: int = 2):
    """REINFORCE, louder.

    Args:
        volume: How loud.
    """
    loss = reinforce(agent, world, scenes, generator)
    return loss._replace(total=volume * loss.total)


class Eye(Retina):
    """A retina of another name."""


class Scale(nn.Module):
    """A block that scales.

    Args:
        by: How far.
    """

    def __init__(self, channels: int, *, by: float = 2.0):
        super().__init__()
        self.by = by

    def forward(self, x):
        return self.by * x


class Head(GaussianAttention):
    """A head of another name."""
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "somebody").mkdir()
    (tmp_path / "somebody" / "__init__.py").write_text("")
    (tmp_path / "somebody" / "things.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("somebody", "somebody.things"):
        sys.modules.pop(name, None)
    return tmp_path


def built(recipe: Recipe) -> tuple[Any, Any]:
    world, _, _ = build.built(recipe.problem, [*"0123456789"], (1, 8, 8))
    image = (1, 48, 48)
    agent = build.agent(recipe.agent, world.sensor.shape(image), world, image)
    assert recipe.estimator is not None
    return agent, build.estimator(recipe.estimator, agent, world)


def test_rows_of_ones_own_go_everywhere(mine: Path) -> None:
    words = ["--agent", "somebody.things:Mine", "--twist", "0.25", "--hidden", "12"]
    words += ["--sensor=somebody.things:Eye", "--estimator", "somebody.things:louder"]
    name, recipe, _ = parse(["ram-digits", *words, "--volume", "3", "--size", "5"])
    assert recipe.specs()["sensor"] == Spec("somebody.things:Eye", size=5, scales=3)
    agent, estimator = built(recipe)
    assert (agent.twist, agent.looks, agent.std) == (0.25, 6, 0.2)
    assert estimator.keywords == {"volume": 3}
    assert recipe.settings()["agent"] == "somebody.things:Mine" and "volume=3" in name
    blocks = ["--block", "somebody.things:Scale", "--by", "3", "--head", "somebody.things:Head"]
    _, soft, _ = parse(["soft", *blocks, "--cells", "4"])
    agent, _ = built(soft)
    assert [one.by for one in agent.modules() if type(one).__name__ == "Scale"] == [3.0]
    assert type(agent.head).__name__ == "Head"


def test_a_row_of_ones_own_that_cannot_be_had_is_one_line(mine: Path) -> None:
    for words, answer in (
        (["--agent", "nobody:Mine"], "--agent nobody:Mine: cannot be imported"),
        (["--sensor", "somebody.things:Nose"], "cannot be imported ... Nose"),
        (["--estimator", "somebody.things:__doc__"], "a str, which nobody can call"),
        (["--agent", "somebody.things:Mine", "--twits", "1"], "no field 'twits': perhaps twist"),
        (["--scene", "somebody.things:Eye"], "no scene is called"),
    ):
        with pytest.raises(UsageError) as fault:
            parse(["ram-digits", *words])
        assert "\n" not in str(fault.value)
        for part in answer.split(" ... "):
            assert part in str(fault.value)


def test_a_run_of_ones_own_agent_is_trained_from_the_command_line(mine: Path) -> None:
    command = [sys.executable, "-m", "hardattn.experiments", "train", "ram-digits"]
    command += ["--agent", "somebody.things:Mine", "--twist", "1", "--images", "16"]
    command += ["--batch-size", "8", "--test-draws", "1", "--device", "cpu", "--out", "runs"]
    done = subprocess.run(
        command, cwd=mine, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (path,) = mine.rglob("result.json")
    result = json.loads(path.read_text())
    assert result["recipe"]["agent"] == "somebody.things:Mine" and result["recipe"]["twist"] == 1


def environment() -> dict[str, str]:
    import os

    return os.environ | {"PYTHONPATH": str(ROOT)}


def test_settings_may_come_from_a_file(tmp_path: Path) -> None:
    """The recipe.json of a run, old or new, or YAML; what the command line says counts more."""
    from hardattn.experiments.records.claim import plain

    _, wanted, _ = parse(["ram-digits", "--estimator", "ppo", "--clip-range", "0.1", "--lr=0.5"])
    told = plain(wanted.settings()) | {"seed": 3}
    (tmp_path / "recipe.json").write_text(json.dumps(told))
    _, recipe, run = parse(["ram-digits", "--config", str(tmp_path / "recipe.json")])
    assert recipe.settings() == wanted.settings() and run.seed == 3
    (tmp_path / "some.yaml").write_text("estimator: ppo\nratio: 0.1\nbatch: 32\nimages: 1e4\n")
    _, recipe, _ = parse(["ram-digits", "--config", str(tmp_path / "some.yaml"), "--images", "64"])
    assert recipe.estimator == Spec("ppo", clip_range=0.1)
    assert (recipe.training.images, recipe.training.batch_size) == (64, 32)
    (tmp_path / "wrong.yaml").write_text("colour: red\n")
    for name in ("wrong.yaml", "missing.json"):
        with pytest.raises(UsageError) as fault:
            parse(["ram-digits", "--config", str(tmp_path / name)])
        assert "\n" not in str(fault.value)


@pytest.mark.parametrize("name", list(RECIPES))
def test_what_a_run_keeps_is_its_recipe_again(name: str, tmp_path: Path) -> None:
    """recipe.json as `claim` writes it, by --config."""
    from hardattn.experiments.records.claim import claim

    agrees(name, [], tmp_path, claim)


@pytest.mark.parametrize(
    "words",
    [
        "--filters None",
        "--agent spread_ram --std-end None",
        "--max-grad-norm inf --lr 0.5",
        "--estimator ppo --clip-range 0.1",
        "--train-fraction 0.5",
    ],
)
def test_what_a_run_keeps_is_what_was_changed_in_it(words: str, tmp_path: Path) -> None:
    from hardattn.experiments.records.claim import claim

    agrees("ram-digits", words.split(), tmp_path, claim)


def agrees(name: str, words: list[str], folder: Path, claim: Callable[..., None]) -> None:
    called, wanted, run = parse([name, *words, "--seed", "3"])
    claim(folder, called, wanted, run, "a command")
    again, recipe, found = parse([name, "--config", str(folder / "recipe.json")])
    assert (again, recipe.settings(), found.seed) == (called, wanted.settings(), 3)


def test_nothing_that_is_given_can_be_chosen() -> None:
    for part, name in ROWS:
        assert not tables.options_of(part, name).keys() & set(GIVEN[part])
