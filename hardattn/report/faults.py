"""What cannot be drawn is left out and named, so that the rest of a report is written.

A run may hold what nobody thought of when its part of a report was written. A run that is broken,
whose files say so, is another matter: ReportError names it, and is passed on.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from hardattn.report.runs import ReportError

Item = TypeVar("Item")
Drawn = TypeVar("Drawn")


class Fault(NamedTuple):
    """Who was left out of what, and why."""

    who: str
    what: str  # the part of the report
    why: str  # the exception, as one line

    def __str__(self) -> str:
        who = " ".join(self.who.split())
        return f"{who} cannot be drawn and is left out of {self.what}: {self.why}"


def spared(
    items: Sequence[Item],
    draw: Callable[[Sequence[Item]], Drawn],
    name: Callable[[Item], str],
    what: str,
) -> tuple[Drawn | None, list[Fault]]:
    """What `draw` makes of all items but those that make it raise, and these.

    An item is left out that cannot be drawn alone, or together with those before it that can. Of no
    item there is nothing, None.
    """
    try:
        return draw(items), []
    except ReportError:
        raise
    except Exception as fault:
        if len(items) == 1:
            return None, [Fault(name(items[0]), what, _line(fault))]
    faults: list[Fault] = []

    def able(item: Item, beside: Sequence[Item]) -> bool:
        """Whether it can be drawn beside these; notes why not."""
        try:
            draw([*beside, item])
        except ReportError:
            raise
        except Exception as fault:
            faults.append(Fault(name(item), what, _line(fault)))
            return False
        return True

    kept = [item for item in items if able(item, [])]
    if kept and not _draws(draw, kept):
        # Each can be drawn, but not all of them in one.
        every, kept = kept, []
        for item in every:
            kept += [item] * able(item, kept)
    return (draw(kept) if kept else None), faults


def _draws(draw: Callable[[Sequence[Item]], object], items: Sequence[Item]) -> bool:
    try:
        draw(items)
    except ReportError:
        raise
    except Exception:
        return False
    return True


def _line(fault: Exception) -> str:
    words = " ".join(str(fault).split())
    return f"{type(fault).__name__}: {words}" if words else type(fault).__name__
