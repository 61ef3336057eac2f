"""One command: `hardattn COMMAND ...`; in a checkout `python -m experiments COMMAND ...` as well.

Exit codes: 0 done; 2 the command or the data is wrong; 3 the training diverged; 4 the run is
already going on elsewhere; 5 a file could not be written or read; 6 another process of the same
training was lost; 130, 143 stopped by a signal.
"""

import io
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn

import tyro

from .command_line.command import Command, read_options
from .command_line.completion import script
from .options.option import UsageError, nearest

# By what is typed, the file in commands/ that has it. Only the one that is asked for is imported.
COMMANDS = {
    "train": "train",
    "sweep": "sweep",
    "runs": "runs",
    "report": "report",
    "look": "look",
    "evaluate": "evaluate",
    "swap": "swap",
    "robustness": "robustness",
    "soft": "soft",
    "hard-or-soft": "hard_or_soft",
    "megapixel": "megapixel",
    "estimators": "estimators",
    "export": "export",
    "bench training": "training",
    "bench canvas": "canvas",
    "bench memory": "memory",
    "bench sensors": "sensors",
    "bench environments": "environments",
    "bench blocks": "blocks",
    "bench evaluation": "evaluation",
    "bench start": "start",
    "bench precision": "precision",
    "bench gpu": "gpu",
    "results collect": "collect",
    "results tables": "tables",
    "results ledger": "ledger",
    "results claims": "claims",
    "results figures": "figures",
    "results ship": "ship",
    "demo": "demo",
    "list": "list",
}
HELP = ("-h", "--help")
COMPLETION = "--print-completion"
# What to install for the packages that may be missing.
EXTRAS = {
    **dict.fromkeys(("stable_baselines3", "sb3_contrib"), "stable-baselines3 sb3-contrib"),
    **dict.fromkeys(("onnx", "onnxscript", "onnxruntime", "onnx_ir"), "'hardattn[deploy]'"),
    "datasets": "'hardattn[hub]'",
    "ray": "'hardattn[ray]'",
    "optuna": "'hardattn[optuna]'",
    "wandb": "'hardattn[wandb]'",
    "mlflow": "'hardattn[mlflow]'",
}


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code; what went wrong stands in one line on stderr."""
    words = sys.argv[1:] if arguments is None else arguments
    return attempt(lambda: _obey(words))


def attempt(action: Callable[[], int]) -> int:
    """What it returns, or the exit code of what went wrong, which is told in one line."""
    try:
        return action()
    except SystemExit as leaving:  # of --help
        return leaving.code if isinstance(leaving.code, int) else 0
    except BaseException as fault:
        code = code_of(fault)
        if not code:
            raise
        print(told(fault, code), file=sys.stderr)
        return code


def _obey(words: list[str]) -> int:
    if not words or words[0] in HELP:
        print(overview())
        return 0 if words else 2
    if words[0] == COMPLETION:
        print(script(words[1:], {name: load(name).Options for name in COMMANDS}))
        return 0
    command, rest = find(words)
    if (rest and rest[0] in HELP) or command.parse is None:
        given = _options(command, rest)
    else:
        given = command.parse(rest)
    return command.run(given)


def find(words: list[str]) -> tuple[Command, list[str]]:
    """The command that is asked for, and what is left of the words. Raises UsageError."""
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    count = 2 if words[0] in groups else 1
    name = " ".join(words[:count])
    if name in COMMANDS:
        return load(name), words[count:]
    if words[0] not in groups:
        raise UsageError(f"no command is called {words[0]!r}: {nearest(words[0], COMMANDS)}")
    known = [each.split()[1] for each in COMMANDS if each.startswith(f"{words[0]} ")]
    if words[1:2] and words[1] in HELP:
        lines = (f"  {each:14}{load(f'{words[0]} {each}').help}" for each in known)
        print(f"usage: hardattn {words[0]} COMMAND ...\n\n" + "\n".join(lines))
        raise SystemExit(0)
    asked = f"no {words[0]} is called {words[1]!r}" if words[1:] else f"which {words[0]}?"
    raise UsageError(f"{asked} choose from {', '.join(known)}")


def load(name: str) -> Command:
    """The command of that name, from its file."""
    module = import_module(f".commands.{COMMANDS[name]}", __package__)
    found: Command = module.COMMAND
    return found


def overview() -> str:
    """All commands, a line each."""
    lines = [f"  {name:20}{load(name).help}" for name in COMMANDS]
    return "\n".join(
        [
            "usage: hardattn COMMAND ...; hardattn COMMAND --help tells of its options",
            "",
            *lines,
            "",
            f"hardattn {COMPLETION} bash (or zsh) prints what completes these words in a shell.",
        ]
    )


def _options(command: Command, words: list[str]) -> object:
    about = sys.modules[command.run.__module__].__doc__ or ""
    if command.usage:
        about = f"usage: hardattn {command.name} {command.usage}\n\n{about}"
    return read_options(
        command.Options, words, f"hardattn {command.name}", about, tyro.conf.FlagCreatePairsOff
    )


def code_of(fault: BaseException) -> int:
    """The exit code of an exception; 0 of one that nobody foresaw, whose trace is to be seen."""
    if isinstance(fault, KeyboardInterrupt):
        return 130
    if isinstance(fault, UsageError | ValueError | MemoryError):
        return 2
    if isinstance(fault, OSError):
        return 5
    if isinstance(fault, ImportError):
        return 2 if _extra(fault) else 0
    if not isinstance(fault, RuntimeError):
        return 0
    # Whoever raises one of these has imported torch already.
    from hardattn.storage import CheckpointError
    from hardattn.training.interrupt import Stopped
    from hardattn.training.metrics import NotFinite

    from .records.folder import Busy

    if isinstance(fault, Stopped):
        return fault.code
    codes: dict[type[BaseException], int] = {NotFinite: 3, Busy: 4, CheckpointError: 5}
    found = next((code for kind, code in codes.items() if isinstance(fault, kind)), 0)
    return found or 2 * bool(out_of_memory(fault))


def told(fault: BaseException, code: int) -> str:
    """An exception in one line."""
    if isinstance(fault, KeyboardInterrupt):
        return "stopped; the same command goes on"
    if isinstance(fault, ImportError):
        return f"error: {fault.name} is missing: pip install {_extra(fault)}"
    said = out_of_memory(fault) or str(fault)
    return f"error: {said}" if code < 128 else said


def _extra(fault: ImportError) -> str:
    return EXTRAS.get((fault.name or "").partition(".")[0], "")


def out_of_memory(fault: BaseException) -> str:
    """What an allocation that failed asked for, in one line, and what to do; "" of other faults."""
    if not isinstance(fault, RuntimeError | MemoryError):
        return ""
    said = (str(fault).splitlines() or [""])[0]
    words = ("out of memory", "not enough memory", "allocate memory", "Unable to allocate")
    if not isinstance(fault, MemoryError) and not any(word in said for word in words):
        return ""
    size = said or "no size is told"
    return f"out of memory ({size}): a smaller --batch-size or --canvas takes less"


class _Pipe(io.FileIO):
    """A file that, once nobody reads it any more, takes what is written and forgets it."""

    def write(self, content: "io.ReadableBuffer") -> int:  # type: ignore[name-defined]
        try:
            return super().write(content)
        except BrokenPipeError:
            return memoryview(content).nbytes


def program() -> NoReturn:
    """What is installed as `hardattn`: `main` for a process of its own, which it ends.

    What it says may be cut short, as by `| head`: it goes on in silence, and does all that it
    would have done.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
            stream.flush()
            raw = _Pipe(stream.fileno(), "wb", closefd=False)
            new = io.TextIOWrapper(
                io.BufferedWriter(raw),
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, new)
    warnings.formatwarning = in_one_line
    sys.exit(main())


def in_one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """A warning in one line, without the code that gave it."""
    return f"warning: {message}\n"
