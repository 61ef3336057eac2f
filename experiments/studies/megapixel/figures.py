"""The figure of megapixel digits: error against pixels and seconds, and costs by canvas."""

from collections.abc import Callable
from functools import partial

from hardattn.report.page.theme import PALETTE
from hardattn.report.render.print import Curves, Figure, Series
from hardattn.statistics.intervals import Estimate

from ...kinds import Json
from ..series import MARKERS
from .results import error_of
from .tables import FIGURE, drawable

PIXELS, SECONDS = "pixels read of an image", "processor seconds an image"
CANVAS = "pixels a side of the canvas"
ERRORS = (
    "Test error after a training that fits in 20 minutes of one core, on that canvas or on "
    "another, whichever errs less, with its 95 % interval over test scenes; who has no mark there "
    "was not trained."
)
UNTRAINED = "Nobody was trained yet, so that there are no errors to show."
CAPTION = (
    "A mark is an agent on a canvas. Seconds are in use, memory is what a training on scenes of "
    "full size holds. Where a line ends, the agent does not fit in 4 GiB on a larger canvas."
)


def figures(found: Json, command: str) -> list[Figure]:
    """One, of as many panels as there is something to show; none where nothing was measured."""
    if not drawable(found):
        return []
    panels = []
    for axis, name in ((PIXELS, "pixels"), (SECONDS, "seconds")):
        drawn = _series(found, partial(_cost, name), error_of)
        if drawn:
            panels.append(Curves(axis, "test error, %", drawn, log_x=True))
    caption = f"{CAPTION} {ERRORS if panels else UNTRAINED}"
    for name, label in (("seconds", SECONDS), ("mebibytes", "MiB held in training, at most")):
        drawn = _series(found, _canvas, partial(_plain, name))
        panels.append(Curves(CANVAS, f"{label} (log scale)", drawn, log_x=True))
    said = "digits of MNIST among noise, three of five alike"
    return [Figure(FIGURE, said, "Megapixel digits", tuple(panels), caption, command)]


def _cost(name: str, cell: Json) -> float:
    return float(cell["costs"][name])


def _canvas(cell: Json) -> float:
    return float(cell["canvas"])


def _plain(name: str, cell: Json) -> Estimate:
    return Estimate(_cost(name, cell), None, None, 1, "none")


def _series(
    found: Json, x: Callable[[Json], float], y: Callable[[Json], Estimate | None]
) -> tuple[Series, ...]:
    """By agent, its cells from the smallest canvas to the largest, as far as there is a value."""
    drawn = []
    for number, (agent, title) in enumerate(found["titles"].items()):
        cells = [
            cell
            for cell in found["cells"]
            if cell["agent"] == agent and cell["costs"] and "refused" not in cell["costs"]
        ]
        points = [(x(cell), value) for cell in cells if (value := y(cell)) is not None]
        if points:
            at, mean = zip(*points, strict=True)
            style = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
            seeds = (tuple(one.point for one in mean),)
            drawn.append(Series(title, *style, at, mean, seeds))
    return tuple(drawn)
