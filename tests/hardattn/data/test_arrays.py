"""Arrays in files: what they hold is what is trained on, and they are read where one looks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hardattn.agents import RAM
from hardattn.data import DataError, Split, load, memory
from hardattn.evaluation.evaluate import evaluate
from hardattn.scenes import cluttered, fixed_scenes, plain
from hardattn.scenes.sprites import Sprites
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.world import World

COUNT = {"train": 9, "validation": 4, "test": 5}


def files(top: Path, shape: tuple[int, ...] = (6, 7), **change: Any) -> Path:
    """A folder of arrays; change: what a file holds instead of what it should."""
    drawn = np.random.default_rng(0)
    for part, count in COUNT.items():
        images = drawn.integers(256, size=(count, *shape), dtype=np.uint8)
        for what, array in (("images", images), ("labels", np.arange(count, dtype=np.uint16) % 3)):
            path = top / f"{part}_{what}.npy"
            np.save(path, change.get(path.stem, array))
    return top


@pytest.mark.parametrize("shape", [(6, 7), (1, 6, 7), (3, 6, 7)])
def test_arrays_are_read_as_they_are(tmp_path: Path, shape: tuple[int, ...]) -> None:
    data = load(f"array:{files(tmp_path, shape)}")
    for part in COUNT:
        split = getattr(data, part)
        wanted = np.load(tmp_path / f"{part}_images.npy").reshape(COUNT[part], -1, 6, 7)
        assert torch.equal(split.images, torch.from_numpy(wanted))
        assert split.labels.tolist() == [number % 3 for number in range(COUNT[part])]
        assert split.labels.dtype == torch.int64
    assert data.classes == ("0", "1", "2")
    assert load(f"array:{tmp_path}").fingerprint == data.fingerprint
    (tmp_path / "classes.txt").write_text("cat\ndog\nfish\n")
    assert load(f"array:{tmp_path}").classes == ("cat", "dog", "fish")


def test_what_is_written_to_them_never_reaches_the_file(tmp_path: Path) -> None:
    split = load(f"array:{files(tmp_path)}").train
    before = split.images.clone()
    split.images.zero_()
    assert torch.equal(load(f"array:{tmp_path}").train.images, before)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"train_images": np.zeros((9, 6, 7))}, "float64; images are"),
        ({"train_images": np.zeros((9, 42), np.uint8)}, "9 x 42 of uint8; images are"),
        ({"test_images": np.zeros((5, 8, 7), np.uint8)}, "make all one size"),
        ({"test_images": np.asfortranarray(np.zeros((5, 6, 7), np.uint8))}, "column by column"),
        ({"test_labels": np.zeros(4, np.int64)}, "labels are as many whole numbers"),
        ({"test_labels": np.zeros(5)}, "labels are as many whole numbers"),
        ({"test_labels": np.array([0, 1, -1, 0, 2])}, "record 2 is below 0"),
        ({"test_labels": np.array([{}] * 5)}, "numpy.save"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_one_line(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError, match=words) as fault:
        load(f"array:{files(tmp_path, **change)}")
    assert str(tmp_path) in str(fault.value) and "\n" not in str(fault.value)


def test_files_that_are_not_there_or_broken_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train_images\.npy"):
        load(f"array:{tmp_path}")
    files(tmp_path)
    with pytest.raises(DataError, match="not resized"):
        load(f"array:{tmp_path}@64")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match="2 names"):
        load(f"array:{tmp_path}")
    (tmp_path / "test_labels.npy").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"test_labels\.npy"):
        load(f"array:{tmp_path}")


def test_of_large_images_nothing_is_copied_but_what_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = load(f"array:{files(tmp_path, (3, 200, 300))}").train
    world = World(Retina(8, 3), Classify(3), looks=3)
    agent = RAM(world.sensor.shape((3, 200, 300)), 3, hidden=8, what=8, where=8)
    scenes = fixed_scenes(plain, split, 1)
    assert isinstance(scenes.picture, Sprites)
    assert scenes.picture.stage.images is split.images
    found = evaluate(agent, world, scenes)
    whole = scenes._asdict() | {"picture": split.images.clone()}
    again = evaluate(agent, world, type(scenes)(**whole))
    assert torch.equal(found.log_probability, again.log_probability)


def test_images_that_would_fill_a_device_stay_where_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = torch.zeros(5, 1, 20, 20, dtype=torch.uint8)
    split, device = Split(images, torch.arange(5)), torch.device("meta")
    room = {"now": 2 * images.nbytes}
    monkeypatch.setattr(memory, "free", lambda where: room["now"])
    assert split.to(device).images.device == split.to(device).device == device
    room["now"] -= 1
    moved = split.to(device)
    assert moved.images is images and moved.device == moved.labels.device == device
    made = cluttered(moved, torch.arange(5, device=device), canvas=400, distractors=2)
    assert made.device == device and made.picture.stage.images is images
    assert made.shape == (1, 400, 400)


@pytest.mark.gpu
def test_windows_on_images_that_stay_behind_are_the_same() -> None:
    images = torch.randint(256, (5, 3, 20, 20), dtype=torch.uint8)
    here, there = Split(images, torch.arange(5)), Split(images, torch.arange(5).cuda())
    index, place = torch.arange(5), torch.rand(5, 2) * 2 - 1
    wanted = plain(here, index, zoom=9)
    found = plain(there, index.cuda(), zoom=9)
    for eye in (Retina(6), Retina(6, 3)):
        seen = eye.look(eye.open(found.picture), place.cuda())
        assert torch.equal(seen.cpu(), eye.look(eye.open(wanted.picture), place))
    assert torch.equal(found.image.cpu(), wanted.image)
