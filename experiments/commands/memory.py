"""How much memory training takes, by the size of the canvas.

The most that a process of its own ever held, of RAM at batch 128, beside what it held before it
began, libraries and all.
"""

from ..command_line.command import Command, Compared


def run(given: Compared) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.memory import measure

    measure(given.save, given.against)
    return 0


COMMAND = Command("bench memory", "the most memory that training takes, by canvas", Compared, run)
