"""What an image costs by the size of the canvas that it lies on: `hardattn bench canvas`.

Training of RAM, six looks of 8x8, and of the CNN that sees everything, on digit-sized images among
four pieces of clutter on canvases of 28x28 to 4096x4096. RAM looks at as much on each; the CNN sees
every pixel, and is measured up to 512x512, beyond which its cost goes on as the pixels do.
"""

from collections.abc import Sequence
from pathlib import Path

from hardattn.device import tune

from ..kinds import Json
from .learner import Learner
from .products import made_of
from .side_by_side import Way, machine, repeated, report, rounds, row
from .versions import against, check

CANVASES = (28, 64, 128, 256, 512, 1024, 2048, 4096)
OF_CNN = (28, 64, 128, 256, 512)
BATCH, PIXELS = 128, 2**17  # scenes of a batch; of the CNN not more than so many pixels
ROUNDS, LEAST = 3, 0.25
COMPARED = (28, 128, 512)  # with another version


def measure(save: bool, other: Path | None = None) -> None:
    """Measure, print, and save if asked."""
    check(other)
    product = tune(threads=1)
    here = machine()
    rows = by_canvas()
    asked = {
        f"train ram, canvas {side}": dict(
            what="update", agent="ram", batch=BATCH, canvas=side, least=LEAST
        )
        for side in COMPARED
    }
    rows += against(other, asked, "images/s", ROUNDS)
    report("canvas", rows, here, product, save)


def by_canvas(
    canvases: Sequence[int] = CANVASES,
    of_cnn: Sequence[int] = OF_CNN,
    batch: int = BATCH,
    count: int = ROUNDS,
    least: float = LEAST,
) -> list[Json]:
    """Rates of both; `ratio` is how many times as fast as on the smallest canvas it is."""
    cases = [("ram", side, batch) for side in canvases]
    cases += [("cnn", side, max(2, min(batch // 4, PIXELS // side**2))) for side in of_cnn]
    ways: dict[str, Way] = {}
    for agent, side, together in cases:
        name, one = f"train {agent}, canvas {side}", Learner(agent, together, canvas=side)
        one.update()
        products = made_of(one.update).replay
        ways[name] = repeated(one.update, together, least)
        ways[f"{name}: products"] = repeated(products, together, least / 2)
    found = rounds(ways, count, warm=False)
    rows = []
    for agent, side, together in cases:
        name, first = f"train {agent}, canvas {side}", canvases[0] if agent == "ram" else of_cnn[0]
        beside = (f"on {first}", found[f"train {agent}, canvas {first}"])
        limit = found[f"{name}: products"]
        more = {"agent": agent, "canvas": side, "batch": together}
        rows.append(row(name, "images/s", found[name], limit, beside, **more))
    return rows
