"""How many steps a second environments take, side by side on one core.

28x28 images of random pixels, six looks of 8x8 and a class at the last: our faces, Gymnasium's
SyncVectorEnv over the environments that one would write first, and what Stable-Baselines3 is given.
CPU seconds of this process, the least of many short rounds in turn, episodes ended and begun
included.
"""

from ..command_line.command import Command, Compared


def run(given: Compared) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.environments import measure

    measure(given.save, given.against)
    return 0


COMMAND = Command("bench environments", "steps a second of environments", Compared, run)
