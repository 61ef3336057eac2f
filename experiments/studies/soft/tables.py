"""The tables of docs/results/soft: what each block and head did in one network."""

from collections.abc import Mapping, Sequence

from hardattn.attention import BLOCKS, HEADS
from hardattn.report.column import estimate_text, quarter_text
from hardattn.report.render.grid import heading, row_of
from hardattn.report.rows import percent_over_seeds
from hardattn.statistics.intervals import Estimate

from ...records.machine import by_machine
from .plan import FULL, LEFT_OUT
from .results import LEVEL, VERDICTS, Found, Measured, Standing, standings

HEADERS = (
    *("", "seeds", "error %", "minus control", "minus as wide", "mean map +", "other's map +"),
    *("verdict", "last quarter", "family", "stands", "rate", "weights +", "MFLOP +"),
)
LEFT = ("", "family", "stands", "verdict")
NEAR = 2.0  # points of error that a map is not worth the name for


def markdown(found: Found) -> str:
    """Blocks, heads, and the networks that they are compared with; what was spent, and on what."""
    stand = standings(found)
    full = found["recipe"] == FULL.recipe
    parts = [budget(found)]
    for title, kinds in (
        ("Controls", ("control", "longer", "wider")),
        ("Blocks", ("block",)),
        ("Heads", ("head",)),
    ):
        chosen = [one for one in stand if one.row["kind"] in kinds]
        if chosen:
            parts.append(f"## {title}\n\n{_table(chosen, found, full)}")
    if full:
        parts += [_counted(stand), *alone(stand)]
    parts += [
        f"### What {_name(row)} came to mix\n\n{mixture(row['shares'])}"
        for row in found["rows"]
        if row.get("shares")
    ]
    left_out = "; ".join(f"`{name}`, since {why}" for name, why in LEFT_OUT.items())
    parts.append(f"Left out: {left_out}.")
    waiting = [_name(row) for row in found["rows"] if not row["seeds"]]
    if waiting:
        parts.append(f"Not run yet: {', '.join(waiting)}.")
    diverged = [f"{_name(row)} (seed {seed})" for row in found["rows"] for seed in row["diverged"]]
    if diverged:
        parts.append(f"Diverged: {', '.join(diverged)}.")
    return "\n\n".join(parts) + "\n"


def budget(found: Found) -> str:
    """At what budget all of it was had, and whether more would have helped the control."""
    updates, search = found["updates"], found["search"]
    said = f"{updates:,} updates of {found['batch']} images each; {found['scenes']}."
    if found["recipe"] != FULL.recipe:
        return f"{said} A smoke test: it has no verdicts."
    rates = " or ".join(f"{rate:g}" for rate in search["rates"])
    said += (
        f" Learning rate {rates}, whichever had less validation error after "
        f"{int(search['share'] * updates):,} updates of a seed of its own; up to {found['seeds']} "
        f"paired seeds. {found['core_hours']:g} core-hours in all"
    )
    said += f" ({by_machine(found['made_with'])})." if found["made_with"] else "."
    stand = {one.row["kind"]: one for one in standings(found)}
    longer = stand["longer"].minus_control if "longer" in stand else None
    if longer is not None:
        said += (
            " The control trained for twice as long, minus the control: "
            f"{estimate_text(longer, 1, sign=True)} points of error."
        )
    return said


def _table(chosen: Sequence[Standing], found: Found, full: bool) -> str:
    headers = [header for header in HEADERS if full or header != "verdict"]
    lines = heading(headers, LEFT)
    control = next(row for row in found["rows"] if row["kind"] == "control")
    for one in chosen:
        said = [one.verdict] if full else []
        told = [
            *_errors(one),
            *said,
            quarter_text(one.row["curve"]),
            *_what(one.row),
            *_cost(one.row, control),
        ]
        lines.append(row_of([_name(one.row), str(len(one.row["seeds"])), *told]))
    return "\n".join(lines)


def _what(row: Measured) -> list[str]:
    """Its family, where it stands, and its learning rate."""
    changes = row["changes"]
    entry = BLOCKS.get(changes.get("block", "")) or HEADS.get(changes.get("head", ""))
    where = getattr(entry.make, "placement", "") if entry else ""
    rate = f"{row['rate']:g}" if row["rate"] else "–"
    return [entry.family if entry else "", where, rate]


def _name(row: Measured) -> str:
    changes = dict(row["changes"])
    first = changes.pop("block", None) or changes.pop("head", None)
    named = {"control": "no block", "longer": "no block, twice as long", "wider": "no block, wider"}
    rest = ", ".join(f"{key} {value}" for key, value in changes.items())
    if row["kind"] in named:
        return f"{named[row['kind']]}{f' ({rest})' if row['kind'] == 'wider' else ''}"
    return f"`{first}`{f', {rest}' if rest else ''}"


def _cost(row: Measured, control: Measured) -> list[str]:
    """How many weights and operations more than the control."""
    weights = row["weights"] - control["weights"]
    flops = (row["flops"] - control["flops"]) / 1e6
    return [_signed(f"{weights:+,d}"), _signed(f"{flops:+.2f}")]


def _errors(one: Standing) -> list[str]:
    differences = (one.minus_control, one.minus_wider, one.mean, one.foreign)
    own = "–" if one.error is None else estimate_text(one.error, 1)
    return [own, *(_points(each) for each in differences)]


def _points(found: Estimate | None) -> str:
    return "–" if found is None else estimate_text(found, 1, sign=True)


def _signed(text: str) -> str:
    return text.replace("-", "−")


def mixture(seeds: Sequence[Mapping[str, Mapping[str, float]]]) -> str:
    """What each kind of attention came to count in every block of a mixture, over its seeds."""
    kinds = list(next(iter(seeds[0].values())))
    title = f"Shares in percent, over {len(seeds)} seeds."
    lines = heading(("", *kinds), ("",))
    for block in seeds[0]:
        shares = [percent_over_seeds([seed[block][kind] for seed in seeds]) for kind in kinds]
        lines.append(row_of([f"`{block}`", *(estimate_text(one, 1) for one in shares)]))
    return title + "\n\n" + "\n".join(lines)


def _counted(stand: Sequence[Standing]) -> str:
    """How many rows have each verdict, and what the words mean."""
    lines = [f"Verdicts, each at a chance of {LEVEL:.0%} over all rows together (Holm):", ""]
    for verdict, meaning in VERDICTS.items():
        count = sum(one.verdict == verdict for one in stand)
        lines.append(f"* *{verdict}*, {count} rows: {meaning}.")
    return "\n".join(lines)


def alone(stand: Sequence[Standing]) -> list[str]:
    """What intervals say row by row, of which some miss by chance; [] before there are any."""
    rows = [one for one in stand if one.row["kind"] in ("block", "head")]
    told = [one for one in rows if one.minus_control and one.minus_control.high is not None]
    if not told:
        return []
    less = [one for one in told if _below(one.minus_control, 0)]
    also = [one for one in less if not one.wider or _below(one.minus_wider, 0)]
    more = [one for one in told if _above(one.minus_control, 0)]
    mapped = [one for one in told if one.foreign is not None]
    idle = [one for one in mapped if _below(one.foreign, NEAR)]
    return [
        f"Row by row, where some {len(told) / 40:.0f} of {len(told)} intervals lie on either side "
        "of 0 by chance alone:\n\n"
        f"* less error than the network without it, {len(less)} rows: {_names(less)};\n"
        "* of these, less than one that is as wide, or no weights more than it, "
        f"{len(also)}: {_names(also)};\n"
        f"* more error than the network without it, {len(more)}: {_names(more)};\n"
        f"* no more than {NEAR:g} points lost under another image's map, {len(idle)} of "
        f"{len(mapped)}: {_names(idle)}."
    ]


def _names(rows: Sequence[Standing]) -> str:
    return ", ".join(_name(one.row) for one in rows) or "none"


def _below(found: Estimate | None, limit: float) -> bool:
    return found is not None and found.high is not None and found.high < limit


def _above(found: Estimate | None, limit: float) -> bool:
    return found is not None and found.low is not None and found.low > limit
