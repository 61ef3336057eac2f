"""Trained agents that come with hardattn: a folder each, of weights, recipe and card.

`ship` puts them there, in a checkout; `hardattn look ram-digits photo.png` is one of them.
"""

from collections.abc import Sequence
from pathlib import Path

from ..recipe import UsageError
from . import handed_on

SHIPPED = Path(__file__).parents[1] / "shipped"
MOST = 3_000_000  # bytes, of all together


def names() -> list[str]:
    """Which there are."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{handed_on.CONFIG}"))


def ship(runs: Sequence[Path], into: Path = SHIPPED) -> list[Path]:
    """Write the agents of finished runs there, in half precision; return their folders.

    Raises UsageError where all together, with those that stay, would be larger than a package may
    be, and leaves what was there.
    """
    size = sum(_weight(folder) for folder in into.glob("*"))
    results = [handed_on.result_of(run) for run in runs]
    for run, result in zip(runs, results, strict=True):
        before = _weight(into / result["name"])
        size += 2 * result["parameters"] - before
        if size > MOST:
            raise UsageError(
                f"{run}: with it shipped agents would be {size:,} bytes, {MOST:,} at most"
            )
    into.mkdir(parents=True, exist_ok=True)
    return [
        handed_on.deploy(run, into / result["name"], graphs=False, half=True)
        for run, result in zip(runs, results, strict=True)
    ]


def _weight(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*")) if folder.is_dir() else 0
