"""An agent handed on: a folder for others, with graphs that need no hardattn.

`load(folder)` is the agent and its world again.
"""

import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

import torch
import yaml
from torch import nn

from hardattn import __version__, agents, export, storage
from hardattn.attention import BLOCKS, HEADS
from hardattn.report.controls import sees
from hardattn.report.costs import timed
from hardattn.report.results import as_known, entropy, record
from hardattn.report.titles import title
from hardattn.rollout import DRAWS
from hardattn.scenes import Scenes
from hardattn.world import World

from ..build import Learner, world as world_of
from ..kinds import Json
from ..recipe import UsageError
from ..records import sources
from ..records.committed import absolute
from ..records.folder import kept_if_used
from ..revive import built, recipe_of

FORMAT = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
HALF = "The weights are rounded to 16 bits; what was measured, was before that."
KEPT = ("name", "title", "seed", "command", "recipe", "sees", "scenes", "world")
SOMETIMES = ("named",)  # of results alone that have it


def deploy(run: Path, out: Path | None = None, *, graphs: bool = True, half: bool = False) -> Path:
    """Write the folder, whole or not at all; one that was written before is replaced.

    graphs: those that need no hardattn, too. half: weights rounded to 16 bits.

    Raises UsageError, CheckpointError, OSError.
    """
    out = out or run / "deploy"
    if out.exists() and any(out.iterdir()) and not _ours(out):
        raise UsageError(f"{out} holds something else: choose another --out, or delete it")
    result = public(result_of(run), run)
    kept = (*KEPT, *(key for key in SOMETIMES if key in result))
    config = {"format": FORMAT, "hardattn": __version__} | {key: result[key] for key in kept}
    since = sources.since(result)
    if since:
        print(f"{run}: {since}; the graphs are of the code as it now is", file=sys.stderr)
    agent, world = build(config, run)
    state = storage.read(run / "best.pt")["agent"]
    try:
        agent.load_state_dict(state)
    except RuntimeError as fault:
        raise UsageError(f"{run / 'best.pt'}: not the weights of {result['name']}") from fault
    with ExitStack() as stack:
        stack.enter_context(kept_if_used(out.parent))
        within = tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent)
        folder = Path(stack.enter_context(within)) / "whole"
        folder.mkdir()
        save(halved(state) if half else state, folder / WEIGHTS)
        (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n")
        reason = _graphs(agent, world, config, folder) if graphs else None
        files = [path.name for path in sorted(folder.iterdir())]
        text = card(result, files, reason, HALF if half else "")
        (folder / CARD).write_text(text, encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    return out


def public(result: Json, run: Path) -> Json:
    """The result without the path of a folder of images, of which the last name stays.

    Raises UsageError for any other absolute path in it: what is handed on is for everybody.
    """
    given = result["recipe"].get("dataset") or ""
    kind, colon, path = given.partition(":")
    if kind == "folder":
        shown = f"{kind}{colon}{path.rstrip('/').rpartition('/')[2]}"
        told = json.dumps(result)
        # In the name of a run every / is a _; a command may have it quoted.
        quoted, in_quotes = (shlex.quote(each).strip("'") for each in (given, shown))
        pairs = (quoted, in_quotes), (given, shown), (given.replace("/", "_"), shown)
        for before, after in pairs:
            told = told.replace(json.dumps(before)[1:-1], json.dumps(after)[1:-1])
        result = json.loads(told)
    for where, text in absolute(result):
        raise UsageError(f"{run}: {where} holds an absolute path, which would be public: {text}")
    return result


def halved(state: Json) -> Json:
    """The same with every number in floating point rounded to 16 bits."""
    return {
        name: value.half() if value.is_floating_point() else value for name, value in state.items()
    }


def save(state: Json, path: Path) -> None:
    """Write a state_dict as the Hub has weights."""
    from safetensors.torch import save as in_bytes

    # Its own `save_file` writes what nobody else may read, whatever the umask.
    whole = {name: value.contiguous() for name, value in state.items()}
    path.write_bytes(in_bytes(whole, {"format": "pt"}))


def load(folder: Path | str) -> tuple[Learner, World]:
    """The agent as it was, in evaluation mode, and its world. Raises UsageError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = config_of(folder)
    agent, world = build(config, folder)
    try:
        agent.load_state_dict(load_file(Path(folder) / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as fault:
        reason = str(fault).splitlines()[0]
        raise UsageError(
            f"{Path(folder) / WEIGHTS}: not this agent's weights ({reason})"
        ) from fault
    return agent, world


def config_of(folder: Path | str) -> Json:
    """What a folder says of its agent. Raises UsageError."""
    config = _json(Path(folder) / CONFIG)
    if config.get("format") != FORMAT or "recipe" not in config:
        raise UsageError(f"{folder}: {CONFIG} is not of an agent of this version")
    return config


def build(result: Json, where: Path | str) -> tuple[Learner, World]:
    """Agent, untrained, and world of a result.json or config.json. Raises UsageError."""
    recipe, seen = recipe_of(result, where), result["world"]
    # Of old results that do not say how large the images are whose scenes these were, no world
    # depends on it but that of `localise`.
    source = seen.get("source", seen["image"])
    try:
        answers = len(seen["classes"])
        world = world_of(recipe.problem, answers, source, result.get("named", answers))
    except ValueError as fault:
        raise UsageError(f"{where}: {fault}") from fault
    return built(recipe, world, tuple(seen["image"])).eval(), world


def blank(image: tuple[int, ...]) -> Scenes:
    """Three scenes of that shape on which nothing is, for shapes."""
    nothing = torch.zeros(3, dtype=torch.int64)
    return Scenes(torch.zeros(3, *image, dtype=torch.uint8), nothing, torch.zeros(3, 1, 4), nothing)


def card(result: Json, files: list[str], reason: str | None, note: str = "") -> str:
    """The model card: YAML for the Hub, then what is in result.json, and nothing else.

    reason: why there is no ONNX. note: what else there is to say of the weights.
    """
    result = as_known(result)
    greedy, world = dict(result["figures"]["greedy"]), result["world"]
    greedy["entropy"] = entropy(greedy.get("entropy"), world["sensor"])
    figures = {
        key: value
        for key, value in greedy.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    clusters = result["recipe"]["task"] == "cluster"
    task = "image-feature-extraction" if clusters else "image-classification"
    metrics = [
        {"type": key, "name": f"{key}, one pass as in use", "value": value}
        for key, value in figures.items()
        if key not in ("n", "looks")
    ]
    if not clusters:
        named = {"type": "accuracy", "name": "accuracy, one pass as in use"}
        metrics.insert(0, named | {"value": 1 - greedy["error"]})
    data = {"type": result["recipe"]["dataset"], "name": result["scenes"], "split": "test"}
    front = {
        "license": "mit",
        "library_name": "hardattn",
        "pipeline_tag": task,
        "tags": ["hardattn", "visual-attention", result["recipe"]["agent"]],
        "model-index": [
            {
                "name": result["name"],
                "results": [{"task": {"type": task}, "dataset": data, "metrics": metrics}],
            }
        ],
    }
    top = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    made = result["made_with"]
    lines = [
        f"# {title(record(result))}",
        f"It {sees(record(result))}, in {world['looks']} look(s) of "
        f"{world['pixels_per_look']} pixels, of images of "
        f"{'×'.join(str(side) for side in world['image'])}.",
        f"Trained by `{result['command']}`, seed {result['seed']}: one training, "
        f"{result['training']['images']:,} scenes, {_spent(result['training'])} on "
        f"{made['processor']}.",
        f"## Measured\n\nOn {figures['n']:,} test scenes ({result['scenes']}), one pass as in use:",
        _table(("figure", "value"), figures.items()),
        "What it costs, of one image:",
        _table(("cost", "value"), costs(result).items()),
        "## Files",
        _table(("file", "what it is"), [(name, ABOUT[name]) for name in files]),
    ]
    lines += [note] * bool(note) + [f"There is no ONNX graph of it: {reason}."] * bool(reason)
    lines += USE
    return f"---\n{top}---\n\n" + "\n\n".join(lines) + "\n"


USE = (
    "## Use\n\nWith hardattn installed, `hardattn look FOLDER PICTURE...`, or",
    '```python\nimport hardattn\n\npicture, columns = hardattn.look(".", "photo.jpg")\n```',
)
ABOUT = {
    CONFIG: "the recipe",
    WEIGHTS: "the weights",
    **{
        f"{name}{suffix}": f"{what}; {library}"
        for name, what in (
            ("start", "what it is told → its state before the first look"),
            ("step", "state, glimpse, place, step → next state, next place, logits"),
            ("forward", "images in [0, 1] → logits"),
        )
        for suffix, library in ((".pt2", "torch.export"), (".onnx", "ONNX"))
    },
}


def _spent(training: Json) -> str:
    """How long it took; by the wall others may have had a share in it."""
    worked = training.get("cpu_seconds")
    wall = f"{training['seconds']:,.0f} s by the wall"
    return f"{worked:,.0f} s of the processor, {wall}," if worked else wall


def costs(result: Json) -> Json:
    """What a result says of costs, by name; older ones say less.

    Times are there where they were taken by a clock that other programs do not lengthen.
    """
    found: Json = {"weights": result["parameters"]}
    if "flops" in result:
        found["floating-point operations"] = result["flops"]
    if "cost" in result:
        measured = timed(result["cost"])
        found |= {
            "pixels seen": measured["pixels"],
            "peak memory, bytes": measured["memory"]["one"],
        }
        if "latency" in measured:
            latency, throughput = measured["latency"], measured["throughput"]
            low, high = (1000 * each for each in latency["quartiles"])
            clock = "the processor's own clock, " * (latency["clock"] == "processor")
            where = f"{clock}{result['made_with']['processor']}, one thread"
            batch = throughput["batch"]
            found |= {
                f"milliseconds, median ({where})": 1000 * latency["seconds"],
                "its quartiles": f"{low:.4g} to {high:.4g}",
                f"images a second, {batch} at a time": throughput["images_per_second"],
            }
    return found


def _table(head: tuple[str, str], rows: Iterable[tuple[str, object]]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {name} | {_shown(value)} |" for name, value in rows)])


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _graphs(agent: Learner, world: World, config: Json, folder: Path) -> str | None:
    """Write the graphs there can be; returns why there are none, or no ONNX."""
    reason = not_exported(agent)
    if reason:
        return reason
    try:
        scenes = blank(tuple(config["world"]["image"]))
        graphs = export.programs(agent, world, scenes, DRAWS[config["recipe"]["draw"]])
    except export.ExportError as fault:
        return str(fault)
    for name, graph in graphs.items():
        torch.export.save(graph, folder / f"{name}.pt2")
    reason = not_in_onnx(agent)
    if reason is None:
        export.to_onnx(graphs, folder)
    return reason


def not_exported(agent: nn.Module) -> str | None:
    """Why torch.export cannot take an agent, by the tables; None where it can."""
    reasons: dict[object, str] = {row.make: row.export for row in agents.AGENTS.values()}
    reasons |= {row.make: row.export for row in (*BLOCKS.values(), *HEADS.values())}
    return _reason(agent, reasons)


def not_in_onnx(agent: nn.Module) -> str | None:
    """Why an agent that torch.export takes cannot become ONNX; None where it can."""
    return _reason(agent, {row.make: row.onnx for row in (*BLOCKS.values(), *HEADS.values())})


def _reason(agent: nn.Module, reasons: Mapping[object, str]) -> str | None:
    """The first reason that there is for a part of the agent."""
    found = (reasons.get(type(part)) for part in agent.modules())
    return next((why for why in found if why), None)


def result_of(run: Path) -> Json:
    """The result of a finished run that has its weights. Raises UsageError."""
    if not run.is_dir():
        raise UsageError(f"{run}: no such folder; give that of one run, runs/NAME/seed-N")
    if not (run / "result.json").exists():
        raise UsageError(f"{run}: no finished run in it (no result.json); give runs/NAME/seed-N")
    result = _json(run / "result.json")
    if not (run / "best.pt").exists():
        raise UsageError(f"{run}: no best.pt, the weights that `hardattn train` leaves")
    return result


def _ours(out: Path) -> bool:
    return (out / CONFIG).exists() and (out / WEIGHTS).exists()


def _json(path: Path) -> Json:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise UsageError(f"{path}: cannot be read ({fault.strerror or fault})") from fault
    except ValueError as fault:
        raise UsageError(f"{path}: not JSON, or cut short ({fault})") from fault
    if not isinstance(found, dict):
        raise UsageError(f"{path}: not what was expected, an object")
    return found
