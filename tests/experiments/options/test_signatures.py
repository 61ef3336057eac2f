"""What is read from source is what a program that imports it would find."""

import functools
import inspect
import operator
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import docstring_parser
import pytest
from torch import nn

from hardattn.experiments.options import signatures, tables, wording
from hardattn.experiments.options.option import UsageError, _named, takes
from hardattn.experiments.options.tables import GIVEN, PARTS
from hardattn.training.loop import KEEP
from hardattn.training.optimizers import OPTIMIZERS, SCHEDULES
from hardattn.world import CONTEXTS, FIRST_LOOKS

ROOT = Path(__file__).resolve().parents[3]
CALL = get_origin(Callable[..., Any])
ROWS = [(part, name) for part in PARTS for name in tables.rows(part)]


def imported(call: Callable[..., Any]) -> dict[str, tuple[Any, Any, str]]:
    """Kind, default and help of all that can be given by name, asked of the living thing."""
    line = call.__mro__ if inspect.isclass(call) else (call,)
    helps: dict[str, str] = {}
    for each in line:
        if not each.__module__.startswith(("builtins", "torch.")):
            text = inspect.cleandoc(each.__doc__ or "")
            for one in docstring_parser.google.parse(text).params:
                helps.setdefault(one.arg_name, " ".join((one.description or "").split()))
    functions = [call]
    if inspect.isclass(call):
        functions = [vars(each)["__init__"] for each in line if "__init__" in vars(each)]
    found: dict[str, tuple[Any, Any, str]] = {}
    for function in functions:
        hints, passes_on = get_type_hints(function), False
        for each in inspect.signature(function).parameters.values():
            passes_on |= each.kind is each.VAR_KEYWORD
            named = each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD)
            if named and each.name not in ("self", *found):
                told = helps.get(each.name, "")
                found[each.name] = (sayable(hints.get(each.name, str)), each.default, told)
        if not passes_on:
            break
    return found


def sayable(kind: Any) -> Any:
    """A kind, of a union those that words can say: no module, and no function."""
    if get_origin(kind) not in (Union, types.UnionType):
        return kind
    said = [one for one in get_args(kind) if one is not nn.Module and get_origin(one) is not CALL]
    return functools.reduce(operator.or_, said)


def test_of_a_union_what_words_can_say_stays() -> None:
    taken = takes(("hardattn.agents", "SoftAgent"))["backbone"]
    assert taken.choices == ("cnn", "vit", "vit_32") and wording.plugs_in(taken, "mine:make")
    assert takes(("hardattn.agents", "RAM"))["encoder"].kind == str | None


@pytest.mark.parametrize("part, name", ROWS)
def test_the_options_of_every_row_are_those_of_its_signature(part: str, name: str) -> None:
    wanted = imported(tables.row(part, name))
    found = takes(tables.place(part, name), GIVEN[part])
    assert [*found] == [each for each in wanted if each not in GIVEN[part]]
    for each in found.values():
        assert (each.kind, each.default, each.help) == wanted[each.name], each.name
    assert tables.given_to(part, name) == tuple(each for each in GIVEN[part] if each in wanted)


def test_the_tables_are_those_that_are_imported() -> None:
    from hardattn import agents, attention, estimators, problem, sensors

    imported: dict[str, Any] = {
        "scene": problem.SCENES,
        "sensor": sensors.SENSORS,
        "agent": agents.AGENTS,
        "estimator": estimators.ESTIMATORS,
        "block": {"none": agents.no_block, **attention.BLOCKS},
        "head": {"mean": agents.MeanPool, **attention.HEADS},
    }
    for part in PARTS:
        made = {name: getattr(one, "make", one) for name, one in imported[part].items()}
        assert {name: tables.row(part, name) for name in tables.rows(part)} == made, part
    words = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "keep": KEEP}
    words |= {"first": FIRST_LOOKS, "context": CONTEXTS}
    assert _named() == {name: tuple(one) for name, one in words.items()}
    assert signatures.words("hardattn.agents", "SEE_ALL") == agents.SEE_ALL


def test_no_help_and_no_answer_to_a_wrong_word_needs_torch() -> None:
    code = """
import sys
import types
from hardattn.experiments.cli import main
from hardattn.experiments.recipes import RECIPES
for name in RECIPES:
    assert main(["train", name, "--help"]) == 0, name
assert main(["train", "soft", "--block", "em_attention", "--head", "retain", "--help"]) == 0
assert main(["train", "ram-digits", "--estimator", "ppo", "--bases", "3"]) == 2
assert main(["train", "ram-digits", "--estimator", "poo"]) == 2
heavy = {"torch", "numpy", "plotly", "sklearn", "stable_baselines3"} & {*sys.modules}
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


SOURCE = '''
import math
from typing import Generic, Literal, TypeVar

import torch
from torch import nn

from . import words as told
from .words import *
from .words import Speed as Pace

T = TypeVar("T")
FEW = (1, 2)
if True:
    import os


class Above:
    """What is above.

    Args:
        pace: How fast.
        far: How far.
    """

    def __init__(self, pace: Pace = "slow", *, far: "int | None" = None):
        pass


class Beside(Generic[T]):
    def __init__(self, *, side: float = -math.inf, **more):
        super().__init__(**more)


class Mine(Beside[int], Above, nn.Module):
    """Mine.

    Args:
        far: Farther.
        net: Of its own.
    """

    def __init__(self, glimpse, few: tuple[int, ...] = FEW, *, net: nn.Module = nn.ReLU(), **more):
        super().__init__(**more)


class Wide(nn.Linear):
    """As it is."""


Other = told.Spoken
made = type("Made", (), {})
'''
WORDS = """
from typing import Literal

Speed = Literal["slow", "fast"]


class Spoken:
    def __init__(self, *, loud: bool = not False): ...
"""


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    package = f"package_{tmp_path.name}".replace("-", "_")
    (tmp_path / package).mkdir()
    for name, text in (("__init__", ""), ("things", SOURCE), ("words", WORDS)):
        (tmp_path / package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return f"{package}.things"


def test_what_is_read_of_source_of_ones_own(somewhere: str) -> None:
    empty, found = inspect.Parameter.empty, takes((somewhere, "Mine"))
    read = {name: (each.kind, each.default, each.help) for name, each in found.items()}
    assert read.pop("side") == (float, -float("inf"), "")
    assert read.pop("far") == (int | None, None, "Farther.")
    assert read.pop("few") == (tuple[int, ...], (1, 2), "")
    assert read.pop("net") == (str, None, "Of its own.")  # to be known by running it alone
    assert read == {
        "glimpse": (str, empty, ""),
        "pace": (Literal["slow", "fast"], "slow", "How fast."),
    }
    assert somewhere not in sys.modules


def test_what_is_imported_is_followed(somewhere: str) -> None:
    for name in ("Other", "Spoken"):
        (option,) = takes((somewhere, name)).values()
        assert (option.name, option.kind, option.default) == ("loud", bool, True)
    assert takes((somewhere, "Above"))["pace"].choices == ("slow", "fast")
    wide = takes((somewhere, "Wide"))
    assert (wide["in_features"].kind, wide["bias"].default) == (int, True)


@pytest.mark.parametrize("name", ["made", "Nobody", "FEW", "os"])
def test_what_only_running_it_would_tell_is_one_line(somewhere: str, name: str) -> None:
    with pytest.raises(UsageError, match="written out in a module") as fault:
        takes((somewhere, name))
    assert "\n" not in str(fault.value)
