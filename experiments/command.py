"""How every command here begins and ends."""

import io
import sys
from collections.abc import Callable
from typing import NoReturn


class _Pipe(io.FileIO):
    """A file that, once nobody reads it any more, takes what is written and forgets it."""

    def write(self, content: "io.ReadableBuffer") -> int:  # type: ignore[name-defined]
        try:
            return super().write(content)
        except BrokenPipeError:
            return memoryview(content).nbytes


def obey(main: Callable[[], int]) -> NoReturn:
    """Run a command line, and exit with its code.

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
    sys.exit(main())
