"""Tables for machines: CSV by agent and by training seed."""

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from hardattn.report.costs import timed
from hardattn.report.rows import Table
from hardattn.report.runs import Run
from hardattn.statistics.intervals import Estimate

ESTIMATES = ("error", "middle", "difference", "chance", "gain")


def by_agent(tables: Sequence[Table]) -> str:
    """CSV, a row an agent and its set of seeds: estimates with their intervals, and every figure of
    the results as its mean over seeds. Errors and differences of the table are in percent, figures
    as they are measured; what is not known is empty.
    """
    lines = []
    for table in tables:
        for row in table.rows:
            line: dict[str, Any] = {
                "scenes": table.scenes,
                "sees": row.sees,
                "name": row.group.name,
                "title": row.title,
                "n_seeds": len(row.group.runs),
                "seeds": " ".join(map(str, row.group.seeds)),
                "control": row.control,
                "verdict": row.verdict,
            }
            for name in ESTIMATES:
                line |= _estimate(name, getattr(row, name))
            every = [_measured(run) for run in row.group.runs]
            line |= {"pixels": row.pixels} | {
                name: _mean([one.get(name) for one in every]) for name in every[0]
            }
            lines.append(line | {"command": row.group.first.command})
    return _csv(lines)


def by_seed(tables: Sequence[Table]) -> str:
    """CSV, a row a training seed: every figure of its result, as it was measured."""
    return _csv(
        {
            "scenes": table.scenes,
            "sees": row.sees,
            "name": row.group.name,
            "title": row.title,
            "seed": run.seed,
            **_measured(run),
            "commit": run.result.made_with.get("commit"),
            "command": run.result.command,
        }
        for table in tables
        for row in table.rows
        for run in row.group.runs
    )


def _estimate(name: str, found: Estimate | None) -> dict[str, Any]:
    if found is None:
        found = Estimate(math.nan, None, None, 0, "")
    parts = (found.point, found.low, found.high, found.method)
    return dict(
        zip((name, f"{name}_low", f"{name}_high", f"{name}_interval"), parts, strict=True)
    ) | {f"{name}_unit": found.unit if found.low is not None else ""}


def _measured(run: Run) -> dict[str, Any]:
    """All numbers of a run by name: `greedy.nll`, `greedy.error_after.2`, `cost.latency_ms`."""
    from hardattn.evaluation.metrics import METRICS

    result, found = run.result, dict[str, Any]()
    for draw, stored in result.metrics.items():
        later = METRICS if draw == "greedy" else ()
        named = dict.fromkeys([*(stored or {}), *later])
        found |= _flat({name: run.figure(draw, name) for name in named}, draw)
    found |= _flat(result.controls, "controls")
    found |= _flat(timed(result.cost), "cost")
    training = {key: value for key, value in result.training.items() if key != "curve"}
    found |= _flat(training, "training")
    found |= _flat({"parameters": result.parameters, "flops": result.flops}, "")
    if run.gain is not None:
        parts = {key: run.gain.get(key) or {} for key in ("own", "swaps", "retrained")}
        found |= _flat(parts, "gain")
    return found


def _flat(part: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Numbers of nested mappings and lists, from 1, by their dotted names."""
    found: dict[str, Any] = {}
    for key, value in part.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, list):
            value = dict(enumerate(value, 1))
        if isinstance(value, dict):
            found |= _flat(value, name)
        elif isinstance(value, int | float):
            found[name] = value
    return found


def _mean(values: Sequence[Any]) -> float | None:
    if any(value is None for value in values):
        return None
    return float(sum(values) / len(values))


def _csv(lines: Iterable[dict[str, Any]]) -> str:
    """Lines of one width: a column for whatever any of them has."""
    lines = list(lines)
    names = list(dict.fromkeys(name for line in lines for name in line))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in line.items()} for line in lines)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    nothing = value is None or (isinstance(value, float) and not math.isfinite(value))
    return "" if nothing else re.sub(r"\s+", " ", value) if isinstance(value, str) else value
