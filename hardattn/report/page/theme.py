"""The page's colours, the style sheets and scripts beside this file, and how data is embedded."""

import json
from importlib import resources
from typing import Any

# Mid lightness, 3:1 or more on white and on near-black; neighbours differ for the colour-blind.
PALETTE = (
    "#2f7ed8",
    "#d9730d",
    "#199a78",
    "#c2559d",
    "#7d6bd6",
    "#b08800",
    "#d1495b",
    "#2a9db0",
)
GREYS = ("#7b8490", "#97876f", "#6f8a86", "#8a7790")


def asset(name: str) -> str:
    """The text of `page.css` or another file of this folder: nothing is fetched by a page."""
    return resources.files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


def embedded(data: Any) -> str:
    """JSON as it may stand in a page's script, whatever its strings hold.

    A parser of HTML looks for the end of a script, and for `<!--` and `<script`, behind which that
    end is not one. So no bracket is left, and no line end that JavaScript knows and JSON does not.
    Raises ValueError for what is not finite, which browsers do not read.
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
