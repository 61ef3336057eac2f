"""Datasets from the Hugging Face Hub: their splits, classes and faults."""

import sys
import types
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hardattn.data import datasets, load
from tests.support.datasets import (
    COUNTS,
    STEMS,
    assert_equal,
    check,
    fails,
    noise,
    publish,
    put,
    splits,
    where_is,
)
from tests.support.pictures import deep_png


class Rows(list):
    """Just as much of a Hub dataset's split as is read: images as they are stored."""

    def __init__(self, rows, features):
        super().__init__(rows)
        self.features = features

    def __getitem__(self, key):
        return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)

    def cast_column(self, column, feature):
        assert isinstance(feature, type(self.features[column])) and not feature.decode
        return self


class HubImage:
    def __init__(self, decode=True):
        self.decode = decode


class HubLabel:
    def __init__(self, names):
        self.names = names


def png(number, side=6):
    file = BytesIO()
    Image.new("L", (side, side), number).save(file, format="PNG")
    return file.getvalue()


def alternate(i):
    return i % 2


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for the package `datasets`, and the repositories that it knows."""
    module = types.ModuleType("datasets")
    module.Image, module.ClassLabel = HubImage, HubLabel
    known = {}
    module.load_dataset = lambda name: known[name]
    monkeypatch.setitem(sys.modules, "datasets", module)

    def split(count, label=alternate, side=6, names=("no", "yes"), start=0):
        features = {"id": object(), "img": HubImage(), "label": HubLabel(names)}
        image = [{"bytes": png(i, side), "path": None} for i in range(start, start + count)]
        return Rows([{"id": i, "img": image[i], "label": label(i)} for i in range(count)], features)

    return known, split


@pytest.mark.parametrize(
    "given",
    [
        {"train": 30, "validation": 6, "test": 8},
        {"train": 30, "test": 8},
        {"train": 30, "valid": 6},
        {"train": 30},
    ],
)
def test_hub_splits(hub, given):
    known, split = hub
    starts = {"train": 0, "validation": 100, "valid": 100, "test": 200}
    known["a/b"] = {key: split(count, start=starts[key]) for key, count in given.items()}
    dataset = load("hub:a/b")
    check(dataset, 1, 6)
    assert dataset.classes == ("no", "yes")
    train, validation, test = ([int(i) for i in s.images[:, 0, 0, 0]] for s in splits(dataset))
    for part in splits(dataset):
        assert torch.equal(part.images[:, 0, 0, 0] % 2, part.labels.byte())
    if "test" in given:
        assert test == list(range(200, 208))
    if "validation" in given:
        assert validation == list(range(100, 106)) and train == list(range(30))
    if "valid" in given:  # and no test
        assert test == list(range(100, 106))
    held_out = [number for number in train + validation + test if number < 30]
    assert sorted(held_out) == list(range(30)) and sum(n < 30 for n in train) > 12
    assert load("hub:a/b@3").test.images.shape == (len(test), 1, 3, 3)


def by_class(i):
    """The first third is of class 0, and so on."""
    return i // 8


@pytest.mark.parametrize("key", ["validation", "test"])
def test_hub_classes_go_by_their_names(hub, key):
    known, split = hub
    whole = {part: split(24, by_class, names=("a", "b", "c")) for part in ("train", key)}
    known["a/b"] = dict(whole)
    straight = load("hub:a/b")
    # The same images, in a split that numbers the classes c, a, b and another that knows two.
    known["a/b"] = whole | {key: split(24, lambda i: (i // 8 + 1) % 3, names=("c", "a", "b"))}
    assert load("hub:a/b").fingerprint == straight.fingerprint
    known["a/b"] = whole | {key: split(16, by_class, names=("a", "b"))}
    fewer_names = getattr(load("hub:a/b"), "test" if key == "validation" else key)
    assert fewer_names.labels.tolist() == [0, 1] * 8
    known["a/b"] = whole | {key: split(16, by_class, names=("a", "z"))}
    fails("hub:a/b", None, f"hub:a/b {key}", "'z'", "train has none")
    known["a/b"] = whole | {"train": split(16, by_class, names=("a", "b", "c"))}
    fails("hub:a/b", None, f"hub:a/b {key}", "'c'", "train has none")
    # A name without images harms nobody.
    known["a/b"] = whole | {key: split(24, by_class, names=("a", "b", "c", "z"))}
    assert load("hub:a/b").fingerprint == straight.fingerprint


@pytest.mark.parametrize("start", range(0, 200, 20))
@pytest.mark.parametrize("few", [1, 2])
def test_hub_a_class_of_one_or_two_images_stays_in_train(hub, few, start):
    known, split = hub
    known["a/b"] = {"train": split(30, lambda i: int(i < few), start=start)}
    dataset = load("hub:a/b")
    assert (dataset.train.labels == 1).any()
    assert all(len(part) for part in splits(dataset))


def test_hub_splits_sorted_by_class_take_turns(hub):
    known, split = hub
    known["a/b"] = {
        key: split(24, by_class, names=("a", "b", "c")) for key in ("train", "validation", "test")
    }
    for part in splits(load("hub:a/b")):
        assert part.labels.tolist() == [0, 1, 2] * 8
        assert part.images[::3, 0, 0, 0].tolist() == list(range(8))  # and stay in order


@pytest.mark.parametrize("key", ["train", "validation", "test"])
def test_hub_labels_that_are_kept_back(hub, key):
    known, split = hub
    known["a/b"] = {part: split(9) for part in ("train", "validation", "test")}
    known["a/b"][key] = split(9, label=lambda i: -1 if i in (4, 6) else 0)
    message = fails("hub:a/b", None, f"a/b {key}", "2 of 9", "record 4", "-1", f"{key} split has")
    assert "again" not in message
    known["a/b"][key] = split(9, label=lambda i: 2)
    assert "again" not in fails("hub:a/b", None, f"a/b {key}", "record 0", "label 2", "0 to 1")


def test_hub_faults(hub, monkeypatch):
    known, split = hub
    fails("hub:a/b", None, "a/b", "KeyError", "check the name")
    known["a/b"] = {"test": split(9)}
    fails("hub:a/b", None, "a/b", "test", "train")
    known["a/b"] = {"train": split(9, label=lambda i: None)}
    fails("hub:a/b", None, "a/b train", "label")
    known["a/b"] = {"train": split(0)}
    fails("hub:a/b", None, "a/b train", "no records")
    known["a/b"] = {"train": split(2)}
    fails("hub:a/b", None, "a/b train", "2 different images are too few")
    known["a/b"] = {"train": split(9)}
    list.__getitem__(known["a/b"]["train"], 5)["img"] = None
    fails("hub:a/b", None, "record 5", "not readable")
    known["a/b"]["train"].features.pop("img")
    fails("hub:a/b", None, "a/b train", "id, label")
    monkeypatch.setitem(sys.modules, "datasets", None)
    fails("hub:a/b", None, "hardattn[hub]")


def test_the_package_datasets_itself(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    top = noise(tmp_path / "own", "abc", range(12))
    turned = Image.open(next(top.rglob("*.png")))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(top / "a" / "turned.png", exif=exif)
    (top / "a" / "deep.png").write_bytes(deep_png(np.full((4, 4, 3), 200), 2))
    files = sorted(top.rglob("*.png"))
    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=["c", "b", "a"])
    )
    rows = {
        "image": [{"bytes": path.read_bytes(), "path": None} for path in files],
        "label": [path.parent.name for path in files],
    }
    given = datasets.DatasetDict(train=datasets.Dataset.from_dict(rows, features=features))
    monkeypatch.setattr(datasets, "load_dataset", lambda name: given)
    here, there = load(f"folder:{top}"), load("hub:own/own")
    assert there.classes == ("c", "b", "a")
    renamed = {(2 - label, image): part for (label, image), part in where_is(there).items()}
    assert renamed == where_is(here)
    rows["label"][3] = -1
    given["train"] = datasets.Dataset.from_dict(rows, features=features)
    fails("hub:own/own", None, "record 3", "label -1")


def test_mnist_is_fetched_where_absent(hub, tmp_path, monkeypatch):
    known, split = hub
    monkeypatch.setattr(datasets, "IDX_COUNTS", COUNTS)
    known["ylecun/mnist"] = {"train": split(25, side=28), "test": split(10, side=28)}
    ramp = np.arange(25, dtype=np.uint8)[:, None, None].repeat(28, 1).repeat(28, 2)
    labels = np.arange(25, dtype=np.uint8) % 2
    arrays = dict(zip(STEMS, (ramp, labels, ramp[:10], labels[:10]), strict=True))
    publish(monkeypatch, "mnist", arrays)
    assert_equal(load("mnist", tmp_path), arrays)
    fails("fashion_mnist", tmp_path, STEMS[0], "zalando-datasets/fashion_mnist")
    known["ylecun/mnist"]["test"] = split(10, side=28, start=1)
    fails("mnist", tmp_path, "ylecun/mnist test", f"published {STEMS[2]}")
    known["ylecun/mnist"]["test"] = split(9, side=28)
    fails("mnist", tmp_path, "ylecun/mnist test", "9 x 1 x 28 x 28")
    del known["ylecun/mnist"]["test"]
    fails("mnist", tmp_path, "ylecun/mnist", "its splits are train")
    put(Path(tmp_path) / "mnist" / f"{STEMS[0]}-ubyte", b"")
    fails("mnist", tmp_path, STEMS[1])
