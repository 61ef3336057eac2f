"""How many scenes a second are measured.

Agents as they are evaluated, on one core, beside the same matrix products and nothing else, and
beside a plain RAM that counts its right answers.
"""

from ..command_line.command import Command, Measured


def run(given: Measured) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.evaluation import measure

    measure(given.save)
    return 0


COMMAND = Command("bench evaluation", "scenes a second of evaluation", Measured, run)
