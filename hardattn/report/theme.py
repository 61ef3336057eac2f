"""The page's colours, and the style sheets and scripts that lie beside this file."""

from importlib import resources

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
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
