"""Several recipes over several seeds: `hardattn sweep RECIPE ... --seeds 3`.

Each run is a process of its own; options that are not listed here go to every run. For an option
that names a row of a table, such as --block or --estimator, `all` stands for every row. What is
already done is not done again. Exits non-zero if any run failed, and says which.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

from hardattn.training.progress import Overall

from .. import timing
from ..command import obey
from ..recipe import UsageError
from .train import parse


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="hardattn sweep", description=__doc__)
    parser.add_argument("recipes", nargs="+", metavar="RECIPE")
    parser.add_argument("--seeds", type=int, default=3, help="run seeds 0 to N - 1 (default: 3)")
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="processes at a time (default: one a core)",
    )
    given, rest = parser.parse_known_args(arguments)
    if given.seeds < 1 or given.workers < 1:
        parser.error("--seeds and --workers must be at least 1")
    try:
        commands = [
            [recipe, "--seed", str(seed), *options]
            for seed in range(given.seeds)
            for recipe in given.recipes
            for options in every(rest)
        ]
        return sweep(commands, given.workers)
    except UsageError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2


def every(options: Sequence[str]) -> list[list[str]]:
    """The options with each `all` replaced by every row of the table that it is about."""
    words = [part for word in options for part in word.split("=", 1)]
    if "all" not in words[1:]:
        return [list(words)]
    at = words.index("all", 1)
    names = table(words[at - 1].lstrip("-"))
    return [option for name in names for option in every([*words[:at], name, *words[at + 1 :]])]


def table(field: str) -> list[str]:
    """The rows that a field of a recipe chooses from. Raises UsageError if it has no table."""
    from hardattn import blocks, stochastic
    from hardattn.agents import BACKBONES, NETS, SCRIPTS
    from hardattn.estimators import ESTIMATORS
    from hardattn.training.loop import OPTIMISERS

    tables: dict[str, Iterable[str]] = {
        "block": {**blocks.BLOCKS, **stochastic.BLOCKS},
        "head": {**blocks.HEADS, **stochastic.HEADS},
        "backbone": BACKBONES,
        "estimator": ESTIMATORS,
        "optimizer": OPTIMISERS,
        "net": NETS,
        "script": SCRIPTS,
    }
    if field not in tables:
        raise UsageError(f"'all' does not go with --{field}: only with {', '.join(tables)}")
    return list(tables[field])


def sweep(commands: Sequence[Sequence[str]], workers: int) -> int:
    """Run `hardattn train` with each of these arguments, `workers` at a time, in this order.

    Returns 0, or the exit code of the first that failed, after all have ended, when the times are
    taken that none could take while others trained (see `experiments.timing`). SIGINT and SIGTERM
    are passed on, and nothing new is started. Raises UsageError before anything is started.
    """
    given = [parse(list(command)) for command in commands]
    running: list[subprocess.Popen[str]] = []
    stop, overall = threading.Event(), Overall(len(commands), workers)

    def pass_on(number: int, frame: FrameType | None) -> None:
        stop.set()
        for process in running:
            process.send_signal(number)

    def one(run: int) -> int:
        if stop.is_set():
            return 130
        overall.begin(run)
        process = subprocess.Popen(
            [sys.executable, "-m", "hardattn.experiments", "train", *commands[run]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        assert process.stderr is not None
        with process.stderr as said:
            for line in said:
                overall.hear(run, line)
        code = process.wait()
        overall.end(run)
        return code

    before = {each: signal.signal(each, pass_on) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        with overall, ThreadPoolExecutor(workers) as pool:
            codes = list(pool.map(one, range(len(commands))))
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    for command, code in zip(commands, codes, strict=True):
        if code:
            print(f"failed with exit code {code}: {' '.join(command)}", file=sys.stderr)
    if given and not stop.is_set():
        folders = [Path(run.out) / name / f"seed-{run.seed}" for name, _, run in given]
        timing.fill(folders, given[0][2])
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    obey(main)
