"""Folders of one's own: splits, sizes and boxes, as people have them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hardattn.data import Dataset, load
from hardattn.data.fit import FITS
from hardattn.data.idx import DataError
from hardattn.data.images import in_folder, pixels
from hardattn.scenes import fixed_scenes, plain

KINDS = ("ape", "bee", "cat")
PARTS = ("train", "val", "test")


def picture(path: Path, seed: int, size: tuple[int, int] = (12, 10)) -> None:
    """Noise, with a white rectangle in its upper right quarter."""
    array = np.random.default_rng(seed).integers(0, 100, size, np.uint8)
    array[2 : size[0] // 2, size[1] // 2 : size[1] - 1] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def splits(dataset: Dataset) -> dict[str, set[bytes]]:
    return {
        part: {image.numpy().tobytes() for image in getattr(dataset, name).images}
        for part, name in zip(PARTS, ("train", "validation", "test"), strict=True)
    }


@pytest.mark.parametrize("form", ["{part}/{kind}", "{kind}/{part}"])
@pytest.mark.parametrize("names", [PARTS, ("training", "valid", "Test")])
def test_splits_inside_or_outside_the_classes_are_taken(
    form: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    count = 0
    for part, name in zip(PARTS, names, strict=True):
        for kind in KINDS:
            for number in range({"train": 4, "val": 1, "test": 2}[part]):
                folder = tmp_path / form.format(part=name, kind=kind)
                picture(folder / f"{number}.png", count)
                count += 1
    dataset = load(f"folder:{tmp_path}")
    assert dataset.classes == KINDS
    assert [len(each) for each in splits(dataset).values()] == [12, 3, 6]
    assert dataset.train.labels[:3].tolist() == [0, 1, 2]


@pytest.mark.parametrize("there", [("train", "test"), ("train", "val")])
def test_a_split_that_is_missing_is_held_out_of_train(
    there: tuple[str, ...], tmp_path: Path
) -> None:
    for number in range(60):
        kind, part = KINDS[number % 3], there[number % 4 == 0]
        picture(tmp_path / part / kind / f"{number}.png", number)
    dataset = load(f"folder:{tmp_path}")
    held = splits(dataset)
    own = {pixels(in_folder(path)).tobytes() for path in (tmp_path / there[1]).rglob("*.png")}
    assert held["test" if there[1] == "test" else "val"] == own
    assert sum(map(len, held.values())) == 60 and min(map(len, held.values())) >= 3


def mixed(top: Path, count: int = 8) -> list[tuple[int, int]]:
    rng, sizes = np.random.default_rng(1), []
    for kind in KINDS:
        for number in range(count):
            size = (int(rng.integers(20, 60)), int(rng.integers(20, 60)))
            picture(top / kind / f"{number}.png", number + len(sizes), size)
            sizes.append(size)
    return sizes


def test_pictures_of_many_sizes_get_one_from_the_data(tmp_path: Path) -> None:
    sizes = mixed(tmp_path)
    dataset = load(f"folder:{tmp_path}")
    high, wide = dataset.train.images.shape[2:]
    middle = np.median(np.array(sizes), 0)
    assert abs(high - middle[0]) <= 4 and abs(wide - middle[1]) <= 4
    assert f"24 images of {len(set(sizes))} sizes, letterboxed to {wide} x {high}" in dataset.said
    whole = load(f"folder:{tmp_path}@pad")
    assert whole.train.images.shape[2:] == tuple(np.array(sizes).max(0))
    assert "padded" in whole.said and not load(f"folder:{tmp_path}@16").said


@pytest.mark.parametrize("how", FITS)
def test_each_rule_can_be_asked_for(how: str, tmp_path: Path) -> None:
    mixed(tmp_path)
    one = load(f"folder:{tmp_path}@24x32:{how}")
    assert one.train.images.shape[1:] == (1, 24, 32)
    others = [load(f"folder:{tmp_path}@24x32:{other}") for other in FITS if other != how]
    assert one.fingerprint not in {other.fingerprint for other in others}
    squashed = load(f"folder:{tmp_path}@24x32").fingerprint
    assert (one.fingerprint == squashed) == (how == "squash")


def boxed(top: Path) -> None:
    """The rectangle of each picture, but for every fifth."""
    rows = ["file,x0,y0,x1,y1"]
    for number, path in enumerate(sorted(top.rglob("*.png"))):
        with Image.open(path) as image:
            wide, high = image.size
        if number % 5:
            rows.append(f"{path.relative_to(top)},{wide // 2},2,{wide - 1},{high // 2}")
    (top / "boxes.csv").write_text("\n".join(rows))


@pytest.mark.parametrize("how", ["letterbox", "squash", "pad"])
def test_boxes_lie_where_the_targets_are(how: str, tmp_path: Path) -> None:
    mixed(tmp_path)
    boxed(tmp_path)
    dataset = load(f"folder:{tmp_path}@64:{how}")
    known = 0
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.boxes is not None and split.boxes.shape == (len(split), 1, 4)
        for image, (box,) in zip(split.images, split.boxes, strict=True):
            if box.isnan().any():
                continue
            known += 1
            x0, y0, x1, y1 = ((box + 1) / 2 * 64).tolist()
            rows, columns = (image[0] > 170).nonzero(as_tuple=True)
            found = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            assert (found - torch.tensor([x0, y0, x1, y1])).abs().max() <= 1.5
    assert known == 24 - 5
    scenes = fixed_scenes(plain, dataset.test, 0)
    assert torch.equal(scenes.box.nan_to_num(9), dataset.test.boxes.nan_to_num(9))  # type: ignore[union-attr]


def test_a_file_of_boxes_may_lie_anywhere(tmp_path: Path) -> None:
    mixed(tmp_path / "photos")
    boxed(tmp_path / "photos")
    there = load(f"folder:{tmp_path / 'photos'}@32:pad")
    (tmp_path / "photos" / "boxes.csv").rename(tmp_path / "elsewhere.csv")
    none = load(f"folder:{tmp_path / 'photos'}@32:pad")
    named = load(f"folder:{tmp_path / 'photos'}@32:pad:boxes={tmp_path / 'elsewhere.csv'}")
    assert none.test.boxes is None and named.fingerprint == there.fingerprint != none.fingerprint
    with pytest.raises(DataError, match="no such file of boxes"):
        load(f"folder:{tmp_path / 'photos'}@boxes=nowhere.csv")


def test_what_is_half_done_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which folder"):
        load("folder:")
    for number in range(12):
        picture(tmp_path / "ape" / PARTS[number % 3] / f"{number}.png", number)
        picture(tmp_path / "bee" / f"{number}.png", 50 + number)
    with pytest.raises(DataError, match="has not: do one thing"):
        load(f"folder:{tmp_path}")
    for number in range(3):
        picture(tmp_path / "other" / "test" / "ape" / f"{number}.png", number)
        picture(tmp_path / "other" / "train" / "bee" / f"{number}.png", number)
        picture(tmp_path / "other" / "train" / "cat" / f"{number}.png", number)
    with pytest.raises(DataError, match="of 'ape' there are no images to learn from"):
        load(f"folder:{tmp_path / 'other'}")
