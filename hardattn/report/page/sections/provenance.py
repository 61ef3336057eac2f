"""Where a page's figures come from: the runs, their commands, versions and machines, as HTML."""

from collections.abc import Sequence
from html import escape

from hardattn.report.render.markdown import seeds_text
from hardattn.report.results import Result
from hardattn.report.rows import Row, Table

FEW = 8  # rows that captions name
OPEN = 60  # runs that are listed without being asked for
RUN_HEADS = (
    "run",
    "seed",
    "error",
    "command",
    "commit",
    "versions",
    "ran on",
    "trained",
    "finished",
)


def origin(rows: Sequence[Row], first: bool = False) -> str:
    """Whose runs a figure shows, all seeds or the first ones."""
    given = [(row.title, row.group.seeds[: 1 if first else None]) for row in rows]
    runs = "; ".join(f"{title} ({seeds_text(seeds)})" for title, seeds in given)
    if len(rows) > FEW:
        shared = {seeds for _, seeds in given}
        each = f" ({seeds_text(shared.pop())})" if len(shared) == 1 else ""
        runs = f"{len(rows)} rows of the table{each}"
    return f'Runs: {escape(runs)}; their commands are <a href="#runs">below</a>.'


def runs(
    tables: Sequence[Table], command: str, left_out: Sequence[str], faults: Sequence[str] = ()
) -> str:
    """A line a run, and what was not finished. command: what made the page. faults: who could not
    be drawn at all, and why.
    """
    lines = []
    for table in tables:
        for row in table.rows:
            for run in row.group.runs:
                cells = _run_cells(row.title, run.result)
                lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    missing = ""
    if left_out:
        names = ", ".join(f"<code>{escape(name)}</code>" for name in left_out)
        missing = f"<p><b>Not finished, and left out:</b> {names}</p>"
    missing += "".join(f'<p class="fault">{escape(fault)}.</p>' for fault in faults)
    made = f'<p class="soft">Made by <code>{escape(command)}</code>.</p>' if command else ""
    return (
        f'<section class="scenes" id="runs"><h2>The runs</h2>{made}{missing}'
        f"<details{' open' * (len(lines) <= OPEN)}><summary>{len(lines)} runs, with their commands"
        f'</summary><div class="scroll"><table class="runs"><thead><tr>'
        f"{''.join(f'<th>{head}</th>' for head in RUN_HEADS)}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div></details></section>"
    )


def _run_cells(title: str, result: Result) -> list[str]:
    made, training = result.made_with, result.training
    versions = [
        f"{name} {made[name]}"
        for name in ("hardattn", "torch", "numpy", "python")
        if made.get(name)
    ]
    threads = made.get("threads")
    machine = [
        made.get("device"),
        made.get("processor"),
        f"{threads} thread{'s' * (threads != 1)}" if threads else None,
    ]
    seconds = training.get("seconds")
    images = training.get("images")
    trained = [
        f"{images:,} images" if images else None,
        f"{seconds / 60:,.1f} min" if seconds else None,
    ]
    changed = result.sources.get("changed")
    return [
        escape(title),
        str(result.seed),
        f"{100 * result.greedy['error']:.2f} %",
        f"<code>{escape(result.command)}</code>",
        f"<code>{escape(str(made.get('commit') or 'unknown'))}</code>"
        + "<br>went on under changed code" * bool(changed),
        _lines(versions),
        _lines(machine),
        _lines(trained),
        _lines(str(made.get("finished") or "").split("+")[0].split("T")),
    ]


def _lines(parts: Sequence[str | None]) -> str:
    return "<br>".join(escape(str(part)) for part in parts if part)
