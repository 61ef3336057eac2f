"""Over all that is committed and printed: nothing leaves what is possible."""

import math
import re
from pathlib import Path

import pytest

from hardattn.experiments import cli
from hardattn.experiments.commands import tables as pages_of
from hardattn.experiments.commands.tables import PAGES, RESULTS
from hardattn.experiments.records import committed
from hardattn.experiments.studies import claims
from hardattn.experiments.studies.robustness import tables as characterised
from hardattn.report.columns import RESULTS as OF_RESULTS
from hardattn.report.costs import architecture
from hardattn.report.details import DETAILS
from hardattn.report.render.csv import by_agent
from hardattn.report.results import entropy
from hardattn.report.rows import Row, figure, tables
from hardattn.report.runs import read
from hardattn.statistics.intervals import Estimate
from tests.support.runs import write_run

NUMBER = r"([+−]?[\d,]+(?:\.\d+)?)"
INTERVAL = re.compile(rf"{NUMBER} \[{NUMBER}, {NUMBER}\]")
BETWEEN = {
    **dict.fromkeys(("error", "middle", "chance"), (0, 100)),
    **dict.fromkeys(("difference", "gain"), (-100, 100)),
    **dict.fromkeys(("seconds", "speed", "latency_ms", "throughput"), (0, math.inf)),
}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [row for table in tables(read([RESULTS])) for row in table.rows]


def test_no_interval_of_a_row_leaves_what_is_possible(rows: list[Row]) -> None:
    for column in (*OF_RESULTS, *DETAILS):
        for row in rows:
            one = column.found(row)
            if isinstance(one, Estimate) and one.low is not None and one.high is not None:
                least, most = BETWEEN[column.key]
                assert least <= one.low <= one.point <= one.high <= most, (row.group.name, column)


@pytest.mark.parametrize("name", PAGES)
def test_no_interval_of_a_page_leaves_what_is_possible(name: str) -> None:
    """Of gains and claims too, and whatever else is written with brackets."""
    text = PAGES[name](RESULTS)
    for numbers in INTERVAL.findall(text):
        point, low, high = (float(one.replace("−", "-").replace(",", "")) for one in numbers)
        assert low <= point <= high
        if name in ("docs/results/policy-gain.md", "docs/results/robustness.md") or any(
            "+" in one for one in numbers
        ):
            assert -100 <= low <= high <= 100, numbers


def test_claims_know_how_far_their_differences_can_go() -> None:
    for one in claims.CLAIMS:
        low, high = one.limits
        assert low < one.bound < high or one.bound == 0
    accuracy = next(one for one in claims.CLAIMS if one.other == 10.0)
    assert accuracy.limits == (-10, 90)
    ranking = next(one for one in claims.CLAIMS if one.other == 0.5)
    assert ranking.limits == (-0.5, 0.5)


def test_correlations_are_not_cut_off_at_nought() -> None:
    found = [{"correlation": value} for value in (-0.9, 0.9, 1.0)]
    one = characterised._over(found, "correlation")
    assert one is not None and (one.low, one.high) == (-1, 1)


def test_entropies_are_entropies(rows: list[Row]) -> None:
    """Over cells between none and that of all alike; of points of a density that is one."""
    some = 0
    found = {row.group.name: figure(row.group, "greedy", "entropy") for row in rows}
    for row in rows:
        world, told = row.group.first.world, found[row.group.name]
        if told is None:
            continue
        some += 1
        if world["sensor"] in ("cells", "patches", "pairs"):
            cells = world["rows"] * world["columns"]
            most = cells * math.log(2) if world["sensor"] != "cells" else math.log(cells)
            assert 0 <= told <= 2 * most + 1e-6, row.group.name
        elif world["sensor"] == "several":  # of one patch, so many times, or of a mask
            cells = world["rows"] * world["columns"]
            most = max(world["count"] * math.log(cells), cells * math.log(2))
            assert 0 <= told <= most + 1e-6, row.group.name
        else:
            assert -34 < told < 12 and told != 0, row.group.name  # a priced spread may grow
    assert some > 30
    assert found["variational-dirichlet-digits"] is None and found["centre-digits"] is None
    assert "-38976" not in by_agent(tables(read([RESULTS])))


@pytest.mark.parametrize(
    ("found", "sensor", "wanted"),
    [
        (-38976.4, "cells", None),
        (-0.5, "cells", None),
        (-1e-9, "cells", 0.0),
        (0.0, "cells", 0.0),
        (1.2, "pairs", 1.2),
        (-0.38, "retina", -0.38),
        (0.0, "retina", None),  # a look that is certain has no density
        (-900.0, "affine", None),
        (None, "retina", None),
        (math.nan, "cells", None),
    ],
)
def test_what_is_no_entropy_is_not_shown(
    found: float | None, sensor: str, wanted: float | None
) -> None:
    assert entropy(found, sensor) == wanted


def test_committed_times_are_shown_by_the_processor_alone(rows: list[Row]) -> None:
    """Some latencies were by the wall, of every seed; so were most trainings."""
    runs = [run for row in rows for run in row.group.runs]
    timed = {
        architecture(run) for run in runs if (run.result.cost.get("latency") or {}).get("clock")
    }
    for row in rows:
        known = any(architecture(run) in timed for run in row.group.runs)
        assert (row.latency_ms is not None) == (row.throughput is not None) == known
        measured = [run.result.training.get("cpu_seconds") for run in row.group.runs]
        assert (row.seconds is None) == (None in measured)


def test_there_are_pages_to_look_at() -> None:
    root = Path(__file__).parents[3]
    assert sum(len(INTERVAL.findall((root / name).read_text())) for name in PAGES) > 100


MARKS = f"# x\n\n{pages_of.BEGIN}\n{pages_of.END}\nend\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("runs")
    for seed, (own, other) in enumerate([(0.10, 0.30), (0.14, 0.36), (0.12, 0.33)]):
        write_run(top, "ram", seed, own)
        write_run(top, "random", seed, other)
    return top


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    for name in pages_of.PAGES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(MARKS)
    return tmp_path


def test_pages_are_current() -> None:
    assert cli.main(["results", "tables", *(["--check"])]) == 0


def test_pages_are_written_once_and_checked(
    runs: Path, pages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(pages_of.PROBLEMS, "digits", "noise")
    results = pages / "results"
    options = ["--pages", str(pages), "--results", str(results)]
    assert cli.main(["results", "tables", *([*options, "--check"])]) == 1
    assert "README.md: stale" in capsys.readouterr().err
    assert cli.main(["results", "tables", *(options)]) == 0
    assert "No results are committed yet" in (pages / "docs/results/digits.md").read_text()
    assert cli.main(["results", "tables", *([*options, "--check"])]) == 0
    committed.collect([runs / "ram", runs / "random"], results)
    assert cli.main(["results", "tables", *([*options, "--check"])]) == 1
    assert (
        cli.main(["results", "tables", *(options)]) == 0
        and cli.main(["results", "tables", *([*options, "--check"])]) == 0
    )
    text = (pages / "docs/results/digits.md").read_text()
    assert text.startswith("# x\n\n") and text.endswith(f"{pages_of.END}\nend\n")
    assert "12.0 [7.0, 17.0]" in text


def test_results_without_a_page_are_refused(
    runs: Path, pages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    committed.collect([runs / "ram"], pages / "results")
    assert (
        cli.main(
            ["results", "tables", *(["--pages", str(pages), "--results", str(pages / "results")])]
        )
        == 2
    )
    assert "no page shows results on 'noise" in capsys.readouterr().err


def test_a_page_without_marks_is_named(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pages / "docs/results/catch.md").write_text("# x\n")
    assert (
        cli.main(
            ["results", "tables", *(["--pages", str(pages), "--results", str(pages / "none")])]
        )
        == 2
    )
    assert "docs/results/catch.md: no" in capsys.readouterr().err


def test_the_best_control_is_fair() -> None:
    """Of RAM it is the raster, which beats random looks, and never the oracle."""
    (table,) = (
        one
        for one in pages_of.tables_of(pages_of.RESULTS)
        if "translated, canvas 48" in one.scenes and "8 scenes" in one.scenes
    )
    rows = {row.group.name: row for row in table.rows}
    wanted = {
        "ram-digits": "raster-digits",
        "dram-digits": "random-dram-digits",
        # Whose observer no raster has.
        "ram-learned-baseline-digits": "random-ram-learned-baseline-digits",
        "oracle-digits": "",
        "cnn-digits": "",
    }
    for name, control in wanted.items():
        assert rows[name].control == control, name


def test_every_kind_has_its_row() -> None:
    lines = pages_of.best(pages_of.RESULTS).splitlines()[2:]
    assert [re.split(r": `| \|", line[2:])[0] for line in lines] == [t for t, _ in pages_of.KINDS]
