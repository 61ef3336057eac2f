"""A browser is content with the page, and sorts its table."""

import json
import shutil
from pathlib import Path

import pytest

from hardattn.report.page.page import page
from hardattn.report.runs import read
from hardattn.sensors import SENSORS
from tests.support.browser import tell
from tests.support.runs import change
from tests.support.sensors import example

ACT = """
var rows = function () {
  return [].map.call(document.querySelectorAll("table.sortable tbody:first-of-type tr.row"),
                     function (r) { return r.querySelector(".name").textContent; }); };
var head = document.querySelector("th.error button");
said.plots = document.querySelectorAll(".plot .main-svg").length > 0
  && document.querySelectorAll(".plot .scatterlayer .trace").length;
said.first = rows(); head.click(); said.second = rows(); head.click(); said.third = rows();
said.classes = document.querySelectorAll("table.sortable tbody").length;
document.querySelector(".chip").click();
said.hidden = [].map.call(document.querySelectorAll(".plot"), function (p) {
  return p.data.filter(function (t) { return t.visible === false; }).length; });
"""


@pytest.mark.parametrize("width", [1400, 420])
def test_a_browser_shows_it_and_sorts_it(made: Path, tmp_path: Path, width: int) -> None:
    html = page(read([made]), command="hardattn report runs")
    told = tell(html, ACT, tmp_path, width)
    assert told["faults"] == [] and not told["wide"]
    assert told["plots"] >= 9
    # Ordered by error to begin with, so the first click turns it round.
    assert told["first"] == told["third"] == ["RAM", "random looks"]
    assert told["second"] == ["random looks", "RAM"]
    assert told["classes"] == 2 and all(told["hidden"])


WIDE = """
var boxes = [].slice.call(document.querySelectorAll(".scroll"));
said.agree = boxes.every(function (box) {
  var over = box.scrollWidth > box.clientWidth + 1, hint = box.previousElementSibling;
  return hint.className === "more-there" && hint.hidden === !over
    && box.classList.contains("more") === over && (box.tabIndex === 0) === over; });
var box = document.querySelector("table.sortable").parentElement;
said.narrow = boxes.some(function (one) {
  return one.clientWidth && one.scrollWidth <= one.clientWidth; });
said.over = box.scrollWidth > box.clientWidth;
said.hint = box.previousElementSibling.textContent;
box.scrollLeft = box.scrollWidth; box.dispatchEvent(new Event("scroll"));
said.after = [box.classList.contains("more"), box.previousElementSibling.textContent];
"""


@pytest.mark.parametrize("width", [1400, 420])
def test_what_scrolls_sideways_says_so(made: Path, tmp_path: Path, width: int) -> None:
    told = tell(page(read([made])), WIDE, tmp_path, width)
    assert told["faults"] == [] and told["agree"] and told["over"]
    assert told["narrow"] or width == 420
    assert "to the right" in told["hint"] and "right" not in told["after"][1]
    assert not told["after"][0]


@pytest.mark.parametrize("name", SENSORS)
def test_a_page_for_whatever_was_looked_through(name: str, made: Path, tmp_path: Path) -> None:
    """The columns hold points: a place that is more than a point is drawn without its glimpse."""
    run = tmp_path / "ram" / "seed-0"
    shutil.copytree(made / "ram" / "seed-0", run)
    result = json.loads((run / "result.json").read_text())
    options = {"size": 3, "scales": 1, "rows": 3, "columns": 3, "cover": 0.5}
    change(run / "result.json", world={**result["world"], **options, "sensor": name})
    text = page(read([run]))
    points = example(name).places == 2
    assert ("what was seen, look by look" in text) == points
