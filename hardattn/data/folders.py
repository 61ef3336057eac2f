"""A dataset that is a folder of pictures: a folder a class, with splits inside or outside of them.

photos/cat/1.jpg  photos/dog/1.jpg                     what is held out is drawn by content
photos/train/cat/1.jpg  photos/test/dog/1.jpg  ...     or val/ and test/ are those
photos/cat/train/1.jpg  photos/dog/test/1.jpg  ...     of each class
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from hardattn.data import boxes as boxes_of
from hardattn.data.album import Album
from hardattn.data.fit import Ask, stacked
from hardattn.data.idx import DataError
from hardattn.data.images import in_folder
from hardattn.data.splits import Dataset, Part, Split, held_out, interleaved

HELD_OUT = 0.2  # validation and test each, of what comes without
TRAIN, TEST = ("train", "training"), ("test", "testing")
VALIDATION = ("val", "valid", "validation", "dev")
SPLITS = (TRAIN, VALIDATION, TEST)
LEAST = 3  # pictures of a class, of which one each goes to what is held out


class Files(NamedTuple):
    """The files of a folder, and what their folders say."""

    paths: list[Path]
    labels: list[int]
    splits: list[int]  # by SPLITS; all 0 where they are not told apart
    classes: tuple[str, ...]


def folder(name: str, source: str, ask: Ask | None = None) -> Dataset:
    """The pictures of a folder, a class folder each; see above, and `boxes.read` for their boxes.

    Greyscale where all are, else RGB. What has no split of its own is held out, about a fifth each,
    by content (`splits.deal_by_content`), so that neither more files, nor other names or dates move
    one from its split. In each split the classes take turns. Raises DataError.
    """
    if not source.strip("/"):
        raise DataError(f"which folder? write {name}PATH, of PATH/class/image")
    ask = ask or Ask()
    top = Path(source).expanduser()
    files = files_of(top)
    records = [in_folder(path) for path in files.paths]
    given = Path(ask.boxes).expanduser() if ask.boxes else boxes_of.found_in(top)
    boxes = None
    if given is not None:
        if not given.exists():
            raise DataError(f"{given}: no such file of boxes")
        boxes = boxes_of.of_files(boxes_of.read(given), str(given), files.paths, top)
    made = stacked(records, ask, boxes)
    whole = Part(made.images, np.array(files.labels), made.content, made.boxes)
    parts = dealt(str(top), whole, np.array(files.splits))
    said = f"{top}: {made.said}" if made.said else ""
    return dataset_of(name, parts, files.classes, said)


def dealt(where: str, whole: Part, splits: np.ndarray) -> list[Part]:
    """Train, validation and test, as they are told apart; what is missing is held out of train."""
    parts = [whole.of(np.flatnonzero(splits == number)) for number in range(len(SPLITS))]
    missing = [number for number, part in enumerate(parts) if not len(part.labels)]
    if 0 in missing:
        raise DataError(f"{where}: no images to learn from; put some into {TRAIN[0]}")
    if missing:
        given = held_out(where, parts[0], *[HELD_OUT] * len(missing))
        for number, part in zip([0, *missing], given, strict=True):
            parts[number] = part
    return parts


def dataset_of(
    name: str, parts: Sequence[Part], classes: tuple[str, ...], said: str = ""
) -> Dataset:
    """The parts as splits in which the classes take turns."""
    turns = [part.of(interleaved(part.labels)) for part in parts]
    train, validation, test = map(split_of, turns)
    return Dataset(name, train, validation, test, classes, said)


def split_of(part: Part) -> Split:
    """A part as tensors."""
    given = part.images
    # Copies: torch wants writable memory, and a view would keep the whole file alive.
    images = given if isinstance(given, Album) else torch.from_numpy(given.copy())
    boxes = None if part.boxes is None else torch.from_numpy(part.boxes).float()
    return Split(images, torch.from_numpy(part.labels.astype(np.int64)), boxes=boxes)


def files_of(top: Path) -> Files:
    """All files of the classes, in order of their names. Raises DataError."""
    folders = _folders(top)
    by_split = {number: path for path in folders if (number := _split(path)) is not None}
    if by_split and len(by_split) == len(folders):
        inside = {number: _folders(path) for number, path in by_split.items()}
        names = sorted({path.name for several in inside.values() for path in several})
        found = [
            (path, names.index(kind.name), number)
            for number, several in sorted(inside.items())
            for kind in several
            for path in _images(kind)
        ]
        return _checked(top, names, found)
    found, apart = [], []
    for label, kind in enumerate(folders):
        own = {number: path for path in _folders(kind) if (number := _split(path)) is not None}
        apart.append(bool(own))
        several = own or {0: kind}
        found += [(path, label, number) for number, at in several.items() for path in _images(at)]
    if any(apart) and not all(apart):
        one, other = (folders[apart.index(which)] for which in (True, False))
        raise DataError(
            f"{one} has {TRAIN[0]} and {TEST[0]} in it and {other} has not: do one thing"
        )
    return _checked(top, [kind.name for kind in folders], found)


def _checked(top: Path, names: list[str], found: list[tuple[Path, int, int]]) -> Files:
    """Raise DataError for too few classes, or too few pictures of one."""
    if len(names) < 2:
        raise DataError(f"{top}: {len(names)} class folders; put two or more there, one a class")
    apart = len({number for _, _, number in found}) > 1
    for label, name in enumerate(names):
        own = [number for _, number_of, number in found if number_of == label]
        if len(own) < LEAST:
            raise DataError(
                f"{top / name}: {len(own)} images; put three or more there, or remove it"
            )
        if apart and 0 not in own:
            raise DataError(f"{top}: of {name!r} there are no images to learn from, only others")
    paths, labels, splits = (list(column) for column in zip(*found, strict=True))
    return Files(paths, labels, splits, tuple(names))


def _split(path: Path) -> int | None:
    """Which of SPLITS a folder is called after."""
    name = path.name.lower()
    return next((number for number, names in enumerate(SPLITS) if name in names), None)


def _folders(path: Path) -> list[Path]:
    """The folders in it, but for those of boxes."""
    return sorted(each for each in entries(path) if each.is_dir() and not _of_boxes(each))


def _images(path: Path) -> list[Path]:
    """The files in it, but for those of boxes that lie beside the pictures."""
    return sorted(each for each in entries(path) if each.suffix.lower() not in boxes_of.READERS)


def _of_boxes(path: Path) -> bool:
    """Whether a folder is called as one of boxes, and holds nothing else."""
    if path.name not in boxes_of.KNOWN:
        return False
    return all(each.is_dir() or each.suffix.lower() in boxes_of.READERS for each in path.rglob("*"))


def entries(path: Path) -> list[Path]:
    """What lies in a folder and is not hidden. Raises DataError."""
    try:
        return [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror}; give a folder that holds class folders"
        ) from error
