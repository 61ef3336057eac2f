"""Every run that was made, also those that failed or stopped, and what it cost.

Finished runs that are committed say it themselves; of others, studies/ledger.json keeps it.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from hardattn.report.render.grid import heading, row_of
from hardattn.report.runs import ReportError
from hardattn.storage import CheckpointError, read, replace_text

from ..kinds import Json
from .committed import RESULTS, STUDIES, absolute, pretty
from .folder import result_name
from .states import State, state

SAVED = STUDIES / "ledger.json"
DONE = "finished"
PATH = re.compile(r"(?:~|/[\w.-]+)*/([\w.-]+)")  # what means nothing elsewhere but in its last part
HEADS = ("run", "seeds", "images", "error %", "core-seconds", "machine", "what became of it")
LEFT = ("run", "seeds", "machine", "what became of it")


class Entry(NamedTuple):
    """One run."""

    name: str
    seed: int
    state: str  # finished, failed, stopped
    images: int
    of: int | None  # images of the whole training
    cpu_seconds: float | None  # of training; None where only the wall was looked at
    seconds: float | None
    machine: str
    commit: str
    date: str
    error: float | None = None
    why: str = ""  # it failed
    validation: float | None = None  # the least error there, of a run that left test images alone

    @property
    def key(self) -> tuple[str, int, str]:
        """The same run has the same one: a finished one keeps its time, another has but one."""
        return self.name, self.seed, self.date if self.state == DONE else ""


def entries(results: Path = RESULTS) -> list[Entry]:
    """All that are known: of a folder of results, and of the ledger beside it."""
    kept = {one.key: one for one in _kept(results)}
    for path in sorted(results.glob("*.json")):
        for result in json.loads(path.read_text()):
            one = finished(result)
            kept[one.key] = one
    return sorted(kept.values(), key=_order)


def note(folders: Iterable[Path], results: Path = RESULTS) -> list[Entry]:
    """Write down the runs below some folders that do not train now; returns these.

    One that had failed or been stopped, and has gone on since, is one run, and stands there once.
    Raises ReportError for what would tell of one machine alone.
    """
    found = []
    for folder in folders:
        places = sorted(path.parent for path in folder.rglob("recipe.json"))
        if not places:
            raise ReportError(f"{folder}: no run in it")
        found += [_entry(one) for one in map(state, places) if one.state != "running"]
    gone = {one.key[:2] for one in found}
    kept = {one.key: one for one in _kept(results) if one.state == DONE or one.key[:2] not in gone}
    kept |= {one.key: one for one in found}
    content = [one._asdict() for one in sorted(kept.values(), key=_order)]
    for number, one in enumerate(content):
        for where, text in absolute(one):
            raise ReportError(f"entry {number}: {where} holds an absolute path: {text}")
    path = results / SAVED.relative_to(RESULTS)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, pretty({"format": 1, "runs": content}) + "\n")
    return found


def finished(result: Json) -> Entry:
    """What a result says of its run, or what is there of one that left the test images alone."""
    training, made = result["training"], result["made_with"]
    whole = result["recipe"].get("images")
    on_gpu = (training.get("made_with") or made).get("device", "cpu") != "cpu"
    wall = training.get("seconds")
    tested = "figures" in result
    return Entry(
        result["name"],
        result["seed"],
        DONE,
        training["images"],
        whole,
        wall if on_gpu else training.get("cpu_seconds"),
        wall,
        str(made.get("processor") or "unknown"),
        str(made.get("commit") or ""),
        str(made.get("finished") or ""),
        result["figures"]["greedy"]["error"] if tested else None,
        validation=None if tested else min((error for _, error in training["curve"]), default=None),
    )


def _kept(results: Path) -> list[Entry]:
    path = results / SAVED.relative_to(RESULTS)
    return [Entry(**one) for one in json.loads(path.read_text())["runs"]] if path.exists() else []


def _entry(one: State) -> Entry:
    """Of a run's folder; of one that did not end what its last checkpoint says."""
    folder = one.folder
    if one.state == DONE:
        there = (folder / result_name(validate_only) for validate_only in (False, True))
        return finished(json.loads(next(path for path in there if path.exists()).read_text()))
    spent: Json = {}
    for path in sorted(folder.glob("checkpoints/step-*.pt")):
        try:
            spent = read(path)
        except CheckpointError:
            continue
    noted = folder / "sources.json"
    commit = json.loads(noted.read_text()).get("commit") if noted.exists() else ""
    last = max(path.stat().st_mtime for path in folder.iterdir() if path.is_file())
    return Entry(
        folder.parent.name,
        int(folder.name.rpartition("-")[2]),
        one.state,
        one.images,
        one.of,
        spent.get("cpu_seconds"),
        spent.get("seconds"),
        "unknown",
        commit or "",
        datetime.fromtimestamp(last, UTC).isoformat(timespec="seconds"),
        why=PATH.sub(r"\1", one.why),
    )


def _order(one: Entry) -> tuple[str, int, str]:
    return one.name, one.seed, one.date


def markdown(results: Path = RESULTS) -> str:
    """What all of it cost, day by day; and a line for the seeds of one name on one machine.

    The last run of each seed is in the first line; those before, maybe of other settings, below.
    """
    found = entries(results)
    if not found:
        return ""
    lines = [_total(found), "", *heading(("day", "runs", "core-hours", "not finished"), ("day",))]
    for day in sorted({one.date[:10] for one in found}, reverse=True):
        here = [one for one in found if one.date[:10] == day]
        open_ones = sum(one.state != DONE for one in here)
        lines.append(
            row_of((day or "unknown", str(len(here)), _hours(here), str(open_ones or "–")))
        )
    lines += ["", *heading(HEADS, LEFT)]
    alike: dict[tuple[str, str, int], list[Entry]] = defaultdict(list)
    since: Counter[tuple[str, str, int]] = Counter()
    for one in reversed(found):
        run = one.name, one.machine, one.seed
        alike[one.name, one.machine, since[run]].append(one)
        since[run] += 1
    lines += [_line(alike[key][::-1]) for key in sorted(alike)]
    return "\n".join(lines) + "\n"


def _total(found: Sequence[Entry]) -> str:
    timed = [one for one in found if one.cpu_seconds is not None]
    walled = [one for one in found if one.cpu_seconds is None and one.seconds is not None]
    said = f"**{_hours(timed)} core-hours** of training in {len(timed):,} runs"
    failed = sum(one.state == "failed" for one in found)
    stopped = sum(one.state == "stopped" for one in found)
    said += f"; {failed} runs failed, {stopped} were stopped."
    if walled:
        hours = sum(one.seconds or 0.0 for one in walled) / 3600
        said += (
            f" {len(walled):,} older runs were timed by the wall alone, beside others: "
            f"{hours:.1f} hours, which are not in that sum."
        )
    return said


def _hours(found: Sequence[Entry]) -> str:
    return f"{sum(one.cpu_seconds or 0.0 for one in found) / 3600:.2f}"


def _line(runs: Sequence[Entry]) -> str:
    first = runs[0]
    errors = [one.error for one in runs if one.error is not None]
    images = sorted({one.images for one in runs})
    timed = [one.cpu_seconds for one in runs if one.cpu_seconds is not None]
    cells = [
        f"`{first.name}`",
        ", ".join(str(one.seed) for one in runs),
        " to ".join(f"{count:,}" for count in (images[0], images[-1])[: len(images)]),
        f"{100 * sum(errors) / len(errors):.2f}" if errors else "–",
        f"{sum(timed):,.0f}" if timed else "–",
        first.machine,
        _became(runs),
    ]
    return row_of(cells)


def _became(runs: Sequence[Entry]) -> str:
    """What there is to say of those that did not simply finish."""
    said = []
    for one in runs:
        if one.state != DONE:
            why = " ".join(one.why.replace("|", "/").split())
            share = f" at {one.images:,} of {one.of:,} images" if one.of else ""
            said.append(f"seed {one.seed} {one.state}{share}{f': {why}' if why else ''}")
        elif one.validation is not None:
            said.append(f"not tested: {100 * one.validation:.2f} % in validation")
    return "; ".join(said) or DONE
