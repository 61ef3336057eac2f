"""`hardattn look`: from a run, or a folder that was handed on, to pictures of looking."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hardattn
from hardattn.evaluation import cost
from hardattn.experiments.cli import main

TINY = "--images 64 --batch-size 32 --validate-every 64 --test-draws 1 --device cpu".split()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs of an agent that looks and of one that sees everything."""
    top = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "SECONDS", 0.0)
        patch.setattr("hardattn.experiments.measure.PASSES", 1)
        patch.setattr("hardattn.experiments.run.tune", lambda threads: "default")
        for words in (["ram-digits", "--hidden", "16"], ["soft", "--block", "cbam"]):
            assert main(["train", *words, *TINY, "--out", str(top)]) == 0
    return top


def of(runs: Path, name: str) -> Path:
    (found,) = (
        path.parent for path in runs.rglob("result.json") if path.parts[-3].startswith(name)
    )
    return found


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of no size that anything was trained on, turned by its orientation."""
    path = tmp_path_factory.mktemp("photos") / "photo.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(noise).save(path, exif=exif)
    return path


def test_it_writes_what_the_ending_says(
    runs: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["look", str(of(runs, "ram")), str(photo), str(photo)]
    for name in ("look.png", "look.gif", "new/look.html"):
        assert main([*words, "--out", str(tmp_path / name)]) == 0
    assert "photo.jpg: ram-digits,test_draws=1" in capsys.readouterr().out
    with Image.open(tmp_path / "look.png") as one, Image.open(tmp_path / "look.gif") as film:
        assert one.format == "PNG" and film.n_frames == 6  # type: ignore[attr-defined]
    html = (tmp_path / "new" / "look.html").read_text()
    assert html.count("<figure>") == 2 and html.count("<img") == 12
    assert "60 x 90 pixels" in html, "as a viewer shows it"


def test_two_agents_are_drawn_below_each_other(runs: Path, photo: Path, tmp_path: Path) -> None:
    one, other, out = str(of(runs, "ram")), str(of(runs, "soft")), tmp_path / "look.png"
    assert main(["look", one, str(photo), "--out", str(out)]) == 0
    alone = read(out)
    assert main(["look", one, str(photo), "--out", str(out), "--against", other]) == 0
    both = read(out)
    assert len(both) > 1.8 * len(alone)
    assert np.array_equal(both[: len(alone) - 20, : alone.shape[1]], alone[:-20])
    assert (
        main(["look", other, str(photo), "--out", str(tmp_path / "b.gif"), "--against", one]) == 0
    )
    with Image.open(tmp_path / "b.gif") as made:
        assert made.n_frames == 6  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["ram", "soft"])
def test_an_agent_that_was_handed_on_looks_the_same(
    runs: Path, photo: Path, tmp_path: Path, name: str
) -> None:
    run = of(runs, name)
    assert main(["export", str(run), "--out", str(tmp_path / "there")]) == 0
    picture, columns = hardattn.look(str(run), photo)
    again, same = hardattn.look(tmp_path / "there", str(photo))
    assert np.array_equal(picture, again)
    assert all(bool(((a == b) | (a != a)).all()) for a, b in zip(columns, same, strict=True))
    out = tmp_path / "look.png"
    assert main(["look", str(run), str(photo), "--out", str(out)]) == 0
    assert np.array_equal(read(out), picture)


def test_the_folder_of_a_recipe_is_its_first_seed(runs: Path) -> None:
    run = of(runs, "ram")
    assert hardattn.load(run.parent).name == hardattn.load(run).name == run.parent.name


@pytest.mark.parametrize(
    "words, said",
    [
        (["{run}"], "at least one PICTURE"),
        (["{run}", "nothing.png"], "nothing.png: no such file"),
        (["{run}", "{text}"], "not readable as an image"),
        (["{run}", "{photo}", "--out", "look.pdf"], "its ending is none of .png, .gif, .html"),
        (["{run}", "{photo}", "--fit", "stretch"], "stretch"),
        (["nowhere", "{photo}"], "nowhere: no such folder"),
        (["{empty}", "{photo}"], "no finished run in it"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    runs: Path,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty").mkdir()
    there = {
        "run": of(runs, "ram"),
        "photo": photo,
        "text": tmp_path / "text.png",
        "empty": tmp_path / "empty",
    }
    assert main(["look", *(word.format(**there) for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not list(tmp_path.glob("look*"))
