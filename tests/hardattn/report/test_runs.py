"""Which runs are one row of the report, and what it says of those that differ."""

import json
from pathlib import Path
from typing import Any

import pytest

from hardattn import storage
from hardattn.experiments.cli import main
from hardattn.report.page.page import page
from hardattn.report.render.markdown import markdown
from hardattn.report.rows import tables
from hardattn.report.runs import read, unfinished
from tests.support.runs import change, write_run


def groups_of(
    folder: Path, words: str, *data: str | None
) -> list[tuple[str, str, tuple[int, ...]]]:
    """Groups of seeds of one recipe on scenes of one name, with these hashes of data."""
    for seed, one in enumerate(data):
        file = write_run(folder, "ram", seed) / "result.json"
        change(file, scenes=words, **({} if one is None else {"data": one}))
    return [(group.scenes, group.name, group.seeds) for group in read([folder])]


@pytest.mark.parametrize("words", ["folder:my pictures plain, test seed 1", "digits plain"])
def test_seeds_on_different_data_are_not_one_row(tmp_path: Path, words: str) -> None:
    found = groups_of(tmp_path, words, "abc", "def", "abc")
    assert found == [
        (f"{words}, data abc", "ram", (0, 2)),
        (f"{words}, data def", "ram", (1,)),
    ]
    done = tables(read([tmp_path]))
    assert [table.scenes for table in done] == [f"{words}, data {one}" for one in ("abc", "def")]
    assert "measured on the same" not in page(read([tmp_path]), None, "", [], "")


def test_results_of_before_there_were_hashes_stay_together(tmp_path: Path) -> None:
    folder, digits = "folder:pictures plain", "digits plain"
    assert groups_of(tmp_path / "a", folder, None, None) == [(folder, "ram", (0, 1))]
    assert groups_of(tmp_path / "b", digits, None, None) == [(digits, "ram", (0, 1))]
    # What a folder held then is not known; digits are the same everywhere.
    assert groups_of(tmp_path / "c", digits, None, "abc") == [(digits, "ram", (0, 1))]
    assert groups_of(tmp_path / "d", folder, None, "abc", None) == [
        (f"{folder}, data abc", "ram", (1,)),
        (f"{folder}, data unknown", "ram", (0, 2)),
    ]


def test_the_report_says_where_seeds_are_of_different_code(tmp_path: Path) -> None:
    folders = [write_run(tmp_path, "ram", seed) for seed in (0, 1)]
    write_run(tmp_path, "random", 0)

    def noted(one: dict[str, Any], other: dict[str, Any]) -> str:
        for folder, given in zip(folders, (one, other), strict=True):
            change(folder / "result.json", sources={"changed": [], **given})
        return markdown(tables(read([tmp_path])))

    words = "more than one version of the code"
    alike = {"files": {"a.b": "1", "a.c": "2"}}
    assert words not in markdown(tables(read([tmp_path]))) and words not in noted(alike, alike)
    assert "RAM (a.c)" in noted(alike, {"files": {"a.b": "1", "a.c": "3"}})
    assert "RAM (a.c)" in noted(alike, {"files": {"a.b": "1"}})
    text = noted(alike, alike | {"changed": ["a.d"]})
    assert words in text and "RAM (a.d)" in text
    assert "under changed code" in page(read([tmp_path]), None, "", [], "")


def spoil_json(runs: Path) -> str:
    file = runs / "ram" / "seed-1" / "result.json"
    file.write_text(file.read_text()[:100])
    return "seed-1/result.json: not JSON, or cut short"


def spoil_foreign(runs: Path) -> str:
    (runs / "ram" / "seed-1" / "result.json").write_text('{"a": 1}')
    return "seed-1/result.json: not the result of a run"


def spoil_format(runs: Path) -> str:
    change(runs / "ram" / "seed-1" / "result.json", format=7)
    return "seed-1/result.json: format 7"


def spoil_field(runs: Path) -> str:
    change(runs / "ram" / "seed-1" / "result.json", seed="one")
    return "seed-1/result.json: seed is 'one'"


def spoil_figures(runs: Path) -> str:
    change(runs / "ram" / "seed-1" / "result.json", figures={"greedy": {"n": 3}})
    return "seed-1/result.json: figures.greedy.error is missing"


def spoil_seed(runs: Path) -> str:
    change(runs / "ram" / "seed-1" / "result.json", seed=2)
    return "seed 2 of ram is also in"


def spoil_recipe(runs: Path) -> str:
    change(runs / "ram" / "seed-1" / "result.json", recipe={"agent": "Ram", "lr": 3})
    return "recipe.estimator differs from"


def spoil_columns(runs: Path) -> str:
    (runs / "whole" / "seed-0" / "columns.pt").write_bytes(b"no")
    return "columns.pt: damaged"


def spoil_columns_away(runs: Path) -> str:
    (runs / "whole" / "seed-0" / "columns.pt").unlink()
    return "columns.pt: missing beside result.json"


def spoil_columns_foreign(runs: Path) -> str:
    storage.write(runs / "whole" / "seed-0" / "columns.pt", {"greedy": {"a": 1}})
    return "columns.pt: not the columns"


def spoil_count(runs: Path) -> str:
    file = runs / "whole" / "seed-0" / "result.json"
    result = json.loads(file.read_text())
    result["figures"]["greedy"]["n"] = 41
    file.write_text(json.dumps(result))
    return "n is not the number of rows"


def spoil_examples(runs: Path) -> str:
    path = runs / "whole" / "seed-0" / "examples.pt"
    stored = storage.read(path)
    storage.write(path, {**stored, "image": stored["image"].flip(0)})
    return "their examples differ"


SPOILERS = [value for name, value in sorted(globals().items()) if name.startswith("spoil_")]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_broken_run_is_one_line_that_names_it(
    spoil: Any, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = spoil(runs)
    assert main(["report", str(runs)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and str(runs) in line
    assert not (runs / "report.html").exists() and not (runs / "report.md").exists()


def test_wrong_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd.json").write_text("{}")
    half = tmp_path / "half" / "seed-0"
    half.mkdir(parents=True)
    (half / "recipe.json").write_text("{}")
    for name, words in [
        ("absent", "no such file or folder"),
        ("empty", "no finished run in it"),
        ("odd.json", "not a results file"),
        ("half/seed-0", "not finished"),
    ]:
        assert main(["report", str(tmp_path / name)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line and str(tmp_path / name) in line
    assert unfinished([tmp_path]) == [half]
