"""Datasets from what somebody has in memory: arrays, tensors, lists, map-style and Hub datasets."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hardattn.data.fit import Ask, stacked
from hardattn.data.folders import SPLITS, dataset_of, dealt
from hardattn.data.idx import DataError
from hardattn.data.images import Record, by, in_folder, on_hub, pixels, renumbered
from hardattn.data.splits import Dataset, Part


def own(
    given: Any, name: str = "own", classes: Sequence[str] = (), ask: Ask | None = None
) -> Dataset:
    """A dataset of images and labels that are at hand.

    given: a pair, (images, labels), of arrays, tensors or lists; a map-style dataset, of which
    given[i] is such a pair; one of the package `datasets`; or a dict of these by split (train, and
    as far as there are validation and test: what is missing is held out of train). Images are as
    `array_of` takes them, of any sizes: ask says how they are made equal. classes: the names of the
    labels 0, 1, ..., where labels are no names themselves. Raises DataError.
    """
    if isinstance(given, Dataset):
        return given
    ask = ask or Ask()
    splits = _by_split(given)
    if all(hasattr(part, "features") for part in splits.values()):
        return of_hub(name, name, splits, ask)
    records: list[Record] = []
    said: list[Any] = []
    which: list[int] = []
    for key, part in splits.items():
        images, labels = _pair(f"{name} {key}", part)
        records += [
            Record(f"{name} {key}: image {at}", partial(_opened, one))
            for at, one in enumerate(images)
        ]
        said += labels
        number = next(at for at, names in enumerate(SPLITS) if key in names)
        which += [number] * len(labels)
    numbers, names = _numbered(name, said, classes)
    made = stacked(records, ask)
    whole = Part(made.images, numbers, made.content)
    note = f"{name}: {made.said}" if made.said else ""
    return dataset_of(name, dealt(name, whole, np.array(which)), names, note)


def of_hub(name: str, source: str, given: Mapping[str, Any], ask: Ask) -> Dataset:
    """Of splits of the package `datasets` their first image and first class column.

    Its own splits where it has them, and where it has no test its validation is the test; what is
    then missing is held out of train as for a folder. Classes are those of train, by their names.
    """
    held = next((key for key in ("validation", "valid", "val", "dev") if key in given), None)
    keys = [held, "test"] if "test" in given else [None, held]
    if "train" not in given:
        raise DataError(
            f"hub:{source}: its splits are {', '.join(given)}; one called train is needed"
        )
    records, all_labels, classes = on_hub(source, "train", given["train"])
    ends, labels = [len(records)], [all_labels]
    for key in keys:
        if key is not None:
            more, numbers, names = on_hub(source, key, given[key])
            where = f"hub:{source} {key}"
            labels.append(renumbered(where, numbers, names, all_labels, classes))
            records += more
        ends.append(len(records))
    if ask.boxes:
        raise DataError(f"hub:{source}: no file of boxes is read for a dataset of the Hub")
    made = stacked(records, ask)
    whole = Part(made.images, np.concatenate(labels), made.content)
    splits = np.searchsorted(ends, np.arange(len(records)), side="right")
    said = f"hub:{source}: {made.said}" if made.said else ""
    return dataset_of(name, dealt(f"hub:{source} train", whole, splits), classes, said)


def array_of(image: Any) -> tuple[NDArray[np.uint8], str]:
    """(H, W) or (H, W, 3) uint8, and its name: "" of what is no file.

    image: a path, a Pillow image, or an array or tensor, (H, W), (H, W, C) or (C, H, W), uint8 or
    in floating point in [0, 1]. Raises ValueError.
    """
    if isinstance(image, str | Path):
        path = Path(image).expanduser()
        if not path.is_file():
            raise ValueError(f"{path}: no such file")
        return pixels(in_folder(path)), path.name
    if hasattr(image, "convert"):  # of Pillow, which is not imported for others
        grey = image.mode in ("1", "L", "LA")
        return np.asarray(image.convert("L" if grey else "RGB")), ""
    array = image.detach().cpu().numpy() if isinstance(image, Tensor) else np.asarray(image)
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise ValueError(f"a picture is (H, W), (H, W, 3) or (C, H, W), not {by(array.shape)}")
    if np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise ValueError("a picture in floating point has values in [0, 1]; else give uint8")
        array = (255 * array).round().astype(np.uint8)
    if array.dtype != np.uint8:
        raise ValueError(f"a picture is uint8, or in floating point in [0, 1], not {array.dtype}")
    return array, ""


def _by_split(given: Any) -> dict[str, Any]:
    """Its splits by name; all of what has none is to be dealt."""
    if not isinstance(given, Mapping):
        return {SPLITS[0][0]: given}
    known = {name for names in SPLITS for name in names}
    if strange := [str(key) for key in given if key not in known]:
        raise DataError(f"no split is called {strange[0]!r}: write train, validation, test")
    return dict(given)


def _pair(where: str, part: Any) -> tuple[list[Any], list[Any]]:
    """The images and labels of a pair, or of a map-style dataset."""
    two = isinstance(part, tuple | list) and len(part) == 2 and hasattr(part[0], "__len__")
    if two and np.ndim(_plain(part[1])) == 1 and len(part[0]) == len(part[1]):
        return list(part[0]), list(_plain(part[1]))
    if two or not (hasattr(part, "__len__") and hasattr(part, "__getitem__")):
        raise DataError(
            f"{where}: give (images, labels) of equal lengths, or what has a length and of which "
            f"[i] is an image and its label, not a {type(part).__name__}"
        )
    items = [part[at] for at in range(len(part))]
    for at, item in enumerate(items):
        if not (isinstance(item, tuple | list) and len(item) == 2):
            raise DataError(f"{where}: item {at} is no image with its label")
    return [image for image, _ in items], [_plain(label) for _, label in items]


def _numbered(
    name: str, said: Sequence[Any], classes: Sequence[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels as numbers, and the names of the classes."""
    if all(isinstance(one, str) for one in said):
        names = tuple(classes) or tuple(sorted({*said}))
        if strange := sorted({*said} - {*names}):
            raise DataError(f"{name}: no class is called {strange[0]!r}: {', '.join(names)}")
        return np.array([names.index(one) for one in said], np.int64), names
    try:
        labels = np.array([int(one) for one in said], np.int64)
    except (TypeError, ValueError) as fault:
        raise DataError(f"{name}: a label is a number or a name ({fault})") from fault
    count = len(classes) or int(labels.max(initial=-1)) + 1
    if len(labels) and not (labels.min() >= 0 and labels.max() < count):
        at = int(np.flatnonzero((labels < 0) | (labels >= count))[0])
        raise DataError(
            f"{name}: image {at} has the label {labels[at]}, not one of 0 to {count - 1}"
        )
    return labels, tuple(classes) or tuple(map(str, range(count)))


def _opened(image: Any) -> Any:
    """A Pillow image of it, which may be closed."""
    from PIL import Image

    return Image.fromarray(array_of(image)[0])


def _plain(value: Any) -> Any:
    """Of a tensor the array; all else as it is."""
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value
