"""A page in headless Chromium or Chrome, asked by a script of its own what it shows."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BEFORE = """<script>window.faults = [];
addEventListener("error", function (e) { faults.push(e.message); });
addEventListener("unhandledrejection", function (e) { faults.push(String(e.reason)); });
console.error = console.warn = function (m) { faults.push(String(m)); };</script>"""
AFTER = """<script>setTimeout(async function () { var said = {};
var wait = function (time) { return new Promise(function (done) { setTimeout(done, time); }); };
try { %s
} catch (fault) { faults.push(String(fault)); }
said.wide = document.documentElement.scrollWidth > innerWidth;
said.width = innerWidth; said.faults = faults;
parent.postMessage(JSON.stringify(said), "*"); }, 1500);</script>"""
# Windows are at least 500 pixels wide, frames may be narrower.
FRAME = """<!doctype html><title>waits</title><script>addEventListener("message", function (e) {
document.title = "SAID" + e.data + "SAID"; });</script>
<iframe src="page.html" style="border:0" width="%d" height="900"></iframe>"""


def tell(html: str, script: str, folder: Path, width: int, *, dark: bool = False) -> dict[str, Any]:
    """What the script, which may await, puts into `said`; whether the page scrolls sideways, and
    its faults.
    """
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip(f"no browser to look at the page with: none of {', '.join(NAMES)} on PATH")
    html = html.replace("<head>", "<head>" + BEFORE, 1)
    (folder / "page.html").write_text(html.replace("</body>", AFTER % script + "</body>"))
    (folder / "frame.html").write_text(FRAME % width)
    flags = [
        f"--blink-settings=preferredColorScheme={'01'[not dark]}",
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *(f"--user-data-dir={folder / 'profile'}", "--window-size=1600,1000"),
        *("--virtual-time-budget=20000", "--dump-dom", str(folder / "frame.html")),
    ]
    done = subprocess.run([browser, *flags], capture_output=True, text=True, timeout=1000)
    said = re.search(r"<title>SAID(.*?)SAID</title>", done.stdout)
    assert said, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(unescape(said[1]))
    assert told["width"] == width
    return told
