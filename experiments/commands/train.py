"""Train one recipe and measure it: `hardattn train RECIPE [--field value ...]`.

The run's folder is a function of the command, and the same command takes a stopped run up again;
a finished one it does not run again, unless --again is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..command_line.command import Command
from ..command_line.parse import parse
from ..command_line.words import command_for
from ..kinds import Json
from ..recipe import Recipe, RunOptions


@dataclass(frozen=True)
class Training:
    """A recipe with its changes, and how it is to be run."""

    name: str
    recipe: Recipe
    run: RunOptions
    command: str


def options(words: Sequence[str]) -> Training:
    """Read the words. Raises UsageError."""
    return Training(*parse(words), command_for(words))


def run(given: Training) -> int:
    """Run to the end, or read what was found before; print the figures."""
    from hardattn.training.distributed import Lost, joined
    from hardattn.training.interrupt import Stopped
    from hardattn.training.metrics import NotFinite

    from ..trainers.trainer import execute, execute_all

    if given.run.seeds is not None:
        for one in execute_all(given.name, given.recipe, given.run, given.command):
            print(summary(one, Path(given.run.out) / given.name / f"seed-{one['seed']}"))
        return 0
    try:
        with joined() as ranks:
            try:
                result = execute(given.name, given.recipe, given.run, given.command)
            except (Stopped, NotFinite) as fault:
                # All processes of a training know of it, and the first says so.
                if ranks.first or isinstance(fault, Lost):
                    raise
                return getattr(fault, "code", 3)
    except Stopped as fault:
        if not given.run.again:
            raise
        # With --again it would begin anew.
        said = str(fault).replace("the same command", "the same command without --again")
        raise Stopped(said, fault.code) from fault
    if ranks.first:
        print(summary(result, Path(given.run.out) / given.name / f"seed-{given.run.seed}"))
    return 0


def summary(result: Json, folder: Path) -> str:
    """The figures of a finished run, in three lines; one without test images has fewer."""
    if "figures" not in result:
        seen, error = min(result["training"]["curve"], key=lambda point: point[1])
        said = f"{result['title']} ({result['name']}, seed {result['seed']}), not tested\n"
        return f"{said}validation error {100 * error:.2f} % after {seen:,} images\n{folder}"
    greedy, sampled, averaged = (result["figures"][k] for k in ("greedy", "sampled", "averaged"))
    return (
        f"{result['title']} ({result['name']}, seed {result['seed']}), {result['sees']}\n"
        f"test error {100 * greedy['error']:.2f} % greedy, {100 * sampled['error']:.2f} % sampled, "
        f"{100 * averaged['error']:.2f} % averaged over {averaged['passes']} passes, "
        f"n = {greedy['n']:,}\n{folder}"
    )


COMMAND = Command(
    "train",
    "train one recipe and measure it",
    RunOptions,
    run,
    options,
    "RECIPE [--field value ...]; RECIPE --help lists the fields, hardattn list the recipes",
)
