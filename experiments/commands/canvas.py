"""What an image costs by the size of the canvas that it lies on.

Training of RAM on canvases of 28x28 to 4096x4096, beside the CNN that sees every pixel; one core.
"""

from ..command_line.command import Command, Compared


def run(given: Compared) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.canvas import measure

    measure(given.save, given.against)
    return 0


COMMAND = Command("bench canvas", "images a second of training, by canvas", Compared, run)
