"""Scenes that grow into what they are while an agent learns: a canvas, and the clutter on it.

What is small and tidy can be answered before anybody knows where to look (a curriculum, Bengio et
al. 2009, doi:10.1145/1553374.1553380).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from hardattn.data import Split
from hardattn.scenes import MakeScenes, cluttered, pair, translated
from hardattn.scenes.majority import majority

# Who makes scenes that can grow, and how many images of a target's size lie in a row at least.
GROWING: dict[Callable[..., Any], int] = {translated: 1, cluttered: 1, pair: 2, majority: 3}
DISTRACTORS: dict[Callable[..., Any], int] = {cluttered: 4, majority: 50}  # by their defaults
WHAT = ("clutter", "canvas", "both")


def grown(make: MakeScenes, done: float, what: str) -> MakeScenes:
    """The maker of the scenes of a training of which that share of the growth is over.

    The canvas grows from the size of its images, which lie beside each other where there are two,
    and in a square of 3 x 3 where there are five, by the same factor in equal times: a canvas of
    thousands of pixels is a small one for as long as it is a large one. The pieces of clutter grow
    from none to all, in equal shares.
    """
    if done >= 1:
        return make
    options = _options(make, what)

    def made(split: Split, index: Any, generator: Any) -> Any:
        changed: dict[str, Any] = {}
        if what != "clutter":
            changed["canvas"] = _sides(make, split, done)
        if what != "canvas" and options.get("distractors"):
            changed["distractors"] = int(done * (options["distractors"] + 1))
        return partial(make, **changed)(split, index, generator)

    return made


def growable(make: MakeScenes, what: str) -> None:
    """Raise ValueError where these scenes cannot grow so."""
    _options(make, what)


def _options(make: MakeScenes, what: str) -> dict[str, Any]:
    """Those of a maker whose scenes can grow so. Raises ValueError."""
    if what not in WHAT:
        raise ValueError(f"scenes grow in {', '.join(WHAT)}, not in {what!r}: see grows")
    if not isinstance(make, partial) or make.func not in GROWING:
        raise ValueError(
            "these scenes cannot grow: only a canvas with images on it can. Use growing=0"
        )
    options = dict(make.keywords)
    if make.func in DISTRACTORS:
        options.setdefault("distractors", DISTRACTORS[make.func])
    if what == "clutter" and not options.get("distractors"):
        raise ValueError("there is no clutter that could grow in number: use grows=canvas")
    return options


def _sides(make: Any, split: Split, done: float) -> tuple[int, int]:
    """Height and width of the canvas, between those of its images and those that it will have."""
    options = make.keywords
    zoom = max(options.get("zooms") or (options.get("zoom", 1),))
    full = options["canvas"]
    full = (full, full) if isinstance(full, int) else full
    # A piece of clutter is cut from an image, so it fits as well.
    least = [GROWING[make.func] * zoom * side for side in split.images.shape[-2:]]
    height, width = (
        round(min(most, small) * (most / min(most, small)) ** done)
        for most, small in zip(full, least, strict=True)
    )
    return height, width
