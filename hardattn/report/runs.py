"""Find finished runs, read them, and group the seeds of one recipe on the same scenes."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from hardattn.report.results import ReportError as ReportError, Result, checked, entropy

GAINS = 1  # the format of gain.json
ONE_SEED_ONLY = frozenset({"seed"})


@dataclass(frozen=True, eq=False)
class Run:
    """One training seed: its result, and columns and example scenes where it has a folder."""

    result: Result
    source: Path
    folder: Path | None

    @property
    def seed(self) -> int:
        return self.result.seed

    @property
    def stored(self) -> dict[str, Any]:
        """The result as it stands in a file of today's format."""
        return self.result.stored

    @cached_property
    def columns(self) -> dict[str, Any] | None:
        """{"greedy": Columns, "sampled": Columns}; None for a result without its folder."""
        if self.folder is None:
            return None
        from hardattn.evaluation.evaluate import Columns

        stored = _read_tensors(self.folder / "columns.pt")
        try:
            found = {draw: Columns(**fields) for draw, fields in stored.items()}
        except TypeError as fault:
            raise ReportError(
                f"{self.folder / 'columns.pt'}: not the columns of an evaluation; run it again"
            ) from fault
        if self.result.boxed:
            return found
        return {
            draw: one._replace(hit=one.hit & False, box=one.box * math.nan)
            for draw, one in found.items()
        }

    @property
    def drawn(self) -> Any:
        """The columns of the pass as in use: of random looks those of all draws, each of all
        scenes; of others the greedy ones. To be asked only where there are columns.
        """
        assert self.columns is not None
        return self.columns.get("drawn", self.columns["greedy"])

    def figure(self, draw: str, name: str) -> Any:
        """A figure of a pass: as it was measured, else, of a metric that came later, from columns.

        None where there is neither, or where the columns lack what the metric is about.
        """
        stored = self.result.metrics.get(draw) or {}
        found = stored[name] if name in stored else self._later(draw, name)
        return entropy(found, self.result.world["sensor"]) if name == "entropy" else found

    @cached_property
    def _computed(self) -> dict[str, dict[str, Any]]:
        return {}

    def _later(self, draw: str, name: str) -> Any:
        """All that is lacking of a pass is computed at once, as figures share what is slow."""
        from hardattn.evaluation.metrics import METRICS, once

        if name not in METRICS or self.columns is None or draw not in self.columns:
            return None
        if draw not in self._computed:
            columns = once(self.drawn if draw == "greedy" else self.columns[draw])
            stored, found = self.result.metrics.get(draw) or {}, dict[str, Any]()
            for lacking in METRICS.keys() - stored.keys():
                try:
                    found[lacking] = METRICS[lacking](columns)
                except (RuntimeError, IndexError):  # a column that its time did not have is empty
                    found[lacking] = None
            self._computed[draw] = found
        return self._computed[draw][name]

    @cached_property
    def gain(self) -> dict[str, Any] | None:
        """What became of its answers when others chose its looks, where that was measured."""
        file = None if self.folder is None else self.folder / "gain.json"
        if file is None or not file.exists():
            return None
        content = _json(file)
        whole = isinstance(content, dict) and {"own", "swaps"} <= content.keys()
        if not whole or content.get("format") != GAINS:
            raise ReportError(f"{file}: not a policy gain of format {GAINS}; measure it again")
        return dict(content)

    @cached_property
    def gain_right(self) -> dict[str, Any] | None:
        """Who was right then: (N,) bool of each swap and of "own"; "index", (N,), of the images."""
        file = None if self.folder is None else self.folder / "gain.pt"
        return None if file is None or not file.exists() else _read_tensors(file)

    @cached_property
    def examples(self) -> dict[str, Any] | None:
        """image (n, C, H, W), target (n,), box (n, M, 4) of the first scenes, or None."""
        if self.folder is None:
            return None
        stored = _read_tensors(self.folder / "examples.pt")
        if not {"image", "target", "box"} <= stored.keys():
            raise ReportError(
                f"{self.folder / 'examples.pt'}: no image, target and box; run it again"
            )
        if not self.result.boxed:
            for part in (stored, stored.get("failures") or {}):
                part |= {"box": part["box"] * math.nan} if "box" in part else {}
        return stored


class Group(NamedTuple):
    """All seeds of one recipe on the same scenes, in order of seed."""

    scenes: str  # with the hash of the data where several data have one name
    name: str
    runs: tuple[Run, ...]

    @property
    def first(self) -> Result:
        """The result of the first seed: what all seeds share is read from it."""
        return self.runs[0].result

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.seed for run in self.runs)

    @property
    def failed(self) -> dict[int, str]:
        """Seeds whose training failed, and why, as far as their folders lie beside these."""
        tops = {run.folder.parent for run in self.runs if run.folder is not None}
        notes = [note for top in tops for note in top.glob("seed-*/failed.txt")]
        return {
            int(note.parent.name.rpartition("-")[2]): note.read_text().strip()
            for note in sorted(notes)
            if not (note.parent / "result.json").exists()
        }

    @property
    def mixed(self) -> str:
        """Modules whose source was not the same for all seeds, or from begin to end of a training.

        "" where there are none, or where no one noted it.
        """
        known = [run.result.sources for run in self.runs]
        files = [set(one["files"].items()) for one in known if one]
        alike = set.intersection(*files) if files else set()
        differ = {name for name, _ in set().union(*files) - alike}
        return ", ".join(sorted(differ.union(*(one.get("changed", ()) for one in known))))


def read(paths: Iterable[str | Path]) -> list[Group]:
    """Groups from run folders, folders of runs, results files and folders of results files.

    Raises ReportError: a path without runs, a file that is no result, a seed that is there twice,
    seeds of one name that are not of one recipe.
    """
    files: dict[Path, Path] = {}
    for path in map(Path, paths):
        for file in _files(path):
            files.setdefault(file.resolve(), file)
    gathered: dict[tuple[str, str], dict[int, Run]] = {}
    runs = [run for file in files.values() for run in _runs(file)]
    for run, scenes in zip(runs, _scenes(runs), strict=True):
        key = (scenes, run.result.name)
        seeds = gathered.setdefault(key, {})
        if run.seed in seeds:
            raise ReportError(
                f"{run.source}: seed {run.seed} of {key[1]} is also in {seeds[run.seed].source}; "
                "give only one of them"
            )
        seeds[run.seed] = run
    groups = [
        Group(scenes, name, tuple(seeds[seed] for seed in sorted(seeds)))
        for (scenes, name), seeds in sorted(gathered.items())
    ]
    for group in groups:
        _check_alike(group)
    return groups


def unfinished(paths: Iterable[str | Path]) -> list[Path]:
    """Folders named after a seed that hold no result: runs that go on, or that failed.

    A trial of a search is finished without one: it left the test images alone.
    """
    found: set[Path] = set()
    for path in map(Path, paths):
        if path.is_dir():
            candidates = [path, *path.rglob("seed-*")]
            found.update(
                folder
                for folder in candidates
                if re.fullmatch(r"seed-\d+", folder.name)
                and folder.is_dir()
                and not (folder / "result.json").exists()
                and not (folder / "validated.json").exists()
            )
    return sorted(found)


def _files(path: Path) -> list[Path]:
    """The result.json files below a folder, else the results files in it."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ReportError(f"{path}: no such file or folder")
    files = sorted(path.rglob("result.json"))
    if not files and (path / "recipe.json").exists():
        raise ReportError(f"{path}: not finished (no result.json); run its command again")
    files = files or sorted(path.glob("*.json"))
    if not files:
        raise ReportError(f"{path}: no finished run in it (no result.json, no results files)")
    return files


def _runs(file: Path) -> list[Run]:
    """The run of a result.json, a mapping; or those of a results file, a list."""
    content = _json(file)
    if file.name == "result.json":
        for name in ("columns.pt", "examples.pt"):
            if not (file.parent / name).exists():
                raise ReportError(f"{file.parent / name}: missing beside result.json; run it again")
        return [Run(checked(content, str(file)), file, file.parent)]
    if not isinstance(content, list) or not content:
        raise ReportError(f"{file}: not a results file, which is a list of results")
    results = [checked(one, f"{file}, entry {number}") for number, one in enumerate(content)]
    return [Run(result, file, None) for result in results]


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except OSError as fault:
        raise ReportError(f"{file}: cannot be read ({fault.strerror or fault})") from fault
    except ValueError as fault:
        raise ReportError(f"{file}: not JSON, or cut short ({fault}); run it again") from fault


def _scenes(runs: Sequence[Run]) -> list[str]:
    """Of each run its scenes: in equal words where, and only where, they are the same.

    What a folder or a page of the Hub holds changes, and so do scenes of one name: the hash of the
    data tells them apart. A result of before there were hashes is on data of its own, unless they
    are of a set that is the same everywhere.
    """
    data: dict[str, set[str]] = {}
    for run in runs:
        data.setdefault(run.result.scenes, set()).add(run.result.data)
    named = []
    for run in runs:
        words = run.result.scenes
        known = data[words] - {""} if ":" not in words.split()[0] else data[words]
        named.append(f"{words}, data {run.result.data or 'unknown'}" if len(known) > 1 else words)
    return named


def _check_alike(group: Group) -> None:
    """One row of a table is one recipe."""
    first = group.runs[0]
    for run in group.runs[1:]:
        for part in ("recipe", "world"):
            mine, theirs = (getattr(one.result, part) for one in (first, run))
            name = _difference(mine, theirs, part)
            if name:
                raise ReportError(
                    f"{run.source}: {name} differs from {first.source}, yet both are "
                    f"{group.name}; give one another name"
                )


def _difference(one: Any, other: Any, name: str) -> str:
    """Where two nested values first differ; empty where they do not."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other} - ONE_SEED_ONLY):
            where = _difference(one.get(key), other.get(key), f"{name}.{key}")
            if where:
                return where
        return ""
    return "" if one == other else name


def _read_tensors(file: Path) -> dict[str, Any]:
    from pickle import UnpicklingError

    from hardattn.storage import CheckpointError, read

    try:
        stored = read(file)
    except CheckpointError as fault:
        raise ReportError(str(fault)) from fault
    except (UnpicklingError, RuntimeError, EOFError, KeyError) as fault:
        raise ReportError(f"{file}: not a file of tensors; run it again") from fault
    if not isinstance(stored, dict):
        raise ReportError(f"{file}: not what a run leaves; run it again")
    return stored
