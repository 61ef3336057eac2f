"""Images in files and on the Hugging Face Hub, decoded as a viewer shows them."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hardattn.data.idx import DataError

GROUND = 1.0  # what shows through a transparent image: white
ALPHA = {"L": "LA", "RGB": "RGBA"}
ORIENTATION, SIDEWAYS = 274, (5, 6, 7, 8)  # a tag of EXIF, and those that lay a picture on its side
DEEP = ("RGB;16B", "RGBA;16B", "LA;16B")  # how Pillow calls what a PNG of 16 bits in colour holds


class Record(NamedTuple):
    """One image: how an error names it, and what opens it, as often as is asked."""

    where: str
    open: Callable[[], Any]  # -> PIL.Image.Image; Pillow is imported only when one is opened


def in_folder(path: Path) -> Record:
    """The image in a file."""
    return Record(str(path), partial(_open_file, path))


def stack(records: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    """The images, uint8, (N, 1, H, W) where every one is greyscale, else (N, 3, H, W), and a hash
    of the content of each, (N,) uint64.

    A grey image has the content of the same in colour. See `hardattn.data.fit` for other sizes.
    """
    arrays: list[np.ndarray] = []
    for record in records:
        array = pixels(record)
        if arrays and array.shape[:2] != arrays[0].shape[:2]:
            raise DataError(
                f"{record.where}: {by(array.shape[:2])}, but {records[0].where} is "
                f"{by(arrays[0].shape[:2])}; make all one size"
            )
        arrays.append(array)
    content = np.array([content_of(array) for array in arrays], np.uint64)
    if all(array.ndim == 2 for array in arrays):
        return np.stack(arrays)[:, None], content
    arrays = [in_colour(array) for array in arrays]
    return np.ascontiguousarray(np.stack(arrays).transpose(0, 3, 1, 2)), content


def sides(record: Record) -> tuple[int, int]:
    """Height and width as a viewer shows it, of which the head of a file tells."""
    try:
        with record.open() as image:
            turned = image.getexif().get(ORIENTATION, 1) in SIDEWAYS
            return (image.width, image.height) if turned else (image.height, image.width)
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        raise unreadable(record, error) from error


def pixels(record: Record) -> np.ndarray:
    """(H, W) of a greyscale image, (H, W, 3) of any other, uint8, as a viewer shows it.

    Turned as its orientation says, on white where it is transparent, 16 bits a channel scaled to 8.
    A palette of greys is greyscale.
    """
    try:
        with record.open() as image:
            if image.mode[0] == "I" or ";16" in _raw_mode(image):
                return _deep(record, image)
            if image.mode == "F":
                raise DataError(f"{record.where}: its pixels are fractions; save it with 8 bits")
            return _plain(image)
    except DataError:
        raise
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        raise unreadable(record, error) from error


def unreadable(record: Record, error: Exception) -> DataError:
    """What is said of a file that is no image, or a broken one."""
    return DataError(f"{record.where}: not readable as an image ({error}); repair or remove it")


def by(shape: Iterable[int]) -> str:
    """28 x 28."""
    return " x ".join(map(str, shape))


def fetch(source: str) -> Any:
    """Every split of a Hub dataset."""
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise DataError(
            f"hub:{source} needs the package datasets: pip install 'hardattn[hub]'"
        ) from error
    try:
        return load_dataset(source)
    except Exception as error:  # network, name, configuration, disk: each its own exception
        raise DataError(
            f"hub:{source}: {type(error).__name__}: {error}; check the name and the network"
        ) from error


def on_hub(source: str, key: str, rows: Any) -> tuple[list[Record], np.ndarray, tuple[str, ...]]:
    """For one split: its images, labels (N,), names of the classes."""
    from datasets import ClassLabel, Image

    where = f"hub:{source} {key}"
    image_column, label_column = (
        next((column for column, feature in rows.features.items() if isinstance(feature, kind)), "")
        for kind in (Image, ClassLabel)
    )
    if not image_column or not label_column:
        raise DataError(
            f"{where}: its columns are {', '.join(rows.features)}; one of images and one of "
            "classes are needed"
        )
    if not len(rows):
        raise DataError(f"{where}: no records; check the name")
    try:
        labels = np.array(rows[label_column], dtype=np.int64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: a record without a label; take another dataset") from error
    classes = tuple(rows.features[label_column].names)
    _check_hub_labels(where, key, labels, classes)
    # As they are stored: the package itself drops half of 16 bits when it decodes.
    stored = rows.cast_column(image_column, Image(decode=False))
    records = [
        Record(f"{where}: record {index}", partial(_open_stored, stored, index, image_column))
        for index in range(len(rows))
    ]
    return records, labels, classes


def renumbered(
    where: str,
    labels: np.ndarray,
    names: tuple[str, ...],
    train_labels: np.ndarray,
    classes: tuple[str, ...],
) -> np.ndarray:
    """Labels of a split that may name classes in another order, or not all, as train numbers them.

    Raises DataError for a class of which train has no image.
    """
    number = {name: place for place, name in enumerate(classes)}
    own = np.array([number.get(name, -1) for name in names])
    trained = set(np.unique(train_labels).tolist())
    for label in np.unique(labels):
        if own[label] not in trained:
            raise DataError(
                f"{where}: has images of the class {names[label]!r}, of which train has none; take "
                "a dataset whose splits share their classes"
            )
    return own[labels]


def _check_hub_labels(where: str, key: str, labels: np.ndarray, classes: tuple[str, ...]) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if not len(wrong):
        return
    label = labels[wrong[0]]
    if label == -1:
        raise DataError(
            f"{where}: {len(wrong)} of {len(labels)} records have the label -1, which says that "
            f"their class is not given (record {wrong[0]} is the first); take a dataset whose "
            f"{key} split has all its labels"
        )
    raise DataError(
        f"{where}: record {wrong[0]} has the label {label}, not one of 0 to {len(classes) - 1}; "
        "take another dataset"
    )


def _open_file(path: Path) -> Any:
    from PIL import Image

    return Image.open(path)


def _open_stored(rows: Any, index: int, column: str) -> Any:
    from PIL import Image

    stored = rows[index][column]
    return Image.open(stored["path"] if stored["bytes"] is None else BytesIO(stored["bytes"]))


def _plain(image: Any) -> np.ndarray:
    """Of an image of at most 8 bits a channel."""
    from PIL import ImageOps

    palette = image.mode in ("P", "PA")
    image = ImageOps.exif_transpose(image)
    shown = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        array = np.asarray(image.convert(ALPHA[shown]))
        array = _on_ground(array[..., :-1], array[..., -1], 255)
        array = array[..., 0] if shown == "L" else array
    else:
        array = np.asarray(image.convert(shown))
    if palette and (array == array[..., :1]).all():
        return array[..., 0]
    return array


def _deep(record: Record, image: Any) -> np.ndarray:
    """Of an image of more than 8 bits a channel: grey, or a PNG in colour, of 16 bits."""
    from PIL import ImageOps

    raw, top = _raw_mode(image), 65535
    clear = image.info.get("transparency")
    if image.mode[0] == "I":
        sixteen = image.mode.startswith("I;16") or image.format in ("PNG", "PPM")
        top = 4095 if raw == "I;12" else top
        array = np.asarray(ImageOps.exif_transpose(image)).astype(np.int64)[..., None]
        if not sixteen or array.min() < 0 or array.max() > top:
            raise DataError(f"{record.where}: more than 16 bits a channel; save it with 8 or 16")
    elif image.format != "PNG" or raw not in DEEP or (raw == "LA;16B" and image.mode != "RGBA"):
        raise DataError(f"{record.where}: 16 bits a channel; save it with 8, or as PNG in colour")
    else:
        array = _deep_png(record, image, raw)
    alpha = None
    if raw in ("LA;16B", "RGBA;16B"):
        array, alpha = array[..., :-1], array[..., -1]
    elif clear is not None:  # one value or colour that stands for transparent
        alpha = np.where((array == np.array(clear)).all(-1), 0, top)
    array = _on_ground(array, alpha, top)
    return array[..., 0] if array.shape[-1] == 1 else array


def _deep_png(record: Record, image: Any, raw: str) -> np.ndarray:
    """(H, W, C) of a PNG of 16 bits a channel, of which Pillow keeps the high bytes alone.

    So the file is read twice, the second time as if the low bytes came first; grey with alpha, of
    which there is no such reading, once, as if its four bytes were four channels.
    """
    from PIL import ImageOps

    with record.open() as other:
        other.tile = [
            (*tile[:3], "RGBA" if raw == "LA;16B" else raw.replace("16B", "16L"))
            for tile in other.tile
        ]
        low = np.asarray(ImageOps.exif_transpose(other)).astype(np.int64)
    if raw == "LA;16B":
        return low[..., ::2] * 256 + low[..., 1::2]
    high = np.asarray(ImageOps.exif_transpose(image)).astype(np.int64)
    return high * 256 + low


def _on_ground(array: np.ndarray, alpha: np.ndarray | None, top: int) -> np.ndarray:
    """(H, W, C) uint8 of channels of 0 to `top`, on the ground where they are transparent."""
    shown = array / top
    if alpha is not None:
        solid = (alpha / top)[..., None]
        shown = shown * solid + GROUND * (1 - solid)
    return np.floor(255 * shown + 0.5).astype(np.uint8)


def _raw_mode(image: Any) -> str:
    """How the pixels of an image that is not yet read are stored, as Pillow calls it; or ""."""
    if not getattr(image, "tile", None):  # an image in memory has none
        return ""
    stored = image.tile[0][3]
    stored = stored[0] if isinstance(stored, tuple) and stored else stored
    return stored if isinstance(stored, str) else ""


def in_colour(array: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, 3) -> (H, W, 3)."""
    return array if array.ndim == 3 else array[..., None].repeat(3, -1)


def content_of(array: np.ndarray) -> int:
    """A hash of the pixels, 64 bits, the same of a grey image and of it in colour."""
    digest = hashlib.blake2b(by(array.shape[:2]).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(in_colour(array)).data)
    return int.from_bytes(digest.digest(), "big")
