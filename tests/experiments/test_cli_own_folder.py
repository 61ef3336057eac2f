"""Somebody's own pictures: trained on, compared and looked at, in six commands."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hardattn.evaluation import cost
from hardattn.experiments.cli import main
from hardattn.report.runs import read

KINDS = ("disc", "square", "stripes")
EACH = 150
MODES = ("RGB", "L", "RGBA", "P", "1", "CMYK")
TINY = "--images 64 --batch-size 32 --validate-every 64 --device cpu".split()


def photograph(kind: str, number: int) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """Something of that kind on noise, in one of many sizes, and where it is."""
    rng = np.random.default_rng(number)
    high, wide = (int(side) for side in rng.integers(24, 72, 2))
    side = int(rng.integers(10, 20))
    top, left = int(rng.integers(0, high - side)), int(rng.integers(0, wide - side))
    array = rng.integers(0, 90, (high, wide, 3), np.uint8)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    shape = {"disc": x**2 + y**2 < side**2 / 4, "square": x == x, "stripes": y.round() % 4 < 2}
    array[top : top + side, left : left + side][shape[kind]] = rng.integers(180, 256, 3)
    return Image.fromarray(array), (left, top, left + side, top + side)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """450 pictures of mixed sizes, modes, forms and orientations, with a file of boxes."""
    top, rows = tmp_path_factory.mktemp("own") / "photos", ["file,x0,y0,x1,y1"]
    for kind in KINDS:
        (top / kind).mkdir(parents=True)
        for number in range(EACH):
            image, box = photograph(kind, 1000 * KINDS.index(kind) + number)
            mode = MODES[number % len(MODES)]
            suffix = "png" if mode in ("RGBA", "P") or number % 3 else "jpg"
            suffix = "tif" if mode == "CMYK" else suffix
            options = {}
            if suffix == "jpg" and number % 2:  # as a telephone that was held upright has it
                image = image.transpose(Image.Transpose.ROTATE_90)
                options["exif"] = Image.Exif()
                options["exif"][274] = 6
            image.convert(mode).save(top / kind / f"{number}.{suffix}", **options)
            rows.append(f"{kind}/{number}.{suffix},{','.join(map(str, box))}")
    (top / "boxes.csv").write_text("\n".join(rows))
    return top


def test_six_commands_from_a_folder_to_pictures_of_looking(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cost, "SECONDS", 0.0)
    monkeypatch.setattr("hardattn.experiments.measure.PASSES", 1)
    monkeypatch.setattr("hardattn.experiments.run.tune", lambda threads: "default")
    own = ["--dataset", f"folder:{photos}", *TINY]
    for recipe in ("ram-folder", "random-folder", "soft-folder", "cnn-folder"):
        assert main(["train", recipe, *own]) == 0
    assert main(["report", "runs"]) == 0
    photo = str(next((photos / "disc").glob("*.jpg")))
    assert main(["look", "ram-folder", photo, "--against", "soft-folder"]) == 0

    page = Path("runs/report.html").read_text()
    assert "random looks" in page and "CNN, whole image" in page
    with Image.open("look.png") as picture:
        assert picture.height > 1000
    results = [json.loads(path.read_text()) for path in Path("runs").rglob("result.json")]
    assert len(results) == 4 and {one["boxed"] for one in results} == {True}
    assert len({json.dumps(one["world"]["image"]) for one in results}) == 1
    for one in results:
        found = one["figures"]["greedy"]
        assert found["n"] == one["figures"]["sampled"]["n"] > 60
        assert one["world"]["looks"] == 1 or 0 <= found["hit"] <= 1
    (soft,) = (one for one in results if one["name"].startswith("soft-folder"))
    assert soft["figures"]["greedy"]["pointing"] is not None
    assert all(group.first.boxed for group in read(["runs"]))


def test_an_oracle_is_told_what_the_file_says(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "SECONDS", 0.0)
    monkeypatch.setattr("hardattn.experiments.measure.PASSES", 1)
    monkeypatch.setattr("hardattn.experiments.run.tune", lambda threads: "default")
    words = ["--dataset", f"folder:{photos}@32", *TINY, "--out", str(tmp_path)]
    assert main(["train", "oracle-folder", *words, "--class-weights", "balanced"]) == 0
    (path,) = tmp_path.rglob("result.json")
    assert json.loads(path.read_text())["figures"]["greedy"]["hit"] == 1


def test_what_is_missing_is_said(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "runs"), "--device", "cpu"]
    assert main(["train", "ram-folder", *out]) == 2
    assert "which folder? write folder:PATH" in capsys.readouterr().err
    assert main(["train", "ram-folder", "--augment", "twist", *out]) == 2
    assert "choose from flip, shift, scale, rotate, colour" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
