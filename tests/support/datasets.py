"""Files of images as tests write them, and what a dataset must be."""

import struct

import numpy as np
import pytest
import torch
from PIL import Image

from hardattn.data import DataError, Dataset, datasets, load
from hardattn.data.idx import PUBLISHED, digest

COUNTS = (20, 5, 10)


STEMS = datasets.IDX_STEMS


def idx(array, magic=None):
    magic = {1: 0x801, 3: 0x803}[array.ndim] if magic is None else magic
    return struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.tobytes()


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def publish(monkeypatch, name, arrays):
    """Take these for what is published under that name."""
    monkeypatch.setitem(PUBLISHED, name, {stem: digest(array) for stem, array in arrays.items()})


def assert_equal(dataset, arrays):
    images = torch.from_numpy(arrays[STEMS[0]])[:, None]
    labels = torch.from_numpy(arrays[STEMS[1]]).long()
    assert torch.equal(torch.cat([dataset.train.images, dataset.validation.images]), images)
    assert torch.equal(torch.cat([dataset.train.labels, dataset.validation.labels]), labels)
    assert torch.equal(dataset.test.images[:, 0], torch.from_numpy(arrays[STEMS[2]]))
    assert torch.equal(dataset.test.labels, torch.from_numpy(arrays[STEMS[3]]).long())
    assert tuple(map(len, (dataset.train, dataset.validation, dataset.test))) == COUNTS


def fails(name, root, *said):
    with pytest.raises(DataError) as caught:
        load(name, root)
    message = str(caught.value)
    assert "\n" not in message
    for part in said:
        assert str(part) in message
    return message


def check(dataset, channels, side):
    """What every dataset promises."""
    assert isinstance(dataset, Dataset)
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.images.shape == (len(split), channels, side, side)
        assert split.images.dtype == torch.uint8 and split.images.is_contiguous()
        assert split.labels.shape == (len(split),) and split.labels.dtype == torch.int64
        assert set(split.labels.tolist()) == set(range(len(dataset.classes)))


def images(n=25, side=28):
    return np.zeros((n, side, side), np.uint8)


def splits(dataset):
    return (dataset.train, dataset.validation, dataset.test)


def where_is(dataset):
    """The split of each image, by its label and bytes."""
    found = {}
    for name in ("train", "validation", "test"):
        split = getattr(dataset, name)
        for image, label in zip(split.images, split.labels.tolist(), strict=True):
            colour = image.expand(3, -1, -1)
            found.setdefault((label, colour.numpy().tobytes()), set()).add(name)
    return found


def moved(before, after):
    """The images of both that are in other splits after than before."""
    old, new = where_is(before), where_is(after)
    return [key for key in old.keys() & new.keys() if old[key] != new[key]]


def noise(top, kinds, numbers):
    """A folder of different images: by class and number, whenever they are written."""
    for label, kind in enumerate(kinds):
        for number in numbers:
            rng = np.random.default_rng([label, number])
            path = top / kind / f"{rng.integers(10**6)}-{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).save(path)
    return top
