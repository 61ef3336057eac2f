"""Scenes that a sentence of a small grammar describes, and which word of it names what."""

from typing import NamedTuple

import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.rng import Generator
from hardattn.scenes.canvas import CELLS, Canvas, Size
from hardattn.scenes.scene import Scenes

# The words that every sentence draws on beside the classes, in their order behind these.
WORDS = ("small", "large", "left of", "above", "see", "end")
SMALL, LARGE, LEFT, ABOVE, SEE, END = range(len(WORDS))


class Layout(NamedTuple):
    """What lies in scenes, in the order in which sentences name it: (B, n) int64 each."""

    label: Tensor
    large: Tensor  # 0 or 1
    cell: Tensor  # row by row, ascending; `side` ** 2 of what is not there

    def there(self, side: int) -> Tensor:
        """(B, n) bool: which of them are there."""
        return self.cell < side**2


def sentence(layout: Layout, side: int, classes: int) -> tuple[Tensor, Tensor]:
    """The sentences of layouts, (B, 3 n + 1), and which of the n each word names, or -1.

    "see", then for each its size, its class, and how the next one lies: it is "left of" the next
    one in the same row of cells, and "above" one of a lower row. Then "end", then -1.
    """
    there = layout.there(side)
    row = layout.cell // side
    beside = row == row.roll(-1, 1)
    relation = torch.where(beside, classes + LEFT, classes + ABOVE)
    words = torch.stack([classes + SMALL + layout.large, layout.label, relation], 2).flatten(1)
    target = torch.cat([torch.full_like(words[:, :1], classes + SEE), words], 1)
    over = 3 * there.sum(1, keepdim=True)
    place = torch.arange(target.shape[1], device=target.device)
    target = torch.where(place < over, target, -1).masked_fill(place == over, classes + END)
    which = torch.div(place - 1, 3, rounding_mode="floor").expand_as(target)
    names = (place > 0) & (place < over) & ((place - 1) % 3 < 2)
    return target, torch.where(names, which, -1)


def lay(
    scene: Canvas,
    members: Tensor,
    layout: Layout,
    side: int,
    zooms: tuple[int, int],
    size: tuple[int, int] | None = None,
    corner: tuple[Tensor | int, Tensor | int] = (0, 0),
) -> Tensor:
    """Paste the images into their cells, at uniform places within them; their boxes, (B, n, 4).

    size, corner: of the picture on the canvas that each belongs to; by default all of it.
    """
    height, width = size or (scene.height, scene.width)
    high, wide = height // side, width // side
    there = layout.there(side)
    box = torch.full((*members.shape, 4), torch.nan, device=scene.device)
    shares = [scene.below(2**31, *members.shape) for _ in range(2)]
    for large, zoom in enumerate(zooms):
        h, w = scene.fits(zoom)
        if h > high or w > wide:
            raise ValueError(f"an image of {h}x{w} pixels does not fit a cell of {high}x{wide}")
        top = corner[0] + layout.cell // side * high + (shares[0] * (high - h + 1) >> 31)
        left = corner[1] + layout.cell % side * wide + (shares[1] * (wide - w + 1) >> 31)
        here = there & (layout.large == large)
        pasted = scene.paste(members, top, left, zoom, here)
        box = torch.where(here[..., None], pasted, box)
    return box


def captions(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    small: int = 1,
    large: int = 2,
    digits: int = 3,
    across: int = CELLS,
    classes: int = 10,
) -> Scenes:
    """Two to `digits` images of two sizes, and the sentence that says what lies where.

    "see large 3 left of small 7 above small 1 end": the images are named row by row of the cells
    that the canvas has, each with its size and its class, and between two of them stands how the
    first lies to the second: left of it, if both are in one row of cells, else above it. So a
    scene has one sentence. Each image has a cell of its own; cells, sizes, places within cells and
    how many there are are uniform. The target is (B, 3 digits + 1): words, "end", then -1. Boxes
    go as the images are named, and `named` says which of them a word names.

    Args:
        canvas: Height and width in pixels, or one number for a square.
        small: Pixels a side that each pixel of a small image becomes.
        large: And of a large one.
        digits: The most images, at least two.
        across: Rows and columns of cells, of which each image has one.
        classes: How many there are.
    """
    if not 2 <= digits <= across**2:
        raise ValueError(
            f"a sentence is about 2 to {across**2} images, as there are cells: {digits}"
        )
    if not 1 <= small < large:
        raise ValueError(f"small must be less than large, not {small} and {large}")
    scene = Canvas(split, index, generator, canvas)
    count, device = len(index), index.device
    others = scene.below(len(split), count, digits - 1)
    members = torch.cat([index[:, None], others], 1)
    length = 2 + scene.below(digits - 1, count, 1)
    drawn = scene.below(2**31, count, across**2).argsort(1)[:, :digits]
    there = torch.arange(digits, device=device) < length
    cell = torch.where(there, drawn, across**2).sort(1).values
    layout = Layout(split.labels[members], scene.below(2, count, digits), cell)
    box = lay(scene, members, layout, across, (small, large))
    target, named = sentence(layout, across, classes)
    return Scenes(scene.picture(), target, box, index, named=named)
