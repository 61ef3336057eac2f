"""A report that may be sent alone: its files lie in the page, and one agent has a page, too."""

import base64
import re
from html import unescape
from pathlib import Path

import pytest

from hardattn.experiments.studies.comparison import compare
from tests.support.runs import write_run


def test_the_page_holds_its_tables_as_files(tmp_path: Path) -> None:
    for kind in ("ram", "random"):
        write_run(tmp_path, kind, 0)
    page = compare([tmp_path], tmp_path).read_text()
    links = re.findall(r'<a download="([^"]+)" href="data:text/plain;[^,]+,([^"]+)">', page)
    assert [name for name, _ in links] == ["report.csv", "report-seeds.csv", "report.tex"]
    for name, content in links:
        assert base64.b64decode(content).decode() == (tmp_path / name).read_text()


@pytest.mark.parametrize("kind", ["ram", "whole"])
def test_one_agent_has_a_page_of_its_own(kind: str, tmp_path: Path) -> None:
    """No word of others, and no empty place for them."""
    write_run(tmp_path, kind, 0)
    page = compare([tmp_path / kind], tmp_path).read_text()
    titles = re.findall(r'<h2 id="([\w-]+)-0">', page)
    assert {"looks", "table", "cost", "trust", "confusion", "failures"} <= {*titles}
    assert page.count('<article class="seat">') == 1
    (heading,) = re.findall(r"<h1>(.*?)</h1>", page)
    assert {"ram": "RAM", "whole": "MLP, whole <image>"}[kind] in unescape(heading)
