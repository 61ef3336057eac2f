"""Images in NumPy's files, mapped into memory: of those that nobody looks at, none is read."""

from pathlib import Path

import numpy as np
import torch

from hardattn.data.fit import Ask
from hardattn.data.idx import DataError
from hardattn.data.images import by
from hardattn.data.splits import Dataset, Split

PARTS = ("train", "validation", "test")
SAVE = "save it with numpy.save"


def arrays(name: str, source: str, ask: Ask | None = None) -> Dataset:
    """A folder of arrays: train_images.npy, (N, H, W) or (N, C, H, W) uint8, and train_labels.npy,
    (N,) whole numbers from 0; validation_ and test_ likewise.

    The images stay in their files. Classes are called as the lines of classes.txt say, if it is
    there, else 0, 1, 2, ...
    """
    top = Path(source).expanduser()
    if ask not in (None, Ask()):
        raise DataError(
            f"{name}: arrays are not resized, nor are boxes of them read; leave out what stands "
            "behind @"
        )
    train, validation, test = splits = [_split(top, part) for part in PARTS]
    shapes = {
        part: tuple(split.images.shape[1:]) for part, split in zip(PARTS, splits, strict=True)
    }
    for part, shape in shapes.items():
        if shape != shapes["train"]:
            raise DataError(
                f"{top / part}_images.npy: images of {by(shape)}, but those of train are "
                f"{by(shapes['train'])}; make all one size"
            )
    count = 1 + max(int(split.labels.max()) for split in splits)
    classes = _classes(top / "classes.txt", count)
    return Dataset(name, train, validation, test, classes)


def _split(top: Path, part: str) -> Split:
    images_path, labels_path = (top / f"{part}_{what}.npy" for what in ("images", "labels"))
    images, labels = _mapped(images_path), _mapped(labels_path)
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or not images.size:
        raise DataError(
            f"{images_path}: {by(images.shape)} of {images.dtype}; images are (N, H, W) or "
            "(N, C, H, W) of uint8"
        )
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise DataError(
            f"{labels_path}: {by(labels.shape)} of {labels.dtype} for {len(images)} images; labels "
            "are as many whole numbers"
        )
    labels = labels.astype(np.int64)
    if labels.min() < 0:
        raise DataError(
            f"{labels_path}: record {labels.argmin()} is below 0; number classes from 0"
        )
    images = images[:, None] if images.ndim == 3 else images
    return Split(torch.from_numpy(images), torch.from_numpy(labels))


def _mapped(path: Path) -> np.ndarray:
    """An array as it lies in its file; what is written to it would stay in memory alone."""
    try:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: {error}; {SAVE}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: several arrays; {SAVE}, one a file")
    # Torch knows no other order of bytes in memory than rows one after the other, forwards.
    if not array.flags.c_contiguous:
        raise DataError(f"{path}: stored column by column; {SAVE} as numpy.ascontiguousarray")
    return array


def _classes(path: Path, count: int) -> tuple[str, ...]:
    if not path.exists():
        return tuple(map(str, range(count)))
    try:
        names = tuple(path.read_text(encoding="utf-8").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}; write a name a line, in UTF-8") from error
    names = names[:-1] if names[-1] == "" else names
    if len(names) < count or len(set(names)) < len(names) or not all(names):
        raise DataError(
            f"{path}: {len(names)} names, of which some may be empty or alike, for labels up to "
            f"{count - 1}; write a name of its own for each class, a line each"
        )
    return names
