"""Commands at a tiny size: a few images of each dataset, and what came of a run."""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn.data import DataError, Dataset, Split, load
from hardattn.experiments.cli import main
from hardattn.experiments.recipe import OWN
from hardattn.experiments.recipes import RECIPES

TINY = ["--images", "16", "--batch-size", "8", "--validate-every", "16", "--test-draws", "1"]


# Stable-Baselines3 has tests of its own.
OURS = {name: one for name, one in RECIPES.items() if one.trainer == "hardattn"}


RAM_RECIPE = next(name for name, one in RECIPES.items() if one.problem.dataset == "digits")


NET_RECIPE = next(
    name
    for name, one in RECIPES.items()
    if one.agent.name == "full_view" and one.problem.dataset == "digits"
)


@lru_cache
def small(name: str) -> Dataset:
    """A few images of a dataset; of digits blown up to its size where its files are missing."""
    try:
        whole = load(name) if name == "digits" or "HARDATTN_DATA" in os.environ else None
    except DataError:
        whole = None
    if whole is None:
        whole = load("digits")

    def few(split: Split) -> Split:
        images = split.images[:24]
        if name != "digits" and images.shape[-1] == 8:
            images = images.repeat_interleave(3, -1).repeat_interleave(3, -2)
            images = torch.nn.functional.pad(images, (2, 2, 2, 2))
        known = torch.tensor([-0.5, -0.5, 0.5, 0.5]).expand(len(images), 1, 4)
        boxes = known if name.startswith(OWN) else None
        return Split(images, split.labels[:24], boxes=boxes)

    return Dataset(name, few(whole.train), few(whole.validation), few(whole.test), whole.classes)


def go(folder: Path, *words: str) -> int:
    """Run on the CPU, into that folder."""
    return main(["train", *words, "--out", str(folder), "--device", "cpu"])


def result_in(folder: Path) -> dict[str, Any]:
    """The only result below a folder, read as JSON that has no NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    (path,) = folder.rglob("result.json")
    return json.loads(path.read_text(), parse_constant=refuse)


def fails(
    capsys: pytest.CaptureFixture[str], code: int, words: str, folder: Path, *arguments: str
) -> None:
    """The command ends with that code and one line that has these words in it."""
    capsys.readouterr()
    assert go(folder, *arguments) == code
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1, said.err
    for word in words.split(" ... "):
        assert word in said.err
    assert said.err.startswith("error: ") or code > 100
