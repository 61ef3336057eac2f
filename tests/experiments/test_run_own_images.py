"""From a folder of images to the pictures that people are shown of it."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hardattn import storage
from hardattn.evaluation import cost
from hardattn.experiments import measure, run as execute
from hardattn.experiments.cli import main
from hardattn.report.page.sections.player import player
from hardattn.report.rows import tables
from hardattn.report.runs import read
from hardattn.viz import pictures

OWN = "--scene plain --canvas None --zoom None --distractors None".split()
TINY = "--images 16 --batch-size 8 --validate-every 16 --test-draws 1 --device cpu".split()


def test_they_show_all_classes_and_the_same_images_for_all_agents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept for the page, what stands in the player, and what TensorBoard is given."""
    monkeypatch.setattr(execute, "tune", lambda threads: "default")
    monkeypatch.setattr(measure, "PASSES", 2)
    monkeypatch.setattr(execute, "EXAMPLES", 8)
    monkeypatch.setattr(cost, "SECONDS", 0.0)
    watched: list[list[int]] = []
    draw = pictures.sheet

    def sheet(scenes: Any, *rest: Any) -> Any:
        watched.append(scenes.target.tolist())
        return draw(scenes, *rest)

    monkeypatch.setattr(pictures, "sheet", sheet)
    rng = np.random.default_rng(0)
    for kind in "abcd":
        (tmp_path / "own" / kind).mkdir(parents=True)
        for number in range(20):
            noise = Image.fromarray(rng.integers(0, 256, (12, 12), np.uint8))
            noise.save(tmp_path / "own" / kind / f"{number}.png")
    own = ["--dataset", f"folder:{tmp_path / 'own'}", *OWN, "--out", str(tmp_path / "runs")]
    assert [main(["train", name, *TINY, *own]) for name in ("ram-digits", "random-digits")] == [
        0,
        0,
    ]
    kept = [storage.read(path) for path in (tmp_path / "runs").rglob("examples.pt")]
    assert [one["target"][:4].tolist() for one in kept] == [[0, 1, 2, 3]] * 2
    assert torch.equal(kept[0]["image"], kept[1]["image"])
    assert watched and all(targets[:4] == [0, 1, 2, 3] for targets in watched)
    (table,) = tables(read([tmp_path / "runs"]))
    found = re.search(r'class="film">(.*?)</script>', player(table, 0), re.DOTALL)
    assert found and {scene["target"] for scene in json.loads(found[1])["scenes"]} == {0, 1, 2, 3}
