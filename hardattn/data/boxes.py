"""Where targets are in pictures: files of boxes as annotation tools write them.

CSV with a row a box, COCO's JSON, and VOC's XML, one file a picture. Boxes are in pixels of the
picture as a viewer shows it.
"""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from hardattn.data.idx import DataError

Boxes = Mapping[str, Sequence[tuple[float, float, float, float]]]  # by the name of the picture
NAMES = ("file", "filename", "file_name", "path", "image", "image_path", "image_id")
CORNERS = (("x0", "y0", "x1", "y1"), ("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"))
EXTENTS = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))
# What stands in a folder of classes, and is of boxes.
KNOWN = (
    *("boxes.csv", "annotations.csv", "annotations.json", "_annotations.coco.json"),
    *("instances.json", "boxes.json", "annotations", "Annotations", "boxes"),
)


def found_in(top: Path) -> Path | None:
    """The file or folder of boxes that lies in a folder of pictures; None where there is none."""
    return next((top / name for name in KNOWN if (top / name).exists()), None)


def read(path: Path) -> dict[str, list[tuple[float, float, float, float]]]:
    """x0, y0, x1, y1 of every box, by the name of the picture as the file has it.

    path: a .csv, a .json of COCO, an .xml of VOC, or a folder of these. Raises DataError.
    """
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.suffix.lower() in READERS)
        if not files:
            raise DataError(f"{path}: no .csv, .json or .xml of boxes in it")
    else:
        files = [path]
    boxes: dict[str, list[tuple[float, float, float, float]]] = {}
    for file in files:
        reader = READERS.get(file.suffix.lower())
        if reader is None:
            raise DataError(f"{file}: boxes are read from .csv, .json (COCO) or .xml (VOC)")
        try:
            for name, corners in reader(file):
                x0, y0, x1, y1 = corners
                if not (all(map(math.isfinite, corners)) and x1 > x0 and y1 > y0):
                    raise DataError(f"{file}: the box {corners} of {name} has no area")
                boxes.setdefault(name, []).append(corners)
        except OSError as fault:
            raise DataError(f"{file}: {fault.strerror}; make it readable") from fault
        except UnicodeDecodeError as fault:
            raise DataError(f"{file}: not text ({fault}); save it as UTF-8") from fault
    return boxes


def of_files(
    boxes: Boxes, where: str, files: Sequence[Path], top: Path
) -> list[NDArray[np.float64]]:
    """The boxes of each picture, (m, 4); (0, 4) of one that has none.

    A file of boxes may name pictures by their path below `top`, by the end of it, or by their names
    alone, with or without ending. Raises DataError where a name is of several pictures, or none of
    the names is of any.
    """
    known: dict[str, set[int]] = {}
    for number, file in enumerate(files):
        for name in _endings(file.relative_to(top)):
            known.setdefault(name, set()).add(number)
    found: list[list[tuple[float, float, float, float]]] = [[] for _ in files]
    for name, several in boxes.items():
        which = next((known[end] for end in _endings(PurePosixPath(name)) if end in known), set())
        if len(which) > 1:
            first, second, *_ = sorted(which)
            raise DataError(
                f"{where}: {name} may be {files[first]} or {files[second]}; name it by its path"
            )
        for number in which:
            found[number] += several
    if not any(found):
        raise DataError(f"{where}: none of its {len(boxes)} pictures lies in {top}")
    return [np.array(each, float).reshape(-1, 4) for each in found]


def _endings(path: PurePosixPath | Path) -> list[str]:
    """The whole path and its ends, the longest first; then the same without its suffix."""
    parts = path.as_posix().replace("\\", "/").strip("/").split("/")
    whole = ["/".join(parts[start:]) for start in range(len(parts))]
    return whole + [end.rpartition(".")[0] for end in whole if "." in end.rpartition("/")[2]]


Found = Iterator[tuple[str, tuple[float, float, float, float]]]


def _csv(path: Path) -> Found:
    """A row a box, under a head that says what its columns are."""
    text = path.read_text(encoding="utf-8-sig")
    first = (text.splitlines() or [""])[0]
    mark = max(",;\t", key=first.count)
    rows = list(csv.reader(text.splitlines(), delimiter=mark))
    head = [name.strip().lower() for name in (rows or [[]])[0]]
    name = next((each for each in NAMES if each in head), "")
    corners = next((each for each in CORNERS if {*each} <= {*head}), None)
    extents = next((each for each in EXTENTS if {*each} <= {*head}), None)
    if not name or not (corners or extents):
        raise DataError(
            f"{path}: its head is {', '.join(head) or 'empty'}; wanted are file, x0, y0, x1, y1 or "
            "file, x, y, width, height"
        )
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        try:
            line = dict(zip(head, (each.strip() for each in row), strict=True))
            a, b, c, d = (float(line[each]) for each in corners or extents or ())
        except ValueError as fault:
            raise DataError(f"{path}: line {number} is no box ({fault})") from fault
        yield line[name], (a, b, c, d) if corners else (a, b, a + c, b + d)


def _coco(path: Path) -> Found:
    """COCO's JSON: images with file_name and id, annotations with image_id and bbox."""
    try:
        whole: Any = json.loads(path.read_text(encoding="utf-8"))
        names = {each["id"]: str(each["file_name"]) for each in whole["images"]}
        for each in whole["annotations"]:
            x, y, width, height = (float(side) for side in each["bbox"])
            yield names[each["image_id"]], (x, y, x + width, y + height)
    except (ValueError, KeyError, TypeError) as fault:
        if isinstance(fault, DataError):
            raise
        raise DataError(f"{path}: not COCO's JSON ({type(fault).__name__}: {fault})") from fault


def _voc(path: Path) -> Found:
    """VOC's XML of one picture, whose pixels are counted from 1, borders included."""
    try:
        root = ElementTree.parse(path).getroot()
        name = root.findtext("filename") or path.stem
        for box in root.iterfind("object/bndbox"):
            sides = [float(box.findtext(key) or "nan") for key in ("xmin", "ymin", "xmax", "ymax")]
            yield name, (sides[0] - 1, sides[1] - 1, sides[2], sides[3])
    except (ElementTree.ParseError, ValueError) as fault:
        if isinstance(fault, DataError):
            raise
        raise DataError(f"{path}: not VOC's XML ({fault})") from fault


READERS = {".csv": _csv, ".json": _coco, ".xml": _voc}
