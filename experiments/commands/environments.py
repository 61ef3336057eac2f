"""How many steps a second environments take, side by side on one core.

28x28 images of random pixels, six looks of 8x8 and a class at the last: our faces, and Gymnasium's
SyncVectorEnv over the environment that one would write first. CPU seconds of this process, the
least of many short rounds in turn, episodes ended and begun included.
"""

from dataclasses import dataclass

from ..command import Command


@dataclass(frozen=True)
class Options:
    """What becomes of it."""

    save: bool = False
    """Write experiments/results/studies/envs.json."""


def run(given: Options) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.environments import measure

    measure(given.save)
    return 0


COMMAND = Command("bench environments", "steps a second of environments", Options, run)
