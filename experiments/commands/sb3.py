"""How many steps a second Stable-Baselines3 is given.

Our adapter beside its own DummyVecEnv over the environment that one would write first: NumPy, an
image each. The same scenes, glimpses, actions and rewards, side by side in one process.
"""

from dataclasses import dataclass

from ..command import Command


@dataclass(frozen=True)
class Options:
    """There is nothing to choose."""


def run(given: Options) -> int:
    """Measure and print."""
    from ..benchmarks.sb3 import measure

    measure()
    return 0


COMMAND = Command("bench sb3", "steps a second that Stable-Baselines3 is given", Options, run)
