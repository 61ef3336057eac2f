"""What is handled at a time is bounded by bytes; what cannot fit is refused in one line."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hardattn.agents import RAM, Scripted
from hardattn.data import Split, memory
from hardattn.evaluation.cost import measure
from hardattn.evaluation.evaluate import evaluate
from hardattn.experiments.cli import attempt, main, out_of_memory
from hardattn.experiments.recipe import RunOptions
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.run import execute
from hardattn.rollout import sample
from hardattn.scenes import Scenes, cluttered, fixed_scenes, plain, translated
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.world import World

DRAWN = torch.Generator().manual_seed(3)
SPLIT = Split(
    torch.randint(256, (1100, 1, 4, 5), generator=DRAWN, dtype=torch.uint8),
    torch.randint(3, (1100,), generator=DRAWN),
)


@pytest.mark.parametrize(
    "size, count",
    [
        ((1, 8, 8), 1000),
        ((1, 100, 100), 1000),
        ((3, 128, 128), 1000),
        ((1, 1024, 1024), 64),
        ((3, 1024, 2048), 10),
        ((3, 20_000, 20_000), 1),
    ],
)
def test_as_many_at_once_as_are_not_too_many_bytes(size: tuple[int, ...], count: int) -> None:
    assert memory.at_once(size) == count
    assert count == 1 or count * math.prod(size) <= memory.BYTES


@pytest.mark.parametrize(
    "make", [plain, partial(translated, canvas=9), partial(cluttered, canvas=9, distractor_size=3)]
)
def test_small_scenes_are_made_in_thousands_as_ever(make: Any) -> None:
    generator = torch.Generator().manual_seed(7)
    parts = [torch.arange(1000), torch.arange(1000, 1100)]
    chunks = [make(SPLIT, part, generator) for _ in range(2) for part in parts]
    for found, wanted in zip(
        fixed_scenes(make, SPLIT, 7, 2), zip(*chunks, strict=True), strict=True
    ):
        exact: dict[str, Any] = {"rtol": 0, "atol": 0, "equal_nan": True}  # boxes of plain are none
        torch.testing.assert_close(found, torch.cat(wanted), **exact)


def test_no_chunk_of_large_scenes_is_larger_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making, looking and measuring costs: nobody opens more images at a time."""
    monkeypatch.setattr(memory, "BYTES", 10_000)
    made: list[int] = []

    def make(split: Split, index: Any, generator: Any) -> Scenes:
        scenes = translated(split, index, generator, canvas=40)
        made.append(scenes.image.nbytes)
        return scenes

    class Watched(Retina):
        opened: list[int] = []

        def open(self, images: Any) -> Any:
            self.opened.append(images.nbytes)
            return super().open(images)

    few = Split(SPLIT.images[:50], SPLIT.labels[:50])
    scenes = fixed_scenes(make, few, 1, 2)
    assert len(scenes) == 100 and max(made) <= 10_000 and sum(made) == 101 * 1600
    world = World(Watched(4), Classify(3), 2)
    agent = Scripted(
        RAM(world.sensor.shape((1, 40, 40)), 3, hidden=8, what=8, where=8), "raster", 2
    )
    columns = evaluate(agent, world, scenes, sample)
    assert columns.index.tolist() == [*range(50), *range(50)]
    assert measure(agent, world, scenes)["throughput"]["batch"] == 6
    assert max(Watched.opened) <= 10_000


def test_what_does_not_fit_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def make(split: Split, index: Any, generator: Any) -> Scenes:
        made.append(len(index))
        return translated(split, index, generator, canvas=40)

    monkeypatch.setattr(memory, "free", lambda device: 2_000_000)
    with pytest.raises(ValueError, match="1,100 scenes of 1x40x40 pixels need"):
        fixed_scenes(make, SPLIT, 1)
    assert made == [1]
    monkeypatch.setattr(memory, "free", lambda device: None)  # nobody says: it is tried
    assert len(fixed_scenes(make, SPLIT, 1)) == 1100


def test_there_is_some_memory_and_not_without_end() -> None:
    found = memory.free(torch.device("cpu"))
    assert found is None or 2**20 < found < 2**60


def refused(capsys: pytest.CaptureFixture[str], words: str, folder: Path) -> None:
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("error: ") and said.err.count("\n") == 1
    assert words in said.err and not folder.exists()


def test_a_command_that_cannot_fit_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    words = ["--canvas", "512", "--test-draws", "100000000", "--device", "cpu", "--out", str(out)]
    assert main(["train", "ram-digits", *words]) == 2
    refused(capsys, "35,900,000,000 scenes of 1x512x512 pixels need", out)


def test_an_allocation_that_fails_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(*given: Any) -> Any:
        return torch.empty(2**60, dtype=torch.uint8)

    run = RunOptions(out=tmp_path / "runs", device="cpu")
    recipe = RECIPES["ram-digits"]
    assert attempt(lambda: bool(execute("mine", recipe, run, "by hand", work))) == 2
    refused(capsys, str(2**60), tmp_path / "runs")
    with pytest.raises(MemoryError) as fault:
        np.empty(2**60, np.uint8)
    assert "EiB" in out_of_memory(fault.value) and out_of_memory(MemoryError())
    assert out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) == ""
