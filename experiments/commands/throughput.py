"""How fast training is, side by side in one run on one core: `make bench`.

Times are process CPU seconds on the CPU and event times on a GPU, the least of several alternating
rounds, so that another process on the machine moves them little.
"""

from dataclasses import dataclass

from ..command import Command


@dataclass(frozen=True)
class Options:
    """Where."""

    device: str = "auto"
    """auto (the GPU where there is one), cpu, cuda, cuda:1, ..."""
    save: bool = False
    """Write experiments/results/studies/benchmark.json."""


def run(given: Options) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.throughput import measure

    measure(given.device, given.save)
    return 0


COMMAND = Command("bench throughput", "images a second of training", Options, run)
