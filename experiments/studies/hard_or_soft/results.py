"""What is finished of a plan, as it is committed: runs with their logs, trials, and all answers."""

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hardattn import storage

from ...kinds import Json
from ...recipes import RECIPES
from ...records.committed import STUDIES, pretty
from ...sweeps.search import Search, journal
from ..soft.measure import before
from . import plan
from .cells import TASKS, Cell, given as all_cells
from .measure import FAILED, KEPT, Given, path_script, search_of, spent, training_of

SAVED = STUDIES / "hard-or-soft.json"


def collected(given: Given) -> Json:
    """All that is finished in a folder, as plain values."""
    cells = plan.kept(given.out / plan.PLAN, given.protocol, given.where.root)
    agents = {(one.task, one.agent): one for one in cells if not one.script}
    followed = {(one.task, one.agent) for one in cells if one.script == "path"}
    searches: dict[str, Search] = {}
    found, made = [], set[str](before(given.out).get("made_with", ()))
    for cell in cells:
        agent = agents[cell.task, cell.agent]
        if not cell.missing and journal(given.out).exists() and agent.name not in searches:
            searches[agent.name] = search_of(given, agent, draw=False)
        runs = _runs(given, cell, agent, searches.get(agent.name))
        made |= {one.pop("made_with") for one in runs["runs"] if "made_with" in one}
        if not cell.script and (cell.task, cell.agent) in followed:
            _with_paths(given, cell, searches.get(cell.name), runs["runs"])
        trials = _trials(searches.get(agent.name)) if not cell.script else {}
        found.append(_cell(cell) | trials | runs)
    return _whole(given, found) | {
        "core_hours": round(spent(given.out) / 3600, 2),
        "made_with": sorted(made),
    }


def nothing() -> Json:
    """The same where nothing was run: every cell is there, and none has a run."""
    cells = [_cell(cell) | {"runs": [], "diverged": []} for cell in all_cells()]
    return _whole(Given(Path(), plan.FULL), cells) | {"core_hours": 0.0, "made_with": []}


def text_of(found: Json) -> str:
    """As it stands in a file."""
    return pretty(found) + "\n"


def _whole(given: Given, cells: list[Json]) -> Json:
    return {**outline(given.protocol), "seeds": given.protocol.seeds, "cells": cells}


def outline(protocol: plan.Protocol) -> Json:
    """How all cells of a plan are searched and trained."""
    tasks = {
        name: {
            "weights": task.weights,
            "chance": task.chance,
            "scenes": replace(RECIPES[f"soft-{name}"].problem, test_fraction=task.share).scenes(),
        }
        for name, task in TASKS.items()
    }
    return {"format": 1, "protocol": protocol.name, "trials": protocol.trials, "tasks": tasks}


def _cell(cell: Cell) -> Json:
    names = ("name", "task", "agent", "script", "title", "missing", "recipe", "changes", "weights")
    numbers = ("flops", "training_flops", "pixels", "work")
    return {name: getattr(cell, name) for name in (*names, *numbers)}


def _trials(search: Search | None) -> Json:
    """What was tried, and what was best."""
    if search is None:
        return {}
    best = search.best()
    return {
        "trials": [
            {"values": one.values, "error": one.error, "failed": one.failed}
            for one in search.found()
        ],
        "chosen": None if best is None else best.values,
    }


def _runs(given: Given, cell: Cell, agent: Cell, search: Search | None) -> Json:
    """The finished runs of a cell, and the seeds that diverged."""
    runs: list[Json] = []
    diverged: list[int] = []
    best = search.best() if search is not None else None
    for seed in range(given.protocol.seeds) if best is not None else ():
        assert best is not None
        script = path_script(given, agent, best, seed) if cell.script == "path" else ""
        if cell.script == "path" and not script:
            continue
        training = training_of(given, cell, best, seed, script)
        if (training.folder / KEPT).exists():
            runs.append(json.loads((training.folder / KEPT).read_text()))
        elif training.result.exists():
            runs.append(_run(training.folder, json.loads(training.result.read_text())))
        elif (training.folder / FAILED).exists():
            diverged.append(seed)
    return {"runs": runs, "diverged": diverged}


def _with_paths(given: Given, cell: Cell, search: Search | None, runs: list[Json]) -> None:
    """Note in an agent's runs where it looked on average, which is what a control follows."""
    best = search.best() if search is not None else None
    for run in runs if best is not None else ():
        assert best is not None
        run["path"] = path_script(given, cell, best, run["seed"])


def _run(folder: Path, result: Json) -> Json:
    """What is kept of a run."""
    greedy, training = result["figures"]["greedy"], result["training"]
    columns = storage.read(folder / "columns.pt", torch.device("cpu"))["greedy"]
    target, said = columns["target"], columns["log_probability"][:, -1].argmax(-1)
    made = result["made_with"]
    return {
        "name": result["name"],
        "seed": result["seed"],
        "error": greedy["error"],
        "error_after": greedy["error_after"],
        "pixels_after": result["cost"]["pixels_after"],
        "images": training["images"],
        "cpu_seconds": training["cpu_seconds"],
        "curve": training["curve"],
        "wrong": packed(wrong_by_image((said != target).numpy(), columns["index"].numpy())),
        "draws": int(len(target) // len(columns["index"].unique())),
        "made_with": f"{made['commit']} on {made['processor']}",
    }


def wrong_by_image(wrong: np.ndarray, index: np.ndarray) -> np.ndarray:
    """(N,) wrong answers, and which image each scene was made of -> how many, image by image.

    Raises ValueError where images have not as many scenes each.
    """
    which = np.unique(index, return_inverse=True)[1]
    counts = np.bincount(which)
    if len(set(counts.tolist())) > 1:
        raise ValueError("test images have not as many scenes each, so their errors do not compare")
    return np.bincount(which, weights=wrong).astype(np.uint8)


def packed(counts: np.ndarray) -> str:
    """Small whole numbers as text."""
    return base64.b64encode(zlib.compress(counts.astype(np.uint8).tobytes(), 9)).decode()


def unpacked(text: str) -> np.ndarray:
    """The same back."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)


def answers(cell: Json, seeds: Sequence[int]) -> np.ndarray:
    """(seeds, images): the share of each test image's scenes that was answered wrong."""
    by_seed = {run["seed"]: run for run in cell["runs"]}
    rows = [unpacked(by_seed[seed]["wrong"]) / by_seed[seed]["draws"] for seed in seeds]
    return np.stack(rows).astype(float)


def seeds_of(cell: Json) -> list[int]:
    """Those that are finished."""
    return [run["seed"] for run in cell["runs"]]


def spending(cell: Json, run: Json, axis: str) -> list[tuple[float, float]]:
    """(spent, validation error) in the course of a run: images, training FLOPs, or core seconds."""
    each: dict[str, float] = {
        "images": 1.0,
        "flops": float(cell["training_flops"]),
        "seconds": run["cpu_seconds"] / run["images"],
    }
    return [(each[axis] * seen, error) for seen, error in run["curve"]]


def read(path: Path = SAVED) -> Json:
    """What is committed; `nothing` where nothing is."""
    found: Any = json.loads(path.read_text()) if path.exists() else nothing()
    return dict(found)
