"""Runs of untrained agents on noise, as `hardattn train` leaves them, for tests of the report."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from hardattn import storage
from hardattn.agents import RAM, FullView, MeanPool, Scripted, ShowAttendTell, SoftAgent, no_block
from hardattn.attention import BLOCKS, HEADS
from hardattn.data import Split
from hardattn.evaluation.cost import flops
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import compute
from hardattn.experiments.measure import controls
from hardattn.report.results import Result, record
from hardattn.rollout import greedy, sample
from hardattn.scenes import Scenes, plain
from hardattn.sensors import Cells, Retina, Whole
from hardattn.tasks import Classify
from hardattn.world import World

CLASSES = 4
IMAGE = (1, 12, 15)
SCENES = "noise, test seed 1"
NAMES = {"ram": "RAM", "random": "random looks", "whole": "MLP, whole <image>"}


def scenes(n: int = 40, framed: bool = True) -> Scenes:
    """Noise. framed: the target is said to fill the image."""
    generator = torch.Generator().manual_seed(5)
    images = torch.randint(256, (n, *IMAGE), generator=generator, dtype=torch.uint8)
    labels = torch.randint(CLASSES, (n,), generator=generator)
    made = plain(Split(images, labels), torch.arange(n))
    whole = torch.tensor([-1.0, -1.0, 1.0, 1.0]).expand(n, 1, 4)
    return Scenes(made.image, made.target, whole, made.index) if framed else made


def write_run(top: Path, kind: str, seed: int, error: float | None = None) -> Path:
    """A row of NAMES; `error` replaces its figure."""
    torch.manual_seed(seed)
    look: dict[str, Any] = {"size": 4, "scales": 2}
    sensor: Any = Retina(**look)
    if kind == "whole":
        sensor, look = Whole(), {"size": None, "scales": None}
    world = World(sensor, Classify(CLASSES), 1 if kind == "whole" else 3)
    agent: Any = FullView(sensor.shape(IMAGE), CLASSES, net="mlp")
    if kind != "whole":
        agent = RAM(sensor.shape(IMAGE), CLASSES, hidden=8, what=8, where=8)
    if kind == "random":
        agent = Scripted(agent, "random", world.looks)
    recipe = {
        "agent": "FullView" if kind == "whole" else "Ram",
        "estimator": "learned_baseline",
        "first": "random",
        "script": "random" if kind == "random" else None,
    }
    kept = {"greedy": evaluate(agent, world, scenes())}
    kept["sampled"] = evaluate(agent, world, scenes(), sample)
    named = {"name": kind, "title": NAMES[kind], "seed": seed, "recipe": recipe}
    seen = {"sensor": "whole" if kind == "whole" else "retina", **look}
    return _write(top, named, agent, world, seen, kept, error)


def write_soft(
    top: Path, seed: int, error: float, block: str = "none", head: str = "mean", **recipe: Any
) -> Path:
    """Soft attention by a block or a head, with its controls and its cost."""
    torch.manual_seed(seed)
    world = World(Whole(), Classify(CLASSES), 1, "centre")
    agent = SoftAgent(
        IMAGE,
        CLASSES,
        block=no_block if block == "none" else BLOCKS[block].make,
        head=MeanPool if head == "mean" else HEADS[head].make,
        width=16,
    )
    settings = {"agent": "Soft", "block": block, "head": head, "backbone": "cnn", **recipe}
    changed = [f"block={block}"] * (block != "none") + [f"head={head}"] * (head != "mean")
    changed += [f"{key}={value}" for key, value in recipe.items()]
    name = ",".join(["soft", *changed])
    options = [word for part in changed for word in f"--{part}".split("=")]
    named = {"name": name, "title": "soft attention", "seed": seed, "recipe": settings}
    words = ["hardattn train soft", *options, f"--seed {seed}"]
    named["command"] = " ".join(words)
    kept = dict.fromkeys(("greedy", "sampled"), evaluate(agent, world, scenes()))
    measured = {
        "controls": controls(agent, world, scenes(), greedy),
        "flops": flops(agent, world, scenes()),
    }
    return _write(top, named, agent, world, {"sensor": "whole"}, kept, error, measured)


def write_cells(top: Path, seed: int, error: float) -> Path:
    """Hard attention over 3x3 cells."""
    torch.manual_seed(seed)
    world = World(Cells(3, 3), Classify(CLASSES), 3, "random", "whole")
    agent = ShowAttendTell((1, 4, 5), CLASSES, context=IMAGE, looks=3, features=8, hidden=8)
    kept = dict.fromkeys(("greedy", "sampled"), evaluate(agent, world, scenes()))
    named = {"name": "hard", "title": "hard over cells", "seed": seed, "recipe": {"agent": "Sat"}}
    seen = {"sensor": "cells", "rows": 3, "columns": 3}
    return _write(top, named, agent, world, seen, kept, error)


def _write(
    top: Path,
    named: dict[str, Any],
    agent: Any,
    world: World,
    seen: dict[str, Any],
    kept: dict[str, Any],
    error: float | None,
    measured: dict[str, Any] | None = None,
) -> Path:
    found: dict[str, Any] = {draw: compute(one) for draw, one in kept.items()}
    passes = 1 if world.sensor.everything else 10  # soft attention draws nothing
    found["averaged"] = {**found["sampled"], "passes": passes}
    if error is not None:
        found["greedy"]["error"] = error
    name, seed = named["name"], named["seed"]
    result = {
        "format": 1,
        "command": f"hardattn train {name} --seed {seed}",
        **named,
        "sees": world.sees(IMAGE),
        "scenes": SCENES,
        "world": {
            "looks": world.looks,
            "pixels_per_look": world.sensor.pixels(IMAGE),
            **seen,
            "image": list(IMAGE),
            "classes": ["a", "b", "c", "d & e"],
        },
        "parameters": sum(weight.numel() for weight in agent.parameters()),
        "figures": found,
        "training": {
            "images": 2000,
            "seconds": 9.0,
            "cpu_seconds": 4.0,
            "images_per_second": 222.2,
            "best_images": 1000,
            "curve": [[1000, 0.7], [2000, 0.6]],
        },
        "made_with": {"commit": "abc1234", "torch": "2.13.0", "device": "cpu", "threads": 1},
        **(measured or {}),
    }
    folder = top / name / f"seed-{seed}"
    folder.mkdir(parents=True)
    storage.write(folder / "columns.pt", {draw: one._asdict() for draw, one in kept.items()})
    few = scenes().slice(0, 8)
    examples = {"image": few.image.clone(), "target": few.target.clone(), "box": few.box.clone()}
    storage.write(folder / "examples.pt", examples)
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def told(**fields: Any) -> Result:
    """The record of a result that says no more than this."""
    nothing: dict[str, Any] = dict.fromkeys(("name", "title", "command", "sees", "scenes"), "")
    nothing |= {part: {} for part in ("recipe", "world", "figures", "training", "made_with")}
    return record({"format": 2, "seed": 0, "parameters": 0, **nothing, **fields})


def change(file: Path, **fields: Any) -> None:
    """Overwrite top-level fields of a result.json."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def rewritten(folder: Path, to: Path, name: str, error: float, **recipe: Any) -> None:
    """Every seed of a run once more, under another name, as another recipe, with another error."""
    shutil.copytree(folder, to / name)
    for file in sorted((to / name).rglob("result.json")):
        result = json.loads(file.read_text())
        result["figures"]["greedy"]["error"] = error
        change(
            file,
            name=name,
            title=name,
            command=f"hardattn train {name} --seed {result['seed']}",
            recipe={**result["recipe"], **recipe},
            figures=result["figures"],
        )
