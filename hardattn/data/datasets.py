"""Where datasets come from: files of the known ones, folders of images, the Hugging Face Hub."""

import difflib
import gzip
import importlib.util
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from hardattn.data.arrays import arrays
from hardattn.data.fit import FITS, ORIGINAL, Ask
from hardattn.data.folders import HELD_OUT, folder
from hardattn.data.idx import AGAIN, DataError as DataError, check_published, read_idx
from hardattn.data.images import by, fetch, on_hub, stack
from hardattn.data.own import of_hub, own
from hardattn.data.splits import Dataset, Split, stratified_split

DIGITS = tuple("0123456789")
FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
IDX_COUNTS = (55_000, 5_000, 10_000)  # train, validation (the last of the training file), test
IDX_IMAGE = (1, 28, 28)
IDX_STEMS = (
    "train-images-idx3",
    "train-labels-idx1",
    "t10k-images-idx3",
    "t10k-labels-idx1",
)


def load(name: Any, root: str | Path | None = None, device: torch.device | str = "cpu") -> Dataset:
    """The dataset of that name, or of what is at hand; `DataError` where it cannot be had whole.

    A row of DATASETS, `folder:PATH` (PATH/class/image), `hub:OWNER/NAME` (an image dataset of the
    Hugging Face Hub) or `array:PATH` (files of arrays, see `arrays`). Of the first two, images of
    several sizes are made equal; `@64` or `@48x64` at the end resizes each to that height and width
    (write photos@64@64 for a folder that is called photos@64), `@64:crop` by that row of
    `fit.FITS`, `@pad` to a size that is found in the data, `@original` leaves each as it is, and
    `@boxes=FILE` says where targets are: see `album`, `folders` and `boxes`. `root` is where the
    files of mnist and fashion_mnist lie, or in a sub-folder of the dataset's name; else
    $HARDATTN_DATA, else ~/.cache/hardattn. What is no name is a dataset already, or what `own.own`
    makes one of.
    """
    if not isinstance(name, str):
        return own(name).to(device)
    kind, colon, source = name.partition(":")
    if colon and kind in SOURCES:
        source, ask = _source_and_ask(kind, source)
        return SOURCES[kind](name, source, ask).to(device)
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f"perhaps {near[0]}" if near else f"choose from {', '.join(DATASETS)}"
        raise DataError(
            f"no dataset is called {name!r}: {hint}, or write folder:PATH, hub:OWNER/NAME or "
            "array:PATH"
        )
    return DATASETS[name](root).to(device)


def digits(root: str | Path | None = None) -> Dataset:
    """Scikit-learn's 1,797 real handwritten digits, 8×8; comes with the library, `root` or not."""
    # From its file: to import the library takes a hundred times as long as to read it.
    path = _in_package("sklearn", "datasets/data/digits.csv.gz")
    try:
        lines = gzip.decompress(path.read_bytes()).split()
        table = np.array([line.split(b",") for line in lines], np.float64).reshape(1797, 65)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path}: {error}; install scikit-learn again") from error
    images, labels = table[:, :-1].reshape(-1, 1, 8, 8), table[:, -1].astype(np.int64)
    images = np.round(images * (255 / 16)).astype(np.uint8)
    train, validation, test = (
        _split(images[part], labels[part]) for part in stratified_split(labels, HELD_OUT, HELD_OUT)
    )
    return Dataset("digits", train, validation, test, DIGITS)


def _in_package(name: str, inside: str) -> Path:
    """A file that a package brings along, without importing the package."""
    found = importlib.util.find_spec(name)
    for home in (found and found.submodule_search_locations) or []:
        if (path := Path(home) / inside).is_file():
            return path
    raise DataError(f"digits come with scikit-learn, and its {inside} is not there: install it")


def mnist(root: str | Path | None = None) -> Dataset:
    """MNIST (LeCun et al. 1998), 28×28: 55,000 for training, 5,000 validation, 10,000 test."""
    return _from_idx("mnist", root, DIGITS, "ylecun/mnist")


def fashion_mnist(root: str | Path | None = None) -> Dataset:
    """Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747), split as MNIST is."""
    return _from_idx("fashion_mnist", root, FASHION, "zalando-datasets/fashion_mnist")


def hub(name: str, source: str, ask: Ask | None = None) -> Dataset:
    """An image dataset of the Hugging Face Hub: see `own.of_hub`."""
    return of_hub(name, source, fetch(source), ask or Ask())


DATASETS: dict[str, Callable[[str | Path | None], Dataset]] = {
    "digits": digits,
    "mnist": mnist,
    "fashion_mnist": fashion_mnist,
}
SOURCES: dict[str, Callable[[str, str, Ask | None], Dataset]] = {
    "folder": folder,
    "hub": hub,
    "array": arrays,
}


def _from_idx(name: str, root: str | Path | None, classes: tuple[str, ...], source: str) -> Dataset:
    top = Path(root or os.environ.get("HARDATTN_DATA") or "~/.cache/hardattn").expanduser()
    paths = {stem: _find_idx(top, name, stem) for stem in IDX_STEMS}
    missing = [stem for stem, path in paths.items() if path is None]
    if missing:
        wanted = ", ".join(f"{stem}-ubyte.gz" for stem in missing)
        absent = (
            f"{name}: {wanted} not in {top / name}; put them there (.gz or not), or set "
            "HARDATTN_DATA to the folder where they are"
        )
        if len(missing) < len(IDX_STEMS):
            raise DataError(absent)
        return _from_hub(name, classes, source, absent)
    parts = []
    for image_stem, label_stem in (IDX_STEMS[:2], IDX_STEMS[2:]):
        image_path, label_path = Path(paths[image_stem] or ""), Path(paths[label_stem] or "")
        images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
        if len(images) != len(labels):
            raise DataError(
                f"{label_path}: {len(labels)} labels for the {len(images)} images of "
                f"{image_path}; download both again"
            )
        _check_labels(str(label_path), labels, classes)
        parts.append(_Official(str(image_path), images, str(label_path), labels))
    return _official(name, parts, classes)


def _from_hub(name: str, classes: tuple[str, ...], source: str, absent: str) -> Dataset:
    try:
        given = fetch(source)
    except DataError as error:
        raise DataError(f"{absent}; not fetched either: {error}") from error
    parts = []
    for key in ("train", "test"):
        if key not in given:
            raise DataError(f"{source}: its splits are {', '.join(given)}; {key} is needed")
        records, labels, _ = on_hub(source, key, given[key])
        where = f"{source} {key}"
        parts.append(_Official(where, stack(records)[0][:, 0], where, labels))
    return _official(name, parts, classes)


class _Official(NamedTuple):
    """The images (N, H, W) and labels (N,) of one published file each, and where they lie."""

    image_place: str
    images: np.ndarray
    label_place: str
    labels: np.ndarray


def _official(name: str, parts: list[_Official], classes: tuple[str, ...]) -> Dataset:
    """Official train, its end held out for validation, and official test."""
    training, validation, testing = IDX_COUNTS
    for part, count in zip(parts, (training + validation, testing), strict=True):
        shape = (len(part.images), 1, *part.images.shape[1:])
        if shape != (count, *IDX_IMAGE):
            raise DataError(
                f"{part.image_place}: its shape is {by(shape)}, that of {name} is "
                f"{by((count, *IDX_IMAGE))}; {AGAIN}"
            )
    for number, part in enumerate(parts):
        check_published(name, IDX_STEMS[2 * number], part.image_place, part.images)
        check_published(name, IDX_STEMS[2 * number + 1], part.label_place, part.labels)
    (_, images, _, labels), (_, test_images, _, test_labels) = parts
    return Dataset(
        name,
        _split(images[:training, None], labels[:training]),
        _split(images[training:, None], labels[training:]),
        _split(test_images[:, None], test_labels),
        classes,
    )


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    # Copies: torch wants writable memory, and a view would keep the whole file alive.
    return Split(torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64)))


def _check_labels(where: str, labels: np.ndarray, classes: tuple[str, ...]) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        raise DataError(
            f"{where}: record {wrong[0]} has the label {labels[wrong[0]]}, not one of "
            f"0 to {len(classes) - 1}; {AGAIN}"
        )


def _find_idx(top: Path, name: str, stem: str) -> Path | None:
    """The first spelling that is there, in the sub-folder `name` or directly in `top`."""
    places = [top / name]
    if top.name == name or top.name not in DATASETS:  # never take mnist/ for fashion_mnist
        places.append(top)
    for place in places:
        for spelling in (stem, stem.replace("-idx", ".idx")):
            for suffix in ("-ubyte", "-ubyte.gz"):
                path = place / (spelling + suffix)
                try:
                    path.stat()
                except (FileNotFoundError, NotADirectoryError):
                    continue
                except OSError as error:
                    raise DataError(f"{path}: {error.strerror}; make it readable") from error
                return path
    return None


def _source_and_ask(kind: str, name: str) -> tuple[str, Ask]:
    """What stands before @64, @48x64:crop, ..., and that; a folder may be called so itself."""
    source, mark, behind = name.rpartition("@")
    words = behind.split(":", 2) if mark and source else []
    hows = (*FITS, ORIGINAL)
    if not all(re.fullmatch(rf"\d+(x\d+)?|{'|'.join(hows)}|boxes=.+", word) for word in words):
        words = []
    if not words:
        return name, Ask()
    if kind == "folder" and Path(name).expanduser().is_dir():
        if Path(source).expanduser().is_dir():
            raise DataError(
                f"{name!r}: there is a folder called so, and one called {source!r}; write "
                f"folder:{name}/ for the first, or folder:{source}/{name[len(source) :]} for "
                "the other, resized"
            )
        return name, Ask()
    ask = Ask()
    for word in words:
        if word in hows:
            ask = ask._replace(how=word)
        elif word.startswith("boxes="):
            ask = ask._replace(boxes=word.removeprefix("boxes="))
        else:
            height, _, width = word.partition("x")
            size = int(height), int(width or height)
            if not all(size):
                raise DataError(f"{name!r}: an image of {by(size)} is none; write @64 or @48x64")
            ask = ask._replace(size=size)
    return source, ask
