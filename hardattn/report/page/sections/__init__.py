"""The sections of the page, one a file: its row in SECTIONS says where it stands and its heading.

A section is a function from a Context to HTML; of nothing to show it makes "".
"""

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any, NamedTuple

from hardattn.report.faults import Fault, spared
from hardattn.report.page.context import Context
from hardattn.report.page.sections import (
    answers,
    calibration,
    confusion,
    cost,
    failures,
    gallery,
    looked,
    maps,
    player,
    printed,
    swaps,
    symptoms,
    table,
)


class Section(NamedTuple):
    """A heading and what makes that which stands below it. key: its id in the page."""

    key: str
    title: str
    make: Callable[[Context], str]


class Shown(NamedTuple):
    """A section as it stands in the page; charts by the ids of their places."""

    key: str
    title: str
    html: str
    charts: dict[str, Any]


SECTIONS = (
    Section("looks", "Look by look", player.section),
    Section("answers", "What was asked, and what they answered", answers.section),
    Section("table", "All figures", table.section),
    Section("cost", "Error, and what it costs", cost.section),
    Section("looked", "Right because it looked there?", looked.section),
    Section("gain", "Did looking there matter?", swaps.section),
    Section("symptoms", "Is anything wrong with where it looks?", symptoms.section),
    Section("trust", "Does it know when it is wrong?", calibration.section),
    Section("confusion", "What is taken for what?", confusion.section),
    Section("maps", "Where they attended", maps.section),
    Section("paths", "Where they looked, and what they saw", gallery.section),
    Section("failures", "Where they were wrong", failures.section),
)
PICTURES = "maps"  # from here on there are pictures of scenes; before them stand figures for print


def sections(context: Context) -> tuple[list[Shown], list[Fault]]:
    """Those that have something to show; and who is left out of which, as it cannot be drawn."""
    at = [one.key for one in SECTIONS].index(PICTURES)
    figures = [
        Section(f"figure-{one.key}", one.title, partial(printed.section, one))
        for one in context.printable
        if one.scenes == context.table.scenes
    ]
    made = [_made(one, context) for one in (*SECTIONS[:at], *figures, *SECTIONS[at:])]
    return [one for one, _ in made if one.html], [fault for _, faults in made for fault in faults]


def _made(one: Section, context: Context) -> tuple[Shown, list[Fault]]:
    """A section of all rows that can be drawn, with a line on each that cannot."""

    def drawn(rows: Any) -> tuple[str, dict[str, Any]]:
        own = context.of(rows)
        return one.make(own), own.charts

    found, faults = spared(context.table.rows, drawn, lambda row: row.title, f"“{one.title}”")
    html, charts = found or ("", {})
    html += "".join(f'<p class="soft fault">{escape(str(fault))}.</p>' for fault in faults)
    return Shown(one.key, one.title, html, charts), faults
