"""How long it takes to begin.

CPU seconds of processes of their own: of `hardattn --help`, of a training of digits up to the end
of its first update, and of one of ten updates with all that comes after; beside `import torch`.
"""

from ..command_line.command import Command, Compared


def run(given: Compared) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.start import measure

    measure(given.save, given.against)
    return 0


COMMAND = Command("bench start", "CPU seconds before training begins", Compared, run)
