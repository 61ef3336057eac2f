"""The page that steps through looks."""

import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from hardattn.viz.looks import sheet_of
from hardattn.viz.looks_page import page
from tests.hardattn.viz.test_looks import looked
from tests.support.browser import tell


def test_it_holds_a_picture_a_look_and_nothing_from_elsewhere() -> None:
    one, other = looked("ram gru"), looked("net cnn")
    html = page([[one], [other]], "hardattn look <run>")
    images = re.findall(r'<img( hidden)? alt="([^"]+)" src="data:image/png;base64,([^"]+)"', html)
    assert [bool(hidden) for hidden, _, _ in images] == [True, True, False] * 2
    shown = np.asarray(Image.open(BytesIO(b64decode(images[2][2]))))
    assert np.array_equal(shown, sheet_of([one]))
    assert "hardattn look &lt;run&gt;" in html and "http" not in html
    assert all("after look" in alt for _, alt, _ in images)


def test_in_a_browser_one_look_is_shown_at_a_time(tmp_path: Path) -> None:
    script = """
    const seen = image => image.offsetHeight > 0;
    const shown = () => [...document.querySelectorAll("img")].filter(seen).length;
    const slider = document.querySelector("input"), output = document.querySelector("output");
    const before = output.textContent;
    slider.value = 0; slider.dispatchEvent(new Event("input"));
    Object.assign(said, {before, after: output.textContent, shown: shown()});
    """
    html = page([[looked("ram gru")]], "hardattn look")
    told = tell(html, script, tmp_path, 800)
    assert (told["before"], told["after"], told["shown"]) == ("look 3 of 3", "look 1 of 3", 1)
    assert not told["faults"] and not told["wide"]
