"""Links into the player, and the animation that it saves, in a browser."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hardattn.report.page.page import page
from hardattn.report.runs import read
from tests.support.browser import tell
from tests.support.runs import write_run


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    top = tmp_path_factory.mktemp("runs")
    for kind, error in (("ram", 0.1), ("random", 0.3)):
        write_run(top, kind, 0, error)
    return page(read([top]))


def test_a_link_leads_to_a_scene_and_a_look(html: str, tmp_path: Path) -> None:
    script = """
    const stands = () => [document.querySelector(".player output").textContent,
      [...document.querySelectorAll(".strip button")].findIndex(
        (one) => one.getAttribute("aria-pressed") === "true")];
    said.first = stands();
    said.untouched = location.hash;
    location.hash = "#scene=3&look=2";
    await wait(200);
    said.linked = stands();
    document.querySelectorAll(".strip button")[4].click();
    said.written = location.hash;
    document.querySelector("[data-step=first]").click();
    said.first_look = location.hash;
    location.hash = "#scene=99&look=1";
    await wait(200);
    said.nowhere = stands();
    location.hash = "#table-0";
    await wait(100);
    said.other = stands();
    """
    told = tell(html, script, tmp_path, 900)
    assert not told["faults"]
    assert told["first"] == ["3 of 3", 0] and told["untouched"] == ""
    assert told["linked"] == ["2 of 3", 2]
    assert told["written"] == "#scene=5&look=3" and told["first_look"] == "#scene=5&look=1"
    assert told["nowhere"] == told["other"] == ["1 of 3", 4]


def test_an_animation_is_a_gif_of_the_looks(html: str, tmp_path: Path) -> None:
    script = """
    const bytes = document.querySelector(".player").animation();
    let text = "";
    bytes.forEach((one) => { text += String.fromCharCode(one); });
    said.gif = btoa(text);
    said.look = document.querySelector(".player output").textContent;
    """
    told = tell(html, script, tmp_path, 900)
    assert not told["faults"] and told["look"] == "3 of 3"
    with Image.open(io.BytesIO(base64.b64decode(told["gif"]))) as film:
        assert film.format == "GIF" and film.n_frames == 3  # type: ignore[attr-defined]
        assert film.info["loop"] == 0 and film.info["duration"] == 900
        shown = []
        for number in range(3):
            film.seek(number)
            shown.append(np.asarray(film.convert("RGB")).astype(int))
    assert len({each.shape for each in shown}) == 1 and shown[0].shape[1] == 3 * 16 + 2 * 360
    assert all((one[:10] > 250).all() for one in shown), "paper around it"
    assert (shown[0] != shown[1]).any() and (shown[1] != shown[2]).any()
    assert shown[2][16:376, 16:376].std() > 20, "a picture, not a blank"
