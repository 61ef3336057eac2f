"""The surveys' page says of every system what was measured, or that nothing was."""

import json
from pathlib import Path

from hardattn.experiments.commands.tables import tables_of
from hardattn.experiments.records.committed import RESULTS
from hardattn.experiments.studies.surveys import PAGE, lines, markdown
from hardattn.report.column import estimate_text
from tests.experiments.studies.soft.test_results import row, shifted, study
from tests.experiments.studies.tasks.test_results import write

NAMED = [*lines(PAGE.read_text())]


def test_every_line_with_a_recipe_is_read() -> None:
    systems = [system for system, _, _ in NAMED]
    assert len(systems) > 60 and len(set(systems)) == len(systems)
    assert all(rows and recipes for _, rows, recipes in NAMED)


def test_what_is_not_committed_is_named(tmp_path: Path) -> None:
    text = markdown(tmp_path)
    assert all(system in text for system, _, _ in NAMED)
    assert len(text.splitlines()) == 4  # the head of a table, and one sentence


def test_a_system_stands_beside_its_control(tmp_path: Path) -> None:
    write(tmp_path, "co-attention-query-digits", (0.30, 0.31, 0.32), replaced=0.05)
    write(tmp_path, "siamese-query-digits", (0.40, 0.41, 0.421))
    found = next(line for line in markdown(tmp_path).splitlines() if "co-attention" in line)
    assert "| 3 | 31.0 [28.5, 33.5] % error | −10.0 [−10.2, −9.9] | attends |" in found


def test_blocks_are_those_of_the_study_of_all(tmp_path: Path) -> None:
    one = row("", shifted(-0.01), "block")
    one["name"] = "block=se"
    path = tmp_path / "studies" / "soft.json"
    path.parent.mkdir()
    path.write_text(json.dumps(study(one)))
    found = [line for line in markdown(tmp_path).splitlines() if "| `se` |" in line]
    assert len(found) == 1 and found[0].startswith("| Squeeze-and-excitation")


def test_committed_results_are_on_it_with_the_controls_of_those_that_name_a_class() -> None:
    tables = tables_of(RESULTS)
    text = markdown(RESULTS, classes=tables)
    assert "`pasted-span`" in text
    row = next(row for one in tables for row in one.rows if row.group.name == "two-level-digits")
    assert row.difference is not None and row.verdict == "yes"
    line = next(line for line in text.splitlines() if "`two-level-digits`" in line and "%" in line)
    assert line.endswith(f"| {estimate_text(row.difference, 1, True)} | beats it |")
