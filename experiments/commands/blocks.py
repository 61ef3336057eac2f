"""From how many places on cheap attention is cheaper than full attention.

SMYRF, clustered attention and random features beside multi-head attention, on maps of 36 to 3136
places, 64 channels, one core: forward and backward pass.
"""

from ..command_line.command import Command, Measured


def run(given: Measured) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.blocks import measure

    measure(given.save)
    return 0


COMMAND = Command("bench blocks", "from where on cheap attention pays", Measured, run)
