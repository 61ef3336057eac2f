"""Train one recipe and measure it: `hardattn train RECIPE [--field value ...]`.

The run's folder is a function of the command, and the same command takes a stopped run up again;
a finished one it does not run again, unless --again is there.
Exit codes: 0 done; 2 the command or the data is wrong; 3 the training diverged; 4 the run is
already going on elsewhere; 5 a file could not be written or read; 130, 143 stopped by a signal.
"""

import contextlib
import dataclasses
import hashlib
import io
import shlex
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hardattn.report.titles import titled

from ..command import obey
from ..recipe import Learning, Problem, Recipe, Run, UsageError, nearest
from ..recipes import RECIPES

OF_THIS_RUN = ("--out", "--root", "--again")  # says where and how, and nothing of the result
LONGEST_NAME = 200  # bytes; file systems allow a folder 255


class Program(NamedTuple):
    """A command line over a table of recipes."""

    words: str
    about: str | None
    recipes: dict[str, Recipe]
    prefix: str = ""  # of the names of its runs
    work: Any = None  # see `execute`


RUN = Program("hardattn train", __doc__, RECIPES)


def main(arguments: list[str] | None = None, program: Program = RUN) -> int:
    """The command line. Returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        name, recipe, run = parse(arguments, program)
        return start(name, recipe, run, command_for(arguments, program), program.work)
    except UsageError as fault:
        return _fail(fault, 2)
    except KeyboardInterrupt:
        return _fail(RuntimeError("stopped; the same command goes on"), 130)


def command_for(arguments: list[str], program: Program = RUN) -> str:
    """The command as others may repeat it: without the folders of this machine."""
    kept, skip = [], False
    for word in _spelled_out(arguments):
        option, _, value = word.partition("=")
        if not skip and option not in OF_THIS_RUN:
            kept.append(word)
        skip = not skip and option in OF_THIS_RUN and not value
    return f"{program.words} {shlex.join(kept)}"


def parse(arguments: list[str], program: Program = RUN) -> tuple[str, Recipe, Run]:
    """Name with overrides, recipe, run. Raises UsageError; --help exits 0."""
    import tyro

    recipes = program.recipes
    name = next((word for word in arguments if not word.startswith("-")), "")
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: {program.words} RECIPE [--field value ...]\n\n{program.about}")
        print("recipes (RECIPE --help lists the fields; hardattn list tells more):")
        print("\n".join(f"  {each:26}{recipe.title}" for each, recipe in recipes.items()))
        raise SystemExit(0 if arguments else 2)
    if arguments[0] != name or name not in recipes:
        raise UsageError(f"no recipe is called {arguments[0]!r}: {nearest(arguments[0], recipes)}")
    base = recipes[name]

    # Every part of the recipe is offered flat, so that it is --lr and not --learning.lr.
    parts = {
        "run": (Run, Run()),
        "problem": (Problem, base.problem),
        "agent": (type(base.agent), base.agent),
        "learning": (type(base.learning), base.learning),
    }
    fields = [(key, kind, dataclasses.field(default=value)) for key, (kind, value) in parts.items()]
    flat = dataclasses.make_dataclass("Command", fields, frozen=True)
    _know([each.name for kind, _ in parts.values() for each in dataclasses.fields(kind)], arguments)
    with _quietly():
        given: Any = tyro.cli(
            flat,
            args=_spelled_out(arguments[1:]),
            prog=f"{program.words} {name}",
            description=f"{base.title}. {base.about} Expect: {base.expect}.",
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagConversionOff),
        )
    said = {field_of(word) for word in arguments if word.startswith("--")}
    problem, learning = given.problem, given.learning
    if problem != base.problem:
        problem = problem.without_strays(base.problem, said)
    if isinstance(learning, Learning) and learning != base.learning:
        learning = learning.without_strays(base.learning, said)
    recipe = dataclasses.replace(base, problem=problem, agent=given.agent, learning=learning)
    before, after = base.settings(), recipe.settings()
    changed = [f"{key}={after[key]}" for key in after if after[key] != before[key]]
    # What its rows are called must not say what is no longer so.
    told = [one.replace("/", "_") for one in changed]
    recipe = dataclasses.replace(recipe, title=titled(base.title, told))
    label = program.prefix + ",".join([name, *changed]).replace("/", "_")
    if len(label.encode()) > LONGEST_NAME:
        label = f"{program.prefix}{name},{hashlib.sha256(label.encode()).hexdigest()[:16]}"
    return label, recipe, given.run


def start(name: str, recipe: Recipe, run: Run, command: str, work: Any = None) -> int:
    """Run to the end, or to the reason why not; returns the exit code. work: of `execute`."""
    from hardattn.data import DataError
    from hardattn.storage import CheckpointError
    from hardattn.training.interrupt import Stopped
    from hardattn.training.metrics import NotFinite

    from ..run import Busy, execute

    try:
        result = execute(name, recipe, run, command, work)
    except (UsageError, DataError) as fault:
        return _fail(fault, 2)
    except ValueError as fault:
        return _fail(fault, 2)
    except NotFinite as fault:
        return _fail(fault, 3)
    except Busy as fault:
        return _fail(fault, 4)
    except (CheckpointError, OSError) as fault:
        return _fail(fault, 5)
    except Stopped as fault:
        # With --again it would begin anew.
        more = " without --again" if run.again else ""
        said = str(fault).replace("the same command", f"the same command{more}")
        return _fail(RuntimeError(said), fault.code)
    except (RuntimeError, MemoryError) as fault:
        if not (full := out_of_memory(fault)):
            raise
        return _fail(RuntimeError(full), 2)
    print(summary(result, Path(run.out) / name / f"seed-{run.seed}"))
    return 0


def out_of_memory(fault: Exception) -> str:
    """What an allocation that failed asked for, in one line, and what to do; "" of other faults."""
    told = (str(fault).splitlines() or [""])[0]
    words = ("out of memory", "not enough memory", "allocate memory", "Unable to allocate")
    if not isinstance(fault, MemoryError) and not any(word in told for word in words):
        return ""
    return f"out of memory ({told or 'no size is told'}): a smaller --batch or --canvas takes less"


def summary(result: dict[str, Any], folder: Path) -> str:
    """The figures of a finished run, in three lines."""
    greedy, sampled, averaged = (result["figures"][k] for k in ("greedy", "sampled", "averaged"))
    return (
        f"{result['title']} ({result['name']}, seed {result['seed']}), {result['sees']}\n"
        f"test error {100 * greedy['error']:.2f} % greedy, {100 * sampled['error']:.2f} % sampled, "
        f"{100 * averaged['error']:.2f} % averaged over {averaged['passes']} passes, "
        f"n = {greedy['n']:,}\n{folder}"
    )


def field_of(word: str) -> str:
    """--validate-every=5 -> validate_every."""
    return word.removeprefix("--").split("=")[0].replace("-", "_")


def _spelled_out(arguments: list[str]) -> list[str]:
    """A bare --again says True, as other options do."""
    words: list[str] = []
    for word, after in zip(arguments, [*arguments, ""][1:], strict=True):
        words += [word, "True"] if word == "--again" and after not in ("True", "False") else [word]
    return words


def _know(fields: list[str], arguments: list[str]) -> None:
    """Refuse a field that the recipe has not, naming the nearest that it has."""
    for word in arguments:
        field = field_of(word)
        if word.startswith("--") and field not in ("help", *fields):
            raise UsageError(f"the recipe has no field {field!r}: {nearest(field, fields)}")


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """What tyro would print into a frame becomes a UsageError of one line."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit as leaving:
        if not leaving.code:
            raise
        lines = [line.strip("│ ") for line in said.getvalue().splitlines()[1:]]
        end = next((i for i, line in enumerate(lines) if line.startswith("─")), len(lines))
        raise UsageError(" ".join(lines[:end])) from leaving


def _fail(fault: Exception, code: int) -> int:
    print(f"error: {fault}" if code < 100 else str(fault), file=sys.stderr)
    return code


def in_one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """A warning in one line, without the code that gave it."""
    return f"warning: {message}\n"


if __name__ == "__main__":
    warnings.formatwarning = in_one_line
    obey(main)
