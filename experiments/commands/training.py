"""How many images a second are learned from, by agent and by batch.

Whole trainings of random pixels of MNIST's size, on one core: scenes, log and verdicts included,
beside the same matrix products and nothing else, and beside a plain RAM with a DataLoader.
"""

from ..command_line.command import Command, Compared


def run(given: Compared) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.training import measure

    measure(given.save, given.against)
    return 0


COMMAND = Command(
    "bench training", "images a second of training, by agent and batch", Compared, run
)
