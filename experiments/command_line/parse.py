"""A command line in, a recipe out: `parse`."""

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from hardattn.report import format_1
from hardattn.report.titles import titled

from ..kinds import Settings, Value
from ..options import tables, wording
from ..options.option import Option, UsageError, nearest, renamed
from ..options.tables import GIVEN, PARTS
from ..recipe import ProblemOptions, Recipe, RunOptions, Spec, choose_rows, fields, said
from ..recipes import RECIPES

PLUG_IN = "or package.module:Name of your own"
TRAIN = "hardattn train"
LONGEST_NAME = 200  # bytes; file systems allow a folder 255


def parse(
    arguments: Sequence[str],
    recipes: Mapping[str, Recipe] = RECIPES,
    words: str = TRAIN,
) -> tuple[str, Recipe, RunOptions]:
    """Name with overrides, recipe, run. Raises UsageError; --help exits 0.

    The first word names one of the recipes. words: of the command itself, for its help.
    """
    if not arguments or arguments[0].startswith("-"):
        first = f"no recipe is called {arguments[0]!r}" if arguments else "which recipe"
        raise UsageError(f"{first}: {TRAIN} RECIPE ..., and hardattn list tells of all")
    name = arguments[0]
    if name not in recipes:
        raise UsageError(f"no recipe is called {name!r}: {nearest(name, recipes)}")
    base = recipes[name]
    given = _given(arguments[1:])
    if "config" in given:
        given = _from_file(given.pop("config"), base) | given
    recipe = _made_of(base, given)
    known = _known(recipe)
    if "help" in given or "h" in given:
        _parser(recipe, f"{words} {name}".strip()).print_help()
        raise SystemExit(0)
    for word, value in given.items():
        # An option of another row may be None, which is to be without it.
        without = value == ["None"] and _taken_elsewhere(word, recipe)
        if word not in known and word not in PARTS and not without:
            raise UsageError(_strange(word, recipe, known))
    values = {word: wording.read(known[word], given[word]) for word in known if word in given}
    of_run = fields(RunOptions)
    given_to_run: Settings = {word: values.pop(word) for word in of_run if word in values}
    for word, value in given_to_run.items():
        wording.check(of_run[word], value)
    run = RunOptions(**given_to_run)
    return (*called(name, base, recipe.changed(values).complete()), run)


def called(name: str, base: Recipe, recipe: Recipe) -> tuple[str, Recipe]:
    """The name of its runs, and the recipe called by what differs in it from the one of a name."""
    told = [f"{key}={_short(value)}" for key, value in changes(base, recipe).items()]
    # What its rows are called must not say what is no longer so.
    title = titled(base.title, [one.replace("/", "_") for one in told])
    label = ",".join([name, *told]).replace("/", "_")
    if len(label.encode()) > LONGEST_NAME:
        label = f"{name},{hashlib.sha256(label.encode()).hexdigest()[:16]}"
    return label, dataclasses.replace(recipe, title=title)


def _short(value: Value) -> str:
    """As the name of a folder has it: one word, that no shell takes for something else."""
    return "+".join(map(_short, value)) if isinstance(value, tuple) else str(value)


def changes(base: Recipe, recipe: Recipe) -> Settings:
    """The settings in which a recipe differs from the one that it was made of.

    Not those that other rows bring with them, which are as by default.
    """
    before = {part: spec.name for part, spec in base.specs().items()}
    after = {part: spec.name for part, spec in recipe.specs().items()}
    was = {(flag.part, flag.name): flag.value for flag in base.flags()}
    found: Settings = {part: row for part, row in after.items() if row != before.get(part)}
    for flag in recipe.flags():
        default = None if flag.option.needed else flag.option.default
        old = was.get((flag.part, flag.name), default)
        if flag.value != old:
            found[flag.name] = flag.value
    return found


def _given(arguments: Sequence[str]) -> dict[str, list[str]]:
    """The words of each flag, by its name with underscores; the last counts."""
    given: dict[str, list[str]] = {}
    name = ""
    for word in arguments:
        if word.startswith("--") or word == "-h":
            flag, is_there, value = word.lstrip("-").partition("=")
            name = flag.replace("-", "_")
            given[name] = [value] if is_there else []
        elif not name:
            raise UsageError(f"{word!r} belongs to no option")
        else:
            given[name].append(word)
    return given


def _from_file(words: list[str], base: Recipe) -> dict[str, list[str]]:
    """The flags that a file of settings stands for: a run's recipe.json, or YAML of its fields.

    What the command line says counts more. Raises UsageError.
    """
    path = Path(" ".join(words))
    try:
        text = path.read_text()
        held = json.loads(text) if path.suffix == ".json" else _yaml(text)
    except (OSError, ValueError) as fault:
        raise UsageError(f"--config {path}: {fault}") from fault
    if not isinstance(held, dict):
        raise UsageError(f"--config {path}: no settings, which are names with values")
    held.pop("origin", None)  # of a run's recipe.json, whose settings tell it all
    rows = {said(name): name for name in tables.rows("agent")}
    agent = held.get("agent")
    if agent == type(base.agent).__name__ and not isinstance(base.agent, Spec):
        del held["agent"]
    elif agent in rows:
        held["agent"] = rows[agent]
    mine = base.settings()
    if "estimator" not in base.specs() and held.get("estimator") == mine.get("estimator"):
        held.pop("estimator", None)  # an algorithm of its own, which nobody chooses
    return {
        str(name).replace("-", "_"): [*map(str, value if isinstance(value, list) else [value])]
        for name, value in format_1.settings(held).items()
        # What is None says something where the recipe has anything else.
        if value is not None or mine.get(name) is not None
    }


def _yaml(text: str) -> object:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as fault:
        raise ValueError(" ".join(str(fault).split())) from fault


def _made_of(base: Recipe, given: Mapping[str, list[str]]) -> Recipe:
    """The recipe of the rows that are asked for, and with the fields that go with a scene."""
    names = {}
    for part in PARTS:
        if part in given:
            if len(given[part]) != 1:
                raise UsageError(f"--{part} takes one name, not {' '.join(given[part])!r}")
            names[part] = given[part][0]
            if ":" in names[part]:
                tables.row(part, names[part])  # or say why it cannot be imported
            tables.place(part, names[part])
    of_problem = {
        name: wording.read(option, given[name])
        for name, option in fields(ProblemOptions).items()
        if name in given
    }
    return choose_rows(base, names, of_problem)


def _known(recipe: Recipe) -> dict[str, Option]:
    """Every option that can be set of the recipe and its run, by the name of its flag."""
    known = dict(fields(RunOptions))
    return known | {flag.name: flag.option._replace(name=flag.name) for flag in recipe.flags()}


def _taken_elsewhere(word: str, recipe: Recipe) -> str:
    """The part of the recipe of which another row takes an option of that name; "" if none does."""
    for part in recipe.specs():
        if any(word in tables.options_of(part, row) for row in tables.rows(part)):
            return part
    return ""


def _strange(word: str, recipe: Recipe, known: Mapping[str, Option]) -> str:
    """What to answer to a flag that the recipe has not."""
    if now := renamed(word):
        return f"--{word.replace('_', '-')} is now called --{now.replace('_', '-')}"
    if part := _taken_elsewhere(word, recipe):
        row = recipe.specs()[part].name
        could = ", ".join(tables.options_of(part, row)) or "none"
        return f"{part} {row!r} takes no {word!r}; of its options it takes: {could}"
    for part in PARTS:
        if word in GIVEN[part] and word not in known:
            return f"{word!r} is not to be chosen: the {part} is told it by the problem"
    return f"the recipe has no field {word!r}: {nearest(word, [*known, *recipe.specs()])}"


def _parser(recipe: Recipe, program: str) -> argparse.ArgumentParser:
    """One that prints the help: what can be set of this recipe, by the part that takes it."""
    parser = argparse.ArgumentParser(
        prog=program,
        usage=f"{program} [--option value ...]",
        description=f"{recipe.title}. {recipe.about} Expect: {recipe.expect}.",
    )
    run = parser.add_argument_group("the run")
    for name, option in fields(RunOptions).items():
        _add(run, name, option, option.default)
    run.add_argument(
        "--config",
        metavar="PATH",
        help="Settings from a file: recipe.json of a run, or YAML of the same fields.",
    )
    parts = parser.add_argument_group("what it is made of")
    for part, spec in recipe.specs().items():
        names = [*tables.rows(part), *([] if part == "scene" else [PLUG_IN])]
        parts.add_argument(
            f"--{part}", metavar="NAME", help=_escaped(f"{', '.join(names)} (default: {spec.name})")
        )
    groups: dict[str, argparse._ArgumentGroup] = {}
    for flag in recipe.flags():
        if flag.part not in groups:
            row = f" {recipe.specs()[flag.part].name}" if flag.part in recipe.specs() else ""
            groups[flag.part] = parser.add_argument_group(f"{flag.part}{row}")
        _add(groups[flag.part], flag.name, flag.option, flag.value)
    return parser


def _add(group: argparse._ArgumentGroup, name: str, option: Option, value: Value) -> None:
    choices = f" One of {', '.join(map(str, option.choices))}." if option.choices else ""
    default = "" if option.needed and value is None else f" (default: {_shown(value)})"
    group.add_argument(
        f"--{name.replace('_', '-')}",
        metavar=wording.metavar(option),
        help=_escaped(option.help + choices + default),
    )


def _shown(value: Value) -> str:
    return " ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
