"""Files of boxes, as tools write them: each format says the same, and faults are one line."""

import json
from pathlib import Path

import numpy as np
import pytest

from hardattn.data.boxes import found_in, of_files, read
from hardattn.data.idx import DataError

TRUTH = {"a/1.jpg": [(1.0, 2.0, 5.0, 8.0), (0.0, 0.0, 3.0, 3.0)], "b/2.png": [(4.0, 4.0, 9.0, 6.0)]}


def corners(path: Path, mark: str = ",", names: str = "file x0 y0 x1 y1") -> None:
    rows = [names.split(), *([name, *map(str, box)] for name, all in TRUTH.items() for box in all)]
    path.write_text("\n".join(mark.join(row) for row in rows) + "\n")


def extents(path: Path) -> None:
    rows = [
        f"{name},cat,{x0},{y0},{x1 - x0},{y1 - y0}"
        for name, boxes in TRUTH.items()
        for x0, y0, x1, y1 in boxes
    ]
    path.write_text("\n".join(["filename,label,x,y,width,height", *rows]))


def coco(path: Path) -> None:
    names = [*TRUTH]
    images = [{"id": 7 + number, "file_name": name} for number, name in enumerate(names)]
    boxes = [
        {"image_id": 7 + names.index(name), "bbox": [x0, y0, x1 - x0, y1 - y0]}
        for name, several in TRUTH.items()
        for x0, y0, x1, y1 in several
    ]
    path.write_text(json.dumps({"images": images, "annotations": boxes}))


def voc(path: Path) -> None:
    """A folder of them; their pixels are counted from 1, and the last one is inside."""
    path.mkdir()
    for number, (name, several) in enumerate(TRUTH.items()):
        boxes = "".join(
            f"<object><name>cat</name><bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin>"
            f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
            for x0, y0, x1, y1 in several
        )
        text = f"<annotation><filename>{name}</filename>{boxes}</annotation>"
        (path / f"{number}.xml").write_text(text)


FORMS = {
    "boxes.csv": corners,
    "semicolons.csv": lambda path: corners(path, ";", "image xmin ymin xmax ymax"),
    "tabs.csv": lambda path: corners(path, "\t", "path x1 y1 x2 y2"),
    "extents.csv": extents,
    "coco.json": coco,
    "voc": voc,
}


@pytest.mark.parametrize("name", FORMS)
def test_every_format_says_the_same(name: str, tmp_path: Path) -> None:
    FORMS[name](tmp_path / name)
    assert read(tmp_path / name) == TRUTH


def test_they_are_found_beside_the_pictures(tmp_path: Path) -> None:
    assert found_in(tmp_path) is None
    voc(tmp_path / "Annotations")
    assert found_in(tmp_path) == tmp_path / "Annotations"
    corners(tmp_path / "boxes.csv")
    assert found_in(tmp_path) == tmp_path / "boxes.csv"


FILES = [Path("top/a/1.jpg"), Path("top/b/2.png"), Path("top/b/3.png"), Path("top/c/3.png")]


@pytest.mark.parametrize(
    "called", ["a/1.jpg", "1.jpg", "photos/data/a/1.jpg", "1", "a/1", "x\\a\\1.jpg"]
)
def test_a_picture_may_be_named_by_any_end_of_its_path(called: str) -> None:
    found = of_files({called: [(1, 2, 3, 4)]}, "boxes.csv", FILES, Path("top"))
    assert [len(boxes) for boxes in found] == [1, 0, 0, 0]
    assert np.array_equal(found[0], [[1, 2, 3, 4]]) and found[1].shape == (0, 4)


@pytest.mark.parametrize(
    "called, said", [("3.png", "may be top/b/3.png or top/c/3.png"), ("9.png", "none of its 1")]
)
def test_a_name_that_says_too_little_is_refused(called: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        of_files({called: [(1, 2, 3, 4)]}, "boxes.csv", FILES, Path("top"))


FAULTS = {
    "empty.csv": ("", "its head is empty"),
    "head.csv": ("file,left,right\n", "wanted are file, x0"),
    "short.csv": ("file,x0,y0,x1,y1\na,1,2,3\n", "line 2"),
    "words.csv": ("file,x0,y0,x1,y1\na,1,2,3,many\n", "line 2"),
    "flat.csv": ("file,x0,y0,x1,y1\na,1,2,1,5\n", "has no area"),
    "nan.csv": ("file,x0,y0,x1,y1\na,1,2,nan,5\n", "has no area"),
    "list.json": ("[]", "not COCO"),
    "cut.json": ('{"images": [', "not COCO"),
    "no image.json": (
        '{"images": [], "annotations": [{"image_id": 3, "bbox": [1, 2, 3, 4]}]}',
        "not COCO",
    ),
    "cut.xml": ("<annotation>", "not VOC"),
    "words.xml": ("<a><object><bndbox><xmin>b</xmin></bndbox></object></a>", "not VOC"),
    "boxes.txt": ("a 1 2 3 4", "are read from .csv"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_that_names_the_file(name: str, tmp_path: Path) -> None:
    text, said = FAULTS[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)
