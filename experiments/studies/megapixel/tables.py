"""The page of megapixel digits: what every agent costs on each canvas, and how well it answers."""

from collections.abc import Iterator, Sequence

from hardattn.report.column import estimate_text
from hardattn.report.render.grid import heading, row_of

from ...kinds import Json
from ...records.machine import by_machine
from .results import estimate, ranked

FIGURE = "megapixel"
HEADS = (
    *("", "error %", "may see", "pixels read", "of all", "ms", "ms in training", "MiB"),
    *("images in 20 minutes", "trained on", "images seen", "minutes"),
)
GROWTH = ("canvas", "ms in training", "MB of tensors")


def markdown(found: Json) -> str:
    """All of it."""
    parts = [_limits(found)]
    if drawable(found):
        parts.append(f"![Megapixel digits](../images/{FIGURE}.svg)")
    for canvas in found["canvases"]:
        here = [cell for cell in found["cells"] if cell["canvas"] == canvas]
        parts.append(f"## {canvas:,} x {canvas:,} pixels")
        parts.append("\n".join(_table([row for cell in here for row in _rows(cell, found)])))
    parts += _growth(found)
    return "\n\n".join(parts) + "\n"


def drawable(found: Json) -> bool:
    """Whether anything was measured that a figure could show."""
    return any(cell["costs"] and "refused" not in cell["costs"] for cell in found["cells"])


def _limits(found: Json) -> str:
    limits = found["limits"]
    made = {
        f"{one['commit']} on {one['processor']} with torch {one['torch']}"
        for cell in found["cells"]
        if cell["costs"] and (one := cell["costs"].get("made_with"))
    }
    by = f" Measured with {by_machine(made)}." if made else ""
    return (
        f"A process may hold {limits['mebibytes']:,} MiB, and a training take "
        f"{limits['minutes']:g} minutes of one core; who does not fit is not trained.{by}"
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    return [*heading(HEADS, ("", "may see", "trained on")), *(row_of(row) for row in rows)]


def _rows(cell: Json, found: Json) -> Iterator[list[str]]:
    """Of an agent on a canvas: one for each canvas on which weights for it were trained."""
    title, costs = found["titles"][cell["agent"]], cell["costs"]
    if costs is None or "refused" in costs:
        why = "not run" if costs is None else costs["refused"]
        yield [title, why, *["–"] * (len(HEADS) - 2)]
        return
    measured = [
        costs["sees"],
        f"{costs['pixels']:,}",
        f"{100 * costs['pixels'] / costs['of']:.3g} %",
        _short(1000 * costs["seconds"]),
        _short(1000 * costs["training_seconds"]),
        f"{costs['mebibytes']:,}",
        f"{int(60 * found['limits']['minutes'] / costs['training_seconds']):,}",
    ]
    most = max((one["n"] for each in found["cells"] for one in each["figures"]), default=0)
    for one in ranked(cell):
        fewer = f" of {one['n']:,} scenes" if one["n"] < most else ""
        yield [title, estimate_text(estimate(one), 1) + fewer, *measured, *_trained(one)]
    if not cell["figures"]:
        yield [title, "not run", *measured, *["–"] * 3]


def _trained(one: Json) -> list[str]:
    """On which canvas it was trained, for how many scenes and how many minutes."""
    trained = one["training"]
    minutes = f"{trained['cpu_seconds'] / 60:.1f}"
    return [f"{one['trained_on']:,}", f"{trained['images']:,}", minutes]


def _growth(found: Json) -> Iterator[str]:
    if not found["growth"]:
        return
    yield (
        "## What does not grow\n\nAttention sampling in training, ten patches of 50x50 out of "
        "50x50 cells on every canvas: the median of "
        f"{len(found['growth'])} rounds of measurements."
    )
    lines = heading(GROWTH, ())
    for at, one in enumerate(found["growth"][0]["canvases"]):
        rows = [each["canvases"][at] for each in found["growth"]]
        seconds = sorted(row["seconds"] for row in rows)[len(rows) // 2]
        held = sorted(row["bytes"] for row in rows)[len(rows) // 2]
        lines.append(row_of([f"{one['canvas']:,}", _short(1000 * seconds), f"{held / 1e6:.1f}"]))
    yield "\n".join(lines)


def _short(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
