"""The player of the page: that it shows what the columns hold, look by look, in a browser too."""

import base64
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hardattn.evaluation.evaluate import Columns
from hardattn.report.page.page import page
from hardattn.report.page.sections.player import _laid, player
from hardattn.report.rows import Table, tables
from hardattn.report.runs import read
from hardattn.sensors import Retina
from hardattn.viz.pictures import heat, peak
from tests.support.browser import tell
from tests.support.runs import change, write_cells, write_run, write_soft


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("runs")
    for kind, error in (("ram", 0.1), ("random", 0.3), ("whole", 0.2)):
        write_run(top, kind, 0, error)
    write_soft(top, 0, 0.15, "cbam_spatial")
    write_cells(top, 0, 0.5)
    return top


def only(folder: Path) -> Table:
    (one,) = tables(read([folder]))
    return one


def film(folder: Path) -> dict[str, Any]:
    found = re.search(r'class="film">(.*?)</script>', player(only(folder), 0), re.DOTALL)
    assert found
    told: dict[str, Any] = json.loads(found[1])
    return told


def greedy(folder: Path, name: str) -> Columns:
    (group,) = read([folder / name])
    assert group.runs[0].columns is not None
    columns: Columns = group.runs[0].columns["greedy"]
    return columns


def pixels(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def test_it_holds_what_the_columns_hold(made: Path) -> None:
    told = film(made)
    agents = {agent["title"]: agent for agent in told["agents"]}
    assert told["size"] == [15, 12] and len(told["scenes"]) == 8
    assert told["classes"] == ["a", "b", "c", "d & e"]
    columns = greedy(made, "ram")
    for scene in range(8):
        play = agents["RAM"]["plays"][scene]
        assert play["shown"] == [0, 1, 2, 3]
        assert np.allclose(play["belief"], columns.log_probability[scene].exp(), atol=6e-4)
        # From [-1, 1] to pixels: 15 across, 12 down.
        where = (columns.location[scene].numpy() + 1) / 2 * np.array([15, 12])
        assert np.allclose(play["at"], where, atol=0.006)
        assert play["hit"] == columns.hit[scene].int().tolist()
        assert play["right"] == columns.correct[scene].int().tolist()
        answers = [told["classes"][k] for k in columns.prediction[scene].tolist()]
        assert play["says"] == answers and play["map"] is None
        assert told["scenes"][scene]["target"] == int(columns.target[scene])
    whole = agents["MLP, whole <image>"]["plays"][0]
    assert whole["at"] is None and whole["seen"] is None and len(whole["says"]) == 1
    soft = agents["cbam_spatial"]["plays"]
    density = greedy(made, "soft,block=cbam_spatial").density
    for scene in range(8):
        assert np.array_equal(pixels(soft[scene]["map"]), heat(density[scene]))
        assert soft[scene]["peak"] == peak(density[scene])


def test_what_it_saw_is_what_the_retina_gives(made: Path) -> None:
    agent = next(one for one in film(made)["agents"] if one["title"] == "RAM")
    assert agent["frames"] == [[4, 1.0], [8, 0.5]]
    columns, sensor = greedy(made, "ram"), Retina(4, 2)
    (group,) = read([made / "ram"])
    assert group.runs[0].examples is not None
    image = group.runs[0].examples["image"][3:4].repeat(3, 1, 1, 1)
    seen = (sensor.look(sensor.open(image), columns.location[3]) * 255).round()
    strip = pixels(agent["plays"][3]["seen"])
    assert strip.shape == (8, 3 * 8)
    for look in range(3):
        tile = strip[:, 8 * look : 8 * look + 8]
        # Finest in the middle; around it the coarse one, each of whose numbers is four pixels.
        assert np.array_equal(tile[2:6, 2:6], seen[look, 0])
        coarse = seen[look, 1].repeat_interleave(2, 0).repeat_interleave(2, 1).numpy()
        coarse[2:6, 2:6] = tile[2:6, 2:6]
        assert np.array_equal(tile, coarse)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("scales", [1, 2, 3])
def test_every_patch_lies_where_the_retina_reads_it(size: int, scales: int) -> None:
    """At all sorts of places each pixel of what is laid is the mean of the square it came from."""
    sensor, generator = Retina(size, scales), torch.Generator().manual_seed(0)
    image = torch.randint(256, (1, 1, 40, 47), generator=generator, dtype=torch.uint8)
    places = 0.4 * (2 * torch.rand(64, 2, generator=generator) - 1)
    # Centres between pixels and on them, where two edges are equally near.
    places[:32] = ((places[:32] + 1) * torch.tensor([47.0, 40.0])).round() / torch.tensor(
        [47.0, 40.0]
    ) - 1
    seen = sensor.look(sensor.open(image.expand(64, -1, -1, -1)), places)
    laid = 255 * _laid(seen, sensor, places, (40, 47))[:, 0]
    corners = sensor.corners(places, (40, 47))
    extent = size * 2 ** (scales - 1)
    assert laid.shape == (64, extent, extent)
    for at in range(64):
        wanted = torch.full((extent, extent), torch.nan)
        for scale in reversed(range(scales)):
            (x, y), (left, top) = corners[at, scale], corners[at, scale] - corners[at, -1]
            wide, square = size * 2**scale, 2**scale
            read = image[0, 0, y : y + wide, x : x + wide].double()
            read = read.unflatten(0, (size, square)).unflatten(2, (size, square)).mean((1, 3))
            whole = read.repeat_interleave(square, 0).repeat_interleave(square, 1)
            assert 0 <= left <= extent - wide and 0 <= top <= extent - wide
            wanted[top : top + wide, left : left + wide] = whole.float()
        assert torch.allclose(laid[at], wanted, atol=1e-3)


@pytest.mark.parametrize("size, scales", [(3, 2), (5, 3)])
def test_an_odd_retina_is_played_where_it_looked(
    size: int, scales: int, made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made / "ram", tmp_path / "ram")
    file = tmp_path / "ram" / "seed-0" / "result.json"
    change(file, world={**json.loads(file.read_text())["world"], "size": size, "scales": scales})
    (agent,) = film(tmp_path)["agents"]
    sensor, columns = Retina(size, scales), greedy(tmp_path, "ram")
    for scene, play in enumerate(agent["plays"]):
        assert play["corners"] == sensor.corners(columns.location[scene], (12, 15)).tolist()
        extent = size * 2 ** (scales - 1)
        assert pixels(play["seen"]).shape == (extent, 3 * extent)


def test_hard_is_seated_beside_soft_else_beside_its_control(made: Path) -> None:
    told = film(made)
    titles = [told["agents"][at]["title"] for at in told["seated"]]
    assert titles == ["RAM", "cbam_spatial"]
    (table,) = tables(read([made / "ram", made / "random", made / "whole"]))
    found = re.search(r'"seated":\[(\d+),(\d+)\]', player(table, 0))
    assert found and [table.rows[int(at)].title for at in found.groups()] == ["RAM", "random looks"]
    alone = player(tables(read([made / "whole"]))[0], 0)
    assert alone.count('class="seat"') == 1 and '"seated":[0,0]' in alone


def test_a_stopped_agent_has_the_looks_it_took(made: Path, tmp_path: Path) -> None:
    from hardattn import storage

    write_run(tmp_path, "ram", 0)
    path = tmp_path / "ram" / "seed-0" / "columns.pt"
    stored = storage.read(path)
    stored["greedy"]["looks"][:] = torch.tensor(2)
    storage.write(path, stored)
    play = film(tmp_path)["agents"][0]["plays"][0]
    assert [len(play[part]) for part in ("at", "belief", "says", "right", "sure")] == [2] * 5
    assert pixels(play["seen"]).shape == (8, 2 * 8)


def test_many_answers_are_cut_to_the_likeliest_and_the_true_one() -> None:
    from hardattn.report.page.sections.player import BARS, _likely

    belief = torch.linspace(0, 1, 30).repeat(2, 1)
    belief[0, 0] = 0.995  # once second to none but one
    shown = _likely(belief, torch.tensor(5))
    assert len(shown) == BARS and 5 in shown and 0 in shown and shown == sorted(shown)
    assert shown == [0, 5, *range(22, 30)]
    assert _likely(belief[:, :3], torch.tensor(1)) == [0, 1, 2]


def test_json_cannot_end_its_script(made: Path) -> None:
    text = player(only(made), 0)
    inside = text[text.index('class="film">') : text.index("</script>")]
    assert "</" not in inside


STEP = """
var root = document.querySelector(".player"), seats = root.querySelectorAll(".seat");
var words = function (at) { return seats[at].querySelector(".said").textContent; };
var bars = function (at) { return [].map.call(seats[at].querySelectorAll("li .share"),
  function (one) { return one.textContent; }); };
var paint = function (at) { return seats[at].querySelector(".where").toDataURL(); };
var press = function (name) { root.querySelector("[data-step=" + name + "]").click(); };
var key = function (name) { root.dispatchEvent(new KeyboardEvent("keydown", { key: name })); };
var out = root.querySelector("output"), slider = root.querySelector("input");
var middle = function (at, what) { var canvas = seats[at].querySelector(what), rgb = [];
  var wide = canvas.width, high = canvas.height;
  var all = canvas.getContext("2d").getImageData(wide / 4, high / 4, wide / 2, high / 2).data;
  for (var i = 0; i < all.length; i += 4) rgb.push(Math.max(all[i], all[i + 1], all[i + 2]) -
    Math.min(all[i], all[i + 1], all[i + 2])); return Math.max.apply(null, rgb); };
await wait(50); said.dye = [middle(1, ".where"), middle(1, ".map")];
said.maps = [0, 1].map(function (at) {
  var one = seats[at].querySelector(".map").parentNode;
  return one.getClientRects().length ? one.lastChild.textContent : ""; });
said.scale = seats[1].querySelector(".scale").textContent;
said.start = out.textContent;
said.thumbs = root.querySelectorAll(".strip button").length;
said.options = seats[0].querySelectorAll("option").length;
press("first"); await wait(50); said.first = out.textContent; var one = paint(0);
said.bars = [bars(0)]; said.words = [words(0)]; var soft = paint(1);
press("on"); await wait(50); said.second = out.textContent; said.bars.push(bars(0));
said.words.push(words(0)); said.drawn = paint(0) !== one; said.still = paint(1) === soft;
said.none = words(1);
key("End"); said.end = out.textContent; key("ArrowLeft"); said.left = out.textContent;
key("Home"); said.home = out.textContent;
slider.value = 3; slider.dispatchEvent(new Event("input")); said.slid = out.textContent;
press("on"); said.over = out.textContent;
press("play"); said.playing = root.querySelector("[data-step=play]").textContent;
await wait(3200); said.played = out.textContent;
said.stopped = root.querySelector("[data-step=play]").textContent;
root.querySelectorAll(".strip button")[4].click();
said.scene = [].map.call(root.querySelectorAll(".strip [aria-pressed=true] span"),
  function (one) { return one.textContent; });
var choice = seats[1].querySelector("select"); choice.value = 0;
choice.dispatchEvent(new Event("change")); said.same = words(0) === words(1);
var painted = seats[0].querySelector(".where").getContext("2d");
said.lit = painted.getImageData(0, 0, painted.canvas.width, painted.canvas.height).data.some(
  function (value, at) { return at % 4 < 3 && value > 60; });
said.labelled = [].every.call(root.querySelectorAll("button, select, input"), function (one) {
  return one.getAttribute("aria-label") || one.textContent.trim() || one.closest("label"); });
said.broken = [].filter.call(document.images, function (one) { return !one.naturalWidth; }).length;
said.fetched = performance.getEntriesByType("resource").filter(
  function (one) { return one.name.indexOf("data:") !== 0; }).length;
said.paper = getComputedStyle(document.body).backgroundColor;
"""


@pytest.mark.parametrize("width, dark", [(1400, False), (1400, True), (420, False), (420, True)])
def test_a_browser_steps_through_the_looks(
    made: Path, tmp_path: Path, width: int, dark: bool
) -> None:
    told = tell(page(read([made])), STEP, tmp_path, width, dark=dark)
    assert told["faults"] == [] and not told["wide"] and not told["broken"]
    assert told["fetched"] == 0
    assert (told["thumbs"], told["options"], told["start"]) == (8, 5, "3 of 3")
    steps = ("first", "second", "end", "left", "home", "slid", "over")
    assert [told[step][0] for step in steps] == [*"1232133"]
    columns = greedy(made, "ram")
    for look in range(2):
        belief = columns.log_probability[0, look].exp()
        assert told["bars"][look] == [f"{100 * share:.0f} %" for share in belief.tolist()]
        answer = ["a", "b", "c", "d & e"][int(columns.prediction[0, look])]
        verdict = "right" if columns.correct[0, look] else "wrong"
        on = "on" if columns.hit[0, look] else "off"
        said = f"{verdict} – look {look + 1} of 3, {on} the target: says {answer}, "
        assert said in told["words"][look]
    # Soft attention looks once, at everything: it does not move while the other steps.
    assert told["drawn"] and told["still"] and "it has no more looks" in told["none"]
    assert (told["playing"], told["played"], told["stopped"]) == ("Pause", "3 of 3", "Play")
    assert told["scene"] == [["a", "b", "c", "d & e"][int(columns.target[4])]]
    assert told["same"] and told["lit"] and told["labelled"]
    # Its map is beside the scene, which stays as grey as it is.
    assert told["dye"][0] == 0 and told["dye"][1] > 30 and told["scale"] == "013715+"
    density = greedy(made, "soft,block=cbam_spatial").density
    assert told["maps"] == ["", f"its attention map, {peak(density[0])}"]
    assert told["paper"] == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")
