"""LaTeX and CSV of the report: every row, every figure, and nothing that breaks a reader."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from hardattn import storage
from hardattn.experiments.studies import comparison as compare
from hardattn.report.render.csv import by_agent, by_seed
from hardattn.report.render.latex import latex, tex
from hardattn.report.rows import tables
from hardattn.report.runs import read
from tests.support.runs import change, write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("runs")
    for seed, (ram, random) in enumerate([(0.10, 0.30), (0.12, 0.36), (0.14, 0.33)]):
        write_run(top, "ram", seed, ram)
        write_run(top, "random", seed, random)
    write_run(top, "whole", 0)
    return top


def rows(text: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for line in csv.DictReader(io.StringIO(text), strict=True):
        found.setdefault(line["name"], []).append(line)
    return found


def test_a_row_an_agent(made: Path) -> None:
    found = rows(by_agent(tables(read([made]))))
    assert {name: len(lines) for name, lines in found.items()} == {
        "ram": 1,
        "random": 1,
        "whole": 1,
    }
    (ram,), (whole,) = found["ram"], found["whole"]
    assert (ram["n_seeds"], ram["seeds"], ram["control"], ram["verdict"]) == (
        *("3", "0 1 2"),
        *("random", "yes"),
    )
    # Errors 10, 12, 14; differences -20, -24, -19; every run of it beats every run of the other.
    assert float(ram["error"]) == pytest.approx(12)
    assert float(ram["error_high"]) == pytest.approx(12 + 4.3027 * 2 / 3**0.5, abs=1e-3)
    assert (ram["error_interval"], ram["error_unit"]) == ("student-t", "seed")
    assert float(ram["difference"]) == pytest.approx(-21) and float(ram["chance"]) == 100
    assert 0 < float(ram["chance_low"]) < 100
    assert float(ram["middle"]) == pytest.approx(12)
    results = [run.result for run in read([made / "ram"])[0].runs]
    nll = sum(one.metrics["sampled"]["nll"] for one in results) / 3
    assert float(ram["sampled.nll"]) == pytest.approx(nll)
    assert "greedy.error_after.3" in ram and "training.seconds" in ram and ram["parameters"]
    # One seed: an interval over images and none for what needs several.
    assert whole["error_unit"] == "image" and whole["chance"] == whole["gain"] == ""
    assert whole["title"] == "MLP, whole <image>" and whole["greedy.error_after.3"] == ""
    assert whole["command"] == "hardattn train whole --seed 0"


def test_a_row_a_seed(made: Path) -> None:
    found = rows(by_seed(tables(read([made]))))
    assert [line["seed"] for line in found["ram"]] == ["0", "1", "2"]
    for line, run in zip(found["ram"], read([made / "ram"])[0].runs, strict=True):
        greedy = run.result.greedy
        assert float(line["greedy.error"]) == greedy["error"]
        assert float(line["greedy.error_after.2"]) == greedy["error_after"][1]
        assert line["command"].endswith(f"--seed {run.seed}") and line["commit"] == "abc1234"


def test_what_is_no_number_is_empty(made: Path, tmp_path: Path) -> None:
    folder = write_run(tmp_path, "whole", 0)
    result = json.loads((folder / "result.json").read_text())
    result["figures"]["greedy"]["nll"] = None
    result["training"]["seconds"] = float("nan")
    change(folder / "result.json", **result)
    ((line,),) = rows(by_seed(tables(read([tmp_path])))).values()
    assert line["training.seconds"] == "" and "greedy.nll" not in line
    ((line,),) = rows(by_agent(tables(read([tmp_path])))).values()
    assert line["training.seconds"] == "" and "nan" not in line.values()


def test_latex_is_whole_and_escaped(made: Path) -> None:
    text = latex(tables(read([made])), "hardattn report a_b")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    for mark in ("toprule", "bottomrule"):
        assert text.count(f"\\{mark}") == 2
    for block in re.findall(r"\\begin{tabular}{(\w+)}(.*?)\\end{tabular}", text, re.DOTALL):
        kinds, lines = block[0], [one for one in block[1].split("\n") if one.endswith(r"\\")]
        cells = [one for one in lines if not one.startswith(r"\multicolumn")]
        assert len(cells) == 4
        assert {len(re.split(r"(?<!\\)&", one)) for one in cells} == {len(kinds)}
        assert [one for one in lines if one.startswith(rf"\multicolumn{{{len(kinds)}}}")]
    assert r"MLP, whole \textless{}image\textgreater{}" in text
    assert r"learned\_baseline" in text and "12.0 [7.0, 17.0]" in text
    assert r"$-$21.0 [$-$27.6, $-$14.4]" in text and "% Made by" in text
    # Nothing that LaTeX reads as an order is left of what was in a title.
    assert "−" not in text and not re.search(
        r"(?<!\\)_", text.split("\n\n", 2)[2].replace("a_b", "")
    )
    braces = re.sub(r"\\[{}]", "", text)
    assert braces.count("{") == braces.count("}")


def test_every_letter_of_meaning_is_escaped() -> None:
    given = r"a\b {c} 50% $1 #2 x_y ~ ^ <z> |"
    assert tex(given) == (
        r"a\textbackslash{}b \{c\} 50\% \$1 \#2 x\_y \textasciitilde{} \textasciicircum{} "
        r"\textless{}z\textgreater{} \textbar{}"
    )
    assert tex("−1 – 2×3") == r"$-$1 -- 2$\times$3"


def test_a_metric_that_came_later_needs_no_new_run(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hardattn.evaluation import metrics

    folder = write_run(tmp_path, "ram", 0)
    (run,) = read([folder])[0].runs
    stored = run.result.greedy
    columns = storage.read(folder / "columns.pt")["greedy"]
    monkeypatch.setitem(metrics.METRICS, "mean_target", lambda c: c.target.double().mean().item())
    monkeypatch.setitem(metrics.METRICS, "broken", lambda c: c.box[:, 5].sum().item())
    wanted = columns["target"].double().mean().item()
    assert run.figure("greedy", "mean_target") == wanted
    # What was measured stands; what columns cannot say, no pass has, or is no metric, is None.
    assert run.figure("greedy", "error") == stored["error"]
    assert run.figure("greedy", "broken") is None and run.figure("greedy", "unheard_of") is None
    assert run.figure("averaged", "mean_target") is None
    ((line,),) = rows(by_seed(tables(read([tmp_path])))).values()
    assert float(line["greedy.mean_target"]) == wanted


def test_compare_writes_them(made: Path, tmp_path: Path) -> None:
    compare.compare([made], tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"report.html", "report.md", "report.tex", "report.csv", "report-seeds.csv"}
    assert len(rows((tmp_path / "report-seeds.csv").read_text())["ram"]) == 3
