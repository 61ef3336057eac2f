"""How many scenes a second are measured.

Agents as they are evaluated, on one core, beside the same matrix products and nothing else, and
beside a plain RAM that counts its right answers.
"""

from dataclasses import dataclass

from ..command import Command


@dataclass(frozen=True)
class Options:
    """What becomes of it."""

    save: bool = False
    """Write it into this machine's file in experiments/results/studies/bench."""


def run(given: Options) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.evaluation import measure

    measure(given.save)
    return 0


COMMAND = Command("bench evaluation", "scenes a second of evaluation", Options, run)
