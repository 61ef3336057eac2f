"""Runs on scenes whose answer is no single word, as `hardattn train` leaves them, on noise."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hardattn import storage
from hardattn.data import Split
from hardattn.evaluation.evaluate import Columns, evaluate
from hardattn.evaluation.metrics import compute
from hardattn.looking.look import AtOnce
from hardattn.problem import problem
from hardattn.scenes import Scenes
from hardattn.sensors import Whole
from tests.support.runs import change, write_run

SIDE, CLASSES, SCENES = 6, 10, 12
OPTIONS: dict[str, dict[str, Any]] = {
    "masks": {"canvas": 20, "digits": 1, "distractors": 1, "distractor_size": 3},
    "keypoints": {"canvas": 20, "distractors": 1, "distractor_size": 3},
    "captions": {"canvas": 24, "across": 2, "digits": 2, "looks": 7},
    "matching": {"canvas": 24},
    "query": {"canvas": 20, "clutter": 1, "clutter_size": 3, "turns": True},
    "few_shot": {},
    "clips": {"canvas": 12, "frames": 4, "asked": "class"},
}


def write_asked(top: Path, scene: str, *, right: bool = False, **options: Any) -> Path:
    """Someone who sees everything, and always says the same, or what is right."""
    given = {"looks": 1, **OPTIONS[scene], **options}
    generator = torch.Generator().manual_seed(3)
    image = torch.randint(256, (80, 1, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    split = Split(image, torch.arange(80) % CLASSES)
    names = [str(number) for number in range(CLASSES)]
    asked = problem(scene, Whole(), names, (1, SIDE, SIDE), first="centre", **given)
    scenes = asked.make(split, torch.arange(SCENES), torch.Generator().manual_seed(5))
    columns = evaluate(_constant(asked.world.task.classes), asked.world, scenes)
    columns = _right(columns, asked.world.task, scenes) if right else columns
    folder = write_run(top, "whole", 0)
    kept = {name: columns._asdict() for name in ("greedy", "sampled")}
    storage.write(folder / "columns.pt", kept)
    shown = {"image": scenes.image, "target": scenes.target, "box": scenes.box}
    shown |= {"cue": scenes.cue} if scenes.cue.numel() else {}
    wrong = (~columns.correct[:, -1]).nonzero()[:, 0]
    failed = {name: part[wrong] for name, part in shown.items()}
    storage.write(folder / "examples.pt", shown | {"failures": {"index": wrong, **failed}})
    stored = json.loads((folder / "result.json").read_text())
    world = stored["world"] | {
        "looks": asked.world.looks,
        "classes": list(asked.answers),
        "image": list(scenes.shape),
        "source": [1, SIDE, SIDE],
    }
    figures = {**compute(columns)}
    figures = {"greedy": figures, "sampled": figures, "averaged": {**figures, "passes": 1}}
    recipe = stored["recipe"] | {"scene": scene} | {k: v for k, v in given.items() if k != "looks"}
    change(folder / "result.json", world=world, figures=figures, recipe=recipe)
    return folder


def _constant(answers: int) -> AtOnce:
    """A network that sees nothing, so that its answers are always the same."""

    class Constant(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return torch.linspace(1, 0, answers).expand(len(image), -1)

    return AtOnce(Constant())


def _right(columns: Columns, task: Any, scenes: Scenes) -> Columns:
    """The same, had all been answered rightly."""
    target = scenes.target.clamp_min(0)
    hot = nn.functional.one_hot(target, columns.log_probability.shape[-1]).float()
    hot = hot[:, None] if columns.together or target.dim() == 1 else hot
    sure = (50 * hot).log_softmax(-1).expand_as(columns.log_probability)
    overlap = columns.overlap
    if overlap.numel():
        overlap = task.worth(scenes.target, scenes.target)
    return columns._replace(log_probability=sure, overlap=overlap)
