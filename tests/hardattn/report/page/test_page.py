"""Whatever a user may call things, a page stays a page: every string in it is only text."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.cli import main
from hardattn.report.page.page import page
from hardattn.report.page.theme import embedded
from hardattn.report.runs import read
from tests.support.browser import tell
from tests.support.runs import write_cells, write_run, write_soft

# What ends or opens a script, a comment, a tag, an attribute, a template of plotly, a table's cell.
NASTY = "x<!--<script>'\"></title></style></script>&lt;%{y}|\\u2028\u2028[/b]\n]]>"
TAME = "x"
# What the report reads as one of several words, and not as a name.
WORDS = {"sensor", "sees", "script", "format", "first", "block", "head"}


class Structure(HTMLParser):
    """Tags with the names of their attributes, in order, and what is in scripts."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []
        self.scripts: list[str] = []
        self.within = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.within = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(("/" + tag,))
        self.within = ""

    def handle_data(self, data: str) -> None:
        if self.within == "script":
            self.scripts[-1] += data

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment",))


def renamed(value: Any, addition: str, key: str = "") -> Any:
    """Every string in nested values, with something added to it."""
    if isinstance(value, dict):
        return {name: renamed(one, addition, name) for name, one in value.items()}
    if isinstance(value, list):
        return [renamed(one, addition, key) for one in value]
    return value + addition if isinstance(value, str) and key not in WORDS else value


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("runs")
    for kind, error in (("ram", 0.1), ("random", 0.3), ("whole", 0.2)):
        write_run(top, kind, 0, error)
    write_soft(top, 0, 0.15, "cbam_spatial")
    write_cells(top, 0, 0.5)
    own = {"error": 0.2}
    kept = {"format": 1, "own": own, "swaps": {"random": own}, "left_out": {}}
    retrained = {"order": "centre", "error": 0.3}
    (top / "ram" / "seed-0" / "gain.json").write_text(json.dumps(kept | {"retrained": retrained}))
    return top


def called(made: Path, to: Path, addition: str) -> Path:
    """The same runs, in which everything is called something else."""
    shutil.copytree(made, to)
    for file in [*to.rglob("result.json"), *to.rglob("gain.json")]:
        file.write_text(json.dumps(renamed(json.loads(file.read_text()), addition)))
    return to


def test_names_change_nothing_but_text(made: Path, tmp_path: Path) -> None:
    pages = []
    for number, addition in enumerate((TAME, NASTY)):
        groups = read([called(made, tmp_path / str(number), addition)])
        html = page(groups, command="compare" + addition, left_out=["a" + addition])
        pages.append(Structure(html))
    tame, nasty = pages
    assert tame.tags.count(("h2", "id")) > 8
    assert nasty.tags == tame.tags
    assert len(nasty.scripts) == len(tame.scripts)
    kinds = [tag for tag in tame.tags if tag[0] == "script"]
    for script, kind in zip(nasty.scripts, kinds, strict=True):
        if "type" in kind:
            assert not set("<>&\u2028") & set(script)
            assert json.dumps(NASTY)[1:-1] in json.dumps(json.loads(script))


def test_what_is_embedded_is_what_is_read() -> None:
    data = {NASTY: [NASTY, 1.5, None, True, "é"]}
    text = embedded(data)
    assert json.loads(text) == data and not set("<>&\u2028") & set(text)
    with pytest.raises(ValueError, match="Out of range"):
        embedded([float("nan")])


READ = """
said.heads = document.querySelectorAll("h2[id]").length;
said.drawn = document.querySelectorAll(".plot .main-svg").length > 0;
said.option = document.querySelector(".seat option").textContent;
said.names = [].map.call(document.querySelectorAll(".belief .name"), function (one) {
  return one.textContent; });
"""


def test_a_browser_reads_the_names(made: Path, tmp_path: Path) -> None:
    groups = read([called(made, tmp_path / "runs", NASTY)])
    told = tell(page(groups, command=NASTY), READ, tmp_path, 1400)
    assert told["faults"] == [] and told["heads"] > 8 and told["drawn"]
    assert NASTY in told["option"] and any(NASTY in name for name in told["names"])


def test_all_files_are_written_of_any_names(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The terminal reads [brackets], tables their own signs."""
    runs = called(made, tmp_path / "runs", NASTY)
    assert main(["report", str(runs)]) == 0
    out, err = capsys.readouterr()
    assert err == "" and "report.html" in out
    text = (runs / "report.html").read_text()
    assert text.count("Made by") == 1 and "Made by <code>hardattn report" in text
