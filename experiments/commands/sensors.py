"""How many glimpses a second a retina takes.

By index, as ours does, beside grid_sample with area averaging and beside a loop over images; one
core.
"""

from ..command_line.command import Command, Measured


def run(given: Measured) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.sensors import measure

    measure(given.save)
    return 0


COMMAND = Command("bench sensors", "glimpses a second", Measured, run)
