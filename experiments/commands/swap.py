"""Did the policy matter? Swap the looking of trained agents, and keep their answering.

Each agent looks at its test scenes once more, by somebody else's path: random, centre, raster,
oracle, shuffled (the path of another image), reversed (its own path backwards), mean (the mean of
its paths); who sees everything at once gets the mean map, or that of another image. The first look
is the world's and stays where it was. Its weights are not touched. The policy gain is the error
under random looks minus its own. What is drawn, random and shuffled, is the mean of several draws,
and each training seed has its own.

Leaves gain.json and gain.pt in each run's folder; what is there already is not measured again. A
run that cannot be made alive is named, and the others are measured; then nothing is saved by
--save, and the exit code is 2.
"""

import sys
from dataclasses import dataclass

from ..command_line.command import Command, OnRuns


@dataclass(frozen=True)
class Options(OnRuns):
    """What is measured, and how much."""

    retrain: bool = False
    """Train its observer for each order that ignores the image: centre, raster and the agent's own
    mean path on validation scenes, by the recipe and budget of the run; and compare it with the
    best of these on validation."""
    again: bool = False
    """Measure what is measured, too."""
    save: bool = False
    """Write experiments/results/studies/gain.json, too."""


def run(given: Options) -> int:
    """Measure what is lacking, and print a table."""
    from ..studies.policy_gain.measure import gains, tell
    from ..studies.policy_gain.tables import SAVED, save

    done, faults = gains(given.paths, given.retrain, given.again, given.device, given.root)
    if done:
        tell(done)
    if given.save and not faults:
        save(done)
        print(SAVED)
    for line in faults:
        print(f"error: {line}", file=sys.stderr)
    return 2 * bool(faults)


COMMAND = Command("swap", "ask whether a policy mattered, by other looks", Options, run)
