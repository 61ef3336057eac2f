"""The page of benchmarks: tables and drawings of whatever machines are committed."""

import json
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.benchmarks import page
from hardattn.experiments.benchmarks.side_by_side import Times, price, row
from hardattn.experiments.commands import tables
from hardattn.experiments.records.committed import STUDIES, absolute

MADE = {"commit": "abc", "torch": "2.13", "threads": 1}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A machine on which all that is drawn was measured."""
    limit = Times(0.001, 0.002)
    plain = row("plain RAM with its loader, batch 128", "images/s", Times(0.01, 0.01))
    cases: dict[str, list[Any]] = {
        "training": [
            row(
                f"train ram, batch {n}",
                "images/s",
                Times(0.1 / n, 0.1),
                limit,
                agent="ram",
                batch=n,
            )
            for n in (32, 512)
        ]
        + [plain],
        "canvas": [
            row(f"train {name}, canvas {n}", "images/s", Times(n / 1e5, 1.0), agent=name, canvas=n)
            for name in ("ram", "cnn")
            for n in (28, 4096)
        ],
        "memory": [
            price(f"ram, canvas {n}, this version", "MB", Times(n, n), Times(9, 9), canvas=n)
            for n in (28, 512)
        ],
        "start": [price("import torch", "CPU s", Times(1.0, 1.0), Times(1.0, 1.0), beyond=0.0)],
        "gpu": [
            row("train ram", "images/s", Times(1e-6, 1e-6), limit, batch=512, mode="eager"),
            price("ram-mnist to 1.3 % wrong", "s", Times(30.0, 30.0)),
        ],
    }
    one = {
        rows: {"rows": found, "limits": {"gflops": 80.0, "gigabytes": 9.5}, "made_with": MADE}
        for rows, found in cases.items()
    }
    folder = tmp_path / "studies" / "bench"
    folder.mkdir(parents=True)
    (folder / "a-machine.json").write_text(json.dumps({"machine": "A, 2 cores", "benchmarks": one}))
    return tmp_path


def test_every_benchmark_has_its_table(results: Path) -> None:
    text = page.markdown(results)
    assert text.startswith("## A, 2 cores\n")
    for name in ("training", "canvas", "memory", "start", "gpu"):
        assert f"### {page.TITLES[name]}" in text and f"`hardattn bench {name}`" in text
    assert "### Glimpses" not in text  # not measured there
    assert "| train ram, batch 32 | 320 images/s | 10 | 1,000 | 32 % |" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_what_is_drawn_stands_on_the_page(results: Path) -> None:
    drawn = page.drawings(results)
    shown = set(re.findall(r"\((\.\./images/[^)]+)\)", page.markdown(results)))
    assert {f"../images/{Path(name).name}" for name in drawn} == shown and len(shown) == 4
    for name, text in drawn.items():
        tree = ElementTree.fromstring(text)
        assert len(text) < 10_000, name
        _, _, wide, high = map(float, tree.attrib["viewBox"].split())
        for mark in tree.iter("{http://www.w3.org/2000/svg}circle"):
            assert 0 < float(mark.attrib["cx"]) < wide and 0 < float(mark.attrib["cy"]) < high


def test_names_of_lines_do_not_lie_on_each_other() -> None:
    lines = {name: [(1.0, 1.0), (9.0, 10.0)] for name in "abc"}
    text = page.svg(page.Chart("x", "y", "z", lines))
    ends = [float(at) for at in re.findall(r'<text x="[\d.]+" y="([\d.]+)" fill="#', text)]
    assert len(ends) == 3 and all(after - before >= 14 for before, after in pairwise(ends))


@pytest.mark.parametrize(
    "values, wanted",
    [
        ([3.0, 40.0], [2, 5, 10, 20]),
        ([0.7, 900.0], [0.1, 1, 10, 100]),
        ([90.0, 2e6], [10, 100, 1000, 1e4, 1e5, 1e6]),
        ([7.0, 7.0], [5]),
    ],
)
def test_ticks_are_round(values: list[float], wanted: list[float]) -> None:
    assert page._ticks(values) == pytest.approx(wanted)


def test_tables_write_the_page_and_its_figures(results: Path, tmp_path: Path) -> None:
    for name in tables.PAGES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# x\n\n{tables.BEGIN}\n{tables.END}\n")
    (tmp_path / "docs" / "images").mkdir()
    fresh = tables.fresh(tmp_path, results)
    drawn = {str(path.relative_to(tmp_path)): new for path, (_, new) in fresh.items()}
    assert page.drawings(results).items() <= drawn.items()
    given = tables.Options(pages=tmp_path, results=results)
    assert tables.run(given) == 0
    assert tables.run(tables.Options(check=True, pages=tmp_path, results=results)) == 0
    next((tmp_path / "docs" / "images").glob("*.svg")).write_text("old")
    assert tables.run(tables.Options(check=True, pages=tmp_path, results=results)) == 1


def test_what_is_committed_names_its_machine_and_no_path_of_it() -> None:
    for file in sorted((STUDIES / "bench").glob("*.json")):
        kept = json.loads(file.read_text())
        assert kept["machine"] and kept["benchmarks"].keys() <= page.TITLES.keys()
        assert not [*absolute(kept)]
