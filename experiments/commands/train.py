"""Train one recipe and measure it: `hardattn train RECIPE [--field value ...]`.

The run's folder is a function of the command, and the same command takes a stopped run up again;
a finished one it does not run again, unless --again is there.
Exit codes: 0 done; 2 the command or the data is wrong; 3 the training diverged; 4 the run is
already going on elsewhere; 5 a file could not be written or read; 130, 143 stopped by a signal.
"""

import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..command import obey
from ..parse import parse as parse_recipe
from ..recipe import Recipe, RunOptions, UsageError
from ..recipes import RECIPES

OF_THIS_RUN = ("--out", "--root", "--again")  # says where and how, and nothing of the result


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
    for word in arguments:
        if word.startswith("--"):
            skip = word.partition("=")[0] in OF_THIS_RUN
        if not skip:
            kept.append(word)
    return f"{program.words} {shlex.join(kept)}"


def parse(arguments: Sequence[str], program: Program = RUN) -> tuple[str, Recipe, RunOptions]:
    """Name with overrides, recipe, run. Raises UsageError; --help exits 0."""
    recipes = program.recipes
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: {program.words} RECIPE [--field value ...]\n\n{program.about}")
        print("recipes (RECIPE --help lists the fields; hardattn list tells more):")
        print("\n".join(f"  {each:26}{recipe.title}" for each, recipe in recipes.items()))
        raise SystemExit(0 if arguments else 2)
    return parse_recipe(arguments, recipes, program.prefix, program.words)


def start(name: str, recipe: Recipe, run: RunOptions, command: str, work: Any = None) -> int:
    """Run to the end, or to the reason why not; returns the exit code. work: of `execute`."""
    from hardattn.data import DataError
    from hardattn.storage import CheckpointError
    from hardattn.training.loop import NotFinite, Stopped

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
    size = told or "no size is told"
    return f"out of memory ({size}): a smaller --batch-size or --canvas takes less"


def summary(result: dict[str, Any], folder: Path) -> str:
    """The figures of a finished run, in three lines."""
    greedy, sampled, averaged = (result["figures"][k] for k in ("greedy", "sampled", "averaged"))
    return (
        f"{result['title']} ({result['name']}, seed {result['seed']}), {result['sees']}\n"
        f"test error {100 * greedy['error']:.2f} % greedy, {100 * sampled['error']:.2f} % sampled, "
        f"{100 * averaged['error']:.2f} % averaged over {averaged['passes']} passes, "
        f"n = {greedy['n']:,}\n{folder}"
    )


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
