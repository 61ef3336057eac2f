"""Who takes what for what: counted by hand, and shown as it is."""

import re
from pathlib import Path

import pytest
import torch

from hardattn.report.page.context import Context
from hardattn.report.page.sections.confusion import MOST, PAIRS, _cells, _pairs, confusion, section
from hardattn.report.rows import tables
from hardattn.report.runs import read
from tests.support.handmade import columns
from tests.support.runs import write_run


def test_every_answer_is_counted_once() -> None:
    made = columns()
    found = confusion(made)
    classes = made.log_probability.shape[2]
    assert found.shape == (classes, classes + 1) and found.sum() == len(made.target)
    for truth in range(classes):
        for answer in range(classes):
            both = (made.target == truth) & (made.answer == answer)
            assert found[truth, answer] == both.sum()
    right = int(found.diagonal().sum())
    assert right == int(made.correct[:, -1].sum())


def test_no_number_has_a_column_of_its_own() -> None:
    made = columns()
    lost = made.log_probability.clone()
    lost[0, -1] = torch.nan
    found = confusion(made._replace(log_probability=lost))
    assert found[:, -1].sum() == 1 and found[made.target[0], -1] == 1
    names = [str(k) for k in range(len(found))]
    assert "no number" in _cells(found, names)
    assert "no number" not in _cells(confusion(made), names)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        write_run(top, "ram", seed)
    write_run(top, "whole", 0)
    return top


def test_the_section_shows_what_was_counted(made: Path) -> None:
    (table,) = tables(read([made]))
    html = section(Context(table, 0, {}))
    assert html.count('<details class="confusion"') == 2
    (ram,) = (row for row in table.rows if row.title == "RAM")
    counts = sum(confusion(run.columns["greedy"]) for run in ram.group.runs if run.columns)
    body = html.split('data-title="RAM"')[1].split("</details>")[0]
    assert [int(one) for one in re.findall(r'title="([\d,]+)"', body)] == [
        int(one) for line in counts[:, :-1] for one in line
    ]
    wrong = counts.sum() - counts.diagonal().sum()
    assert f"{wrong} of {counts.sum()} answers wrong" in body
    assert "&lt;image&gt;" in html and "<image>" not in html


def test_of_many_classes_the_pairs_are_shown() -> None:
    count = MOST + 1
    found = torch.zeros(count, count + 1, dtype=torch.int64)
    found[range(count), range(count)] = 10
    found[3, 5], found[7, 1] = 6, 2
    rows = re.findall(
        r"<tr><td>(\w+)</td><td>(\w+)</td><td>(\d+)</td>", _pairs(found, [*map(str, range(count))])
    )
    assert rows == [("3", "5", "6"), ("7", "1", "2")] and len(rows) <= PAIRS
