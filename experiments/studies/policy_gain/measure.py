"""The looking of trained agents swapped for that of others, their answering kept: measured."""

import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import Tensor

from hardattn.agents import Following
from hardattn.evaluation.evaluate import Columns, columns, concatenate, episodes, finished
from hardattn.evaluation.metrics import error, nll
from hardattn.evaluation.scanpath import hit
from hardattn.evaluation.swap import DRAWS, SWAPS, Meaningless, own_looks, paths
from hardattn.maps import CONTROLS, Map
from hardattn.report.column import estimate_text
from hardattn.report.controls import script
from hardattn.report.policy_gain import RETRAINED, Gain
from hardattn.report.results import record
from hardattn.report.rows import basis
from hardattn.report.runs import read as read_runs
from hardattn.report.titles import title
from hardattn.rollout import DRAWS as LOOKING, Agent, Draw, Trajectory
from hardattn.scenes import Scenes
from hardattn.storage import CheckpointError, read, replace_text, write
from hardattn.world import World

from ...kinds import Json
from ...measure import controlled
from ...recipe import RunOptions, UsageError
from ...records import sources
from ...records.folder import locked
from ...revive import RunLoader
from .fixed_order import retrained

FORMAT = 1
Rights = dict[str, Tensor]  # by swap, whether each scene was answered right


def gains(
    paths: Iterable[str | Path],
    retrain: bool = False,
    again: bool = False,
    device: str = "auto",
    root: Path | None = None,
    known: Mapping[str, Path] | None = None,
) -> "tuple[list[Gain], list[str]]":
    """Measure what is not measured yet, or all `again`; one entry for each agent.

    Beside them what could not be measured, a line each; the others are. known: see `retrained`.
    Raises ReportError for
    paths without runs, CheckpointError where nothing can be written, Busy; in training NotFinite,
    Stopped.
    """
    revive = RunLoader(RunOptions(device=device, root=root))

    def measured(folder: Path | None, source: Path, result: Json) -> tuple[Json, Rights]:
        if folder is None:
            raise UsageError(f"{source}: results without weights: give the folder of the run")
        one = _measured(folder, result, revive, again)
        if retrain and one["retrained"] is None:
            one["retrained"] = retrained(folder, result, revive, known)
            replace_text(folder / "gain.json", json.dumps(one, indent=1) + "\n")
        who = read(folder / "gain.pt")
        if one["retrained"] is not None:
            who["retrained"] = _right_of(folder / one["retrained"]["folder"], who["index"])
        return one, who

    done, faults = [], []
    for group in read_runs(paths):
        found: dict[int, tuple[Json, Rights]] = {}
        for run in group.runs:
            try:
                found[run.seed] = measured(run.folder, run.source, run.stored)
            except UsageError as fault:
                faults.append(str(fault))
        if found:
            kept, right = zip(*found.values(), strict=True)
            whose, seeds = title(group.first), tuple(found)
            done.append(Gain(group.name, whose, seeds, kept, right, script(group.first)))
    return done, faults


def _measured(folder: Path, result: Json, revive: RunLoader, again: bool) -> Json:
    """What gain.json says of a run, measured where it does not say it yet."""
    with locked(folder):
        known = _known(folder, result)
        if known is not None and not again:
            since = sources.since(result)
            if since:
                print(
                    f"{folder}: {since}; --again measures anew what is in gain.json",
                    file=sys.stderr,
                )
            return known
        alive = revive(folder, result)
        print(f"{result['name']} seed {result['seed']}: looking again", file=sys.stderr)
        draw = LOOKING[alive.recipe.problem.draw]
        columns, left_out = swapped_columns(
            alive.agent, alive.setting.world, alive.test, draw, result["seed"]
        )
        own = _figures(columns["own"])
        if alive.differs:
            print(
                f"{folder}: {alive.differs}, which another version measured; differences are to "
                "the former",
                file=sys.stderr,
            )
        found = {
            "format": FORMAT,
            "name": result["name"],
            "seed": result["seed"],
            "own": {key: own[key] for key in ("error", "hit")},
            "swaps": {key: _figures(one) for key, one in columns.items() if key != "own"},
            "draws": DRAWS,
            "left_out": left_out,
            "retrained": None if known is None else known["retrained"],
            "per_example": "gain.pt",
        }
        right = {key: _right(one, len(alive.test)) for key, one in columns.items()}
        kept = {**right, "index": columns["own"].index, "weights": _weights(folder)}
        write(folder / "gain.pt", kept)
        replace_text(folder / "gain.json", json.dumps(found, indent=1) + "\n")
        return found


def _known(folder: Path, result: Json) -> Json | None:
    """What gain.json says; None where there is none, or one of other weights."""
    path = folder / "gain.json"
    if not path.exists() or not (folder / "gain.pt").exists():
        return None
    try:
        found: Json = json.loads(path.read_text())
        same = [found["format"] == FORMAT, *(found[key] == result[key] for key in ("name", "seed"))]
        complete = {"own", "swaps", "draws", "left_out", "retrained"} <= found.keys()
    except (ValueError, KeyError, TypeError) as fault:
        raise UsageError(f"{path}: not what this program writes; delete it") from fault
    fresh = _read(folder / "gain.pt").get("weights") == _weights(folder)
    # What was measured while the whole image was taken for the target is measured again.
    true = record(result).boxed or not complete or found["own"].get("hit") is None
    return found if all(same) and complete and fresh and true else None


def _read(path: Path) -> Json:
    """What is in a file; one that is damaged is a fault of its run alone."""
    try:
        return read(path)
    except CheckpointError as fault:
        raise UsageError(str(fault)) from fault


def _weights(folder: Path) -> str:
    """What tells the weights of a run from others: their hash."""
    path = folder / "best.pt.sha256"
    return path.read_text().split()[0] if path.exists() else ""


def swapped_columns(
    agent: Agent, world: World, scenes: Scenes, draw: Draw, seed: int = 0
) -> tuple[dict[str, Columns], dict[str, str]]:
    """Columns of the agent itself ("own") and of each swap; and why others are left out.

    Of a swap that is drawn those of all its draws, one after the other. seed: of the training.
    """
    own = own_looks(agent, world, scenes, draw)
    columns, left_out = {"own": own.columns}, {}
    for name in SWAPS:
        try:
            ways = paths(name, own, world, scenes, seed)
        except Meaningless as fault:
            left_out[name] = str(fault)
            continue
        columns[name] = concatenate([followed(agent, world, scenes, way, draw) for way in ways])
    maps, missing = {}, "it looks a place at a time: shuffled is its like"
    if world.sensor.everything:
        maps = controlled(agent, world, scenes, draw)
        missing = "it declares no map that could be replaced"
        if len(scenes) < 2:
            missing = "a scene alone has no map but its own"
    columns |= maps
    left_out = {key: why for key, why in left_out.items() if key not in columns}
    left_out |= {key: missing for key in CONTROLS if key not in columns}
    return columns, left_out


def followed(
    agent: Agent,
    world: World,
    scenes: Scenes,
    path: Tensor,
    draw: Draw,
    batch: int | None = None,
) -> Columns:
    """Columns of an agent that looks along a path, (T, N, P), from the world's first looks."""

    def measured(part: Scenes, taken: Trajectory, maps: list[Map]) -> Columns:
        return columns(taken, world, part, maps)

    batch = batch or world.at_once(scenes)
    first = world.first(scenes, torch.Generator().manual_seed(0))
    parts = []
    for start in range(0, len(scenes), batch):
        here = slice(start, start + batch)
        other = Following(agent, path[:, here])
        part = scenes.slice(here.start, here.stop)
        parts += episodes(other, world, part, measured, draw, batch=batch, first=first[here])
    # Only now: a clustering task is to match clusters and classes over all scenes at once.
    return finished(world, parts)


def _right(columns: Columns, count: int) -> Tensor:
    """(N,) bool: where it was right; of several draws the share of them, (N,) in [0, 1], as it is
    of several questions at once.
    """
    right = (columns.share_correct if columns.together else columns.correct)[:, -1].clone()
    return right if len(right) == count else right.view(-1, count).double().mean(0)


def _figures(columns: Columns) -> Json:
    """Of a swap: error, hit and NLL, None where they have no meaning or are not finite."""
    found = {"error": error(columns), "hit": hit(columns), "nll": nll(columns)}
    return {k: v if v is not None and math.isfinite(v) else None for k, v in found.items()}


def _right_of(folder: Path, index: Tensor) -> Tensor:
    """(N,) where a retrained observer was right, as `_right` has it."""
    columns = Columns(**_read(folder / "columns.pt")["greedy"])
    if columns.index.tolist() != index.tolist():
        raise UsageError(f"{folder}: measured on other scenes; run it again")
    return _right(columns, len(columns.index))


def tell(done: "list[Gain]") -> None:
    """Print a table: what each swap costs each agent; and the verdicts."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    grid = Table(title="Points of error more with somebody else's looks", title_justify="left")
    for head in ("agent", "swap", "error %", "minus its own", "hit %"):
        left = head in ("agent", "swap")
        width = 40 if head == "agent" else None
        grid.add_column(head, justify="left" if left else "right", max_width=width, overflow="fold")
    sentences, reasons = [], dict[str, list[str]]()
    for gain in done:
        own = [one["own"] for one in gain.found]
        grid.add_row(escape(gain.name), "its own", *_cells(own, ""))
        for name in gain.swaps:
            found = gain.difference(name)
            difference = "–" if found is None else estimate_text(found, 1, sign=True)
            swaps = [one["swaps"][name] for one in gain.found]
            grid.add_row("", name, *_cells(swaps, difference))
        grid.add_section()
        sentences += _sentences(gain, estimate_text, basis)
        for name, why in gain.found[0]["left_out"].items():
            reasons.setdefault(f"{gain.name}: {why}", []).append(name)
    console.print(grid)
    sentences += [f"left out of {why} ({', '.join(names)})" for why, names in reasons.items()]
    for line in sentences:
        console.print(escape(line), soft_wrap=True, highlight=False)


def _cells(figures: list[Json], difference: str) -> tuple[str, str, str]:
    """Mean error and hits over seeds, in percent, with the difference between them."""
    error, hit = ([one[key] for one in figures] for key in ("error", "hit"))
    hits = "–" if None in hit else f"{100 * sum(hit) / len(hit):.1f}"
    return f"{100 * sum(error) / len(error):.1f}", difference, hits


def _sentences(gain: "Gain", text: Callable[..., str], basis: Callable[..., str]) -> list[str]:
    """Its policy gain, and against the best order if there is one, with what they rest on."""
    lines = []
    if gain.script:
        lines.append(f"{gain.name}: a control, whose looks are scripted: no policy to ask about")
    elif (found := gain.gain) is not None:
        lines.append(
            f"{gain.name}: {gain.verdict(gain.reference)}: policy gain "
            f"{text(found, 1, sign=True)} points, {basis(found, len(gain.seeds))}"
        )
    if (found := gain.difference(RETRAINED)) is not None:
        said = gain.verdict(RETRAINED, "the best fixed order")
        lines.append(
            f"{gain.name}: {said} ({gain.order}, observer retrained):"
            f" {text(found, 1, sign=True)} points, {basis(found, len(gain.seeds))}"
        )
    return lines
