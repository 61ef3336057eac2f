"""Datasets of what is at hand: whatever holds the pictures, they are the same."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hardattn.data import Dataset, load, own
from hardattn.data.fit import Ask
from hardattn.data.idx import DataError

rng = np.random.default_rng(0)
PICTURES = rng.integers(0, 256, (60, 10, 14, 3), np.uint8)
LABELS = np.arange(60) % 3


class Mapped:
    def __len__(self) -> int:
        return len(PICTURES)

    def __getitem__(self, at: int) -> tuple[Any, int]:
        if not 0 <= at < len(PICTURES):
            raise IndexError(at)
        return Image.fromarray(PICTURES[at]), int(LABELS[at])


FORMS: dict[str, Any] = {
    "arrays": (PICTURES, LABELS),
    "channels first": (PICTURES.transpose(0, 3, 1, 2), LABELS),
    "tensors": (torch.from_numpy(PICTURES).movedim(3, 1), torch.from_numpy(LABELS)),
    "floating point": (torch.from_numpy(PICTURES).movedim(3, 1) / 255, LABELS.tolist()),
    "lists": ([*PICTURES], LABELS.tolist()),
    "pillow": ([Image.fromarray(one) for one in PICTURES], LABELS),
    "pairs": [(picture, label) for picture, label in zip(PICTURES, LABELS, strict=True)],
    "map-style": Mapped(),
    "torch": torch.utils.data.TensorDataset(
        torch.from_numpy(PICTURES).movedim(3, 1), torch.from_numpy(LABELS)
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_whatever_holds_them_they_are_the_same(form: str) -> None:
    dataset, wanted = own(FORMS[form]), own(FORMS["arrays"])
    assert dataset.fingerprint == wanted.fingerprint and dataset.classes == ("0", "1", "2")
    assert load(FORMS[form]).fingerprint == wanted.fingerprint
    parts = dataset.train, dataset.validation, dataset.test
    assert sum(map(len, parts)) == 60 and min(map(len, parts)) >= 3
    assert {tuple(image.flatten().tolist()) for part in parts for image in part.images} == {
        tuple(one.transpose(2, 0, 1).flatten().tolist()) for one in PICTURES
    }


def test_splits_may_be_given() -> None:
    dataset = own({"train": (PICTURES[:40], LABELS[:40]), "test": (PICTURES[40:], LABELS[40:])})
    assert len(dataset.test) == 20 and len(dataset.train) + len(dataset.validation) == 40
    kept = {one.tobytes() for one in PICTURES[40:].transpose(0, 3, 1, 2)}
    assert {image.numpy().tobytes() for image in dataset.test.images} == kept


def test_classes_may_have_names() -> None:
    names = ["ape", "bee", "cat"]
    by_name = own((PICTURES, [names[label] for label in LABELS]))
    by_number = own((PICTURES, LABELS), classes=names)
    assert by_name.classes == by_number.classes == ("ape", "bee", "cat")
    assert by_name.fingerprint == by_number.fingerprint


def test_pictures_of_any_size_are_made_equal() -> None:
    several = [one[: 6 + at % 5] for at, one in enumerate(PICTURES)]
    dataset = own((several, LABELS), ask=Ask((12, 12), "pad"))
    assert dataset.train.images.shape[1:] == (3, 12, 12)
    assert "60 images of 5 sizes" in own((several, LABELS)).said


def test_a_dataset_is_one_already() -> None:
    digits = load("digits")
    assert own(digits) is digits and isinstance(load(digits), Dataset)


def test_one_of_the_package_datasets() -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=["ape", "bee", "cat"])
    )
    rows = {"image": [Image.fromarray(one) for one in PICTURES], "label": LABELS.tolist()}
    given = datasets.Dataset.from_dict(rows, features=features)
    wanted = own((PICTURES, LABELS), classes=["ape", "bee", "cat"])
    assert own(given).fingerprint == wanted.fingerprint
    assert own(datasets.DatasetDict(train=given)).fingerprint == wanted.fingerprint


@pytest.mark.parametrize(
    "given, said",
    [
        ((PICTURES, LABELS[:9]), "of equal lengths"),
        (7, "not a int"),
        ({"train": (PICTURES, LABELS), "other": (PICTURES, LABELS)}, "no split is called 'other'"),
        ({"test": (PICTURES, LABELS)}, "no images to learn from"),
        ((PICTURES, -LABELS), "image 1 has the label -1"),
        ((PICTURES.astype(int), LABELS), "image 0: not readable as an image .a picture is uint8"),
        ([1, 2, 3], "item 0 is no image with its label"),
    ],
)
def test_what_is_no_dataset_is_one_line(given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        own(given)
    assert "\n" not in str(caught.value)
