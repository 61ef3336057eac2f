"""Figures for print, in the page's letters and colours: curves with bands, and final values."""

from html import escape

from hardattn.report.page.context import Context
from hardattn.report.render.print import Figure, inline, legend


def section(figure: Figure, context: Context) -> str:
    """One figure, with its legend and its caption."""
    chips = "".join(
        f'<span><span class="swatch" style="--c:{one.colour}"></span>{escape(one.label)}</span>'
        for one in legend(figure)
    )
    panels = "".join(f"<div>{inline(panel)}</div>" for panel in figure.panels)
    other = figure.command not in ("", context.command)
    made = f" Made by <code>{escape(figure.command)}</code>." if other else ""
    return (
        f'<figure class="print">'
        f'<div class="legend">{chips}</div><div class="panels">{panels}</div>'
        f"<figcaption>{escape(figure.caption)}{made}</figcaption></figure>"
    )
