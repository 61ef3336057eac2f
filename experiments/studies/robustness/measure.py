"""Trained agents on changed problems, their weights as they were."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hardattn.report.runs import ReportError, read
from hardattn.storage import replace_text

from ...command_line.parse import parse
from ...command_line.words import as_words, origin_of
from ...kinds import Json
from ...recipe import RunOptions, UsageError
from ...recipes import RECIPES
from ...records.committed import STUDIES, pretty
from ...revive import LoadedRun, RunLoader, recipe_of
from ...sweeps.parallel import sweep
from .changes import CHANGES, NoMeaning

NAME = "characterisation.json"
SAVED = STUDIES / NAME
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
ON_A_SHARE = (
    "learned from a share of the images, and is a point of another run's curve; not measured"
)


def characterise(paths: Sequence[Path], what: Sequence[str], run: RunOptions) -> list[str]:
    """Measure all that is not there yet; returns what could not be done, a line each.

    Raises ReportError for paths without runs, CheckpointError and DataError.
    """
    faults, revive = [], RunLoader(run)
    for one in (one for group in read(paths) for one in group.runs):
        if one.folder is None:
            faults.append(f"{one.source}: committed figures, without the agent's weights")
            continue
        if one.result.recipe.get("train_fraction") is not None:
            print(f"{one.source}: {ON_A_SHARE}", file=sys.stderr)
            continue
        found = stored(one.folder, one.stored)
        missing = [name for name in what if name not in {**found["found"], **found["left_out"]}]
        if not missing:
            continue
        try:
            subject = revive(one.folder, one.stored)
            if subject.differs:
                raise UsageError(
                    f"{one.folder}: {subject.differs}: the code or the data changed since; run it "
                    "again into another folder"
                )
        except UsageError as fault:
            faults.append(str(fault))
            continue
        for number, name in enumerate(missing, 1):
            label = f"{one.result.name} seed {one.seed}"
            print(f"{label}: {name} ({number} of {len(missing)})", file=sys.stderr, flush=True)
            _measure(subject, name, found)
            _write(one.folder, found)
    return faults


def _measure(subject: LoadedRun, name: str, found: Json) -> None:
    try:
        found["found"][name] = CHANGES[name](subject)
    except NoMeaning as reason:
        found["left_out"][name] = str(reason)


def stored(folder: Path, result: Json) -> Json:
    """What was found of this very result, if anything. Raises ReportError for a broken file."""
    of = result["made_with"].get("finished")
    empty: Json = {"format": 1, "of": of, "found": {}, "left_out": {}}
    path = folder / NAME
    if not path.exists():
        return empty
    try:
        before = json.loads(path.read_text())
    except ValueError as fault:
        raise ReportError(f"{path}: not JSON ({fault}); delete it, and run this again") from fault
    if not isinstance(before, dict) or not {"found", "left_out"} <= before.keys():
        raise ReportError(f"{path}: no characterisation; delete it, and run this again")
    return before if (before.get("format"), before.get("of")) == (1, of) else empty


def learn_from_fewer(paths: Sequence[Path], workers: int, run: RunOptions) -> tuple[list[str], int]:
    """Train on shares of the images whatever is not yet; what could not be done, and exit code."""
    faults, commands, wanted = [], [], []
    for one in (one for group in read(paths) for one in group.runs):
        if one.folder is None or one.result.recipe.get("train_fraction") is not None:
            continue
        found = stored(one.folder, one.stored)
        if "labels" in found["found"]:
            continue
        try:
            origin = origin_of(one.stored, recipe_of(one.stored, one.folder))
        except UsageError as fault:
            faults.append(str(fault))
            continue
        if RECIPES[origin.recipe].trainer != "hardattn":
            faults.append(f"{one.folder}: its trainer does not learn from a share of the images")
            continue
        words = [*as_words(origin), "--seed", str(one.seed)]
        options = ["--out", str(one.folder.parent.parent), "--device", run.device]
        options += [] if run.root is None else ["--root", str(run.root)]
        mine = [[*words, "--train-fraction", f"{share:g}", *options] for share in SHARES]
        commands += mine
        wanted.append((one.folder, found, mine, one.stored))
    code = sweep(commands, workers)
    for folder, found, mine, whole in wanted:
        files = []
        for command in mine:
            name, _, itself = parse(command)
            files.append(itself.out / name / f"seed-{itself.seed}" / "result.json")
        if all(file.exists() for file in files):
            results = [json.loads(file.read_text()) for file in files]
            found["found"]["labels"] = _labels([*results, whole])
            _write(folder, found)
    return faults, code


def _labels(results: Sequence[Json]) -> Json:
    greedy = [result["figures"]["greedy"] for result in results]
    return {
        "x": "training images learned from, %",
        "at": [100 * share for share in (*SHARES, 1)],
        "trained": 100.0,
        **{key: [each.get(key) for each in greedy] for key in ("error", "hit", "pointing")},
    }


def _write(folder: Path, found: Json) -> None:
    replace_text(folder / NAME, pretty(found) + "\n")
