"""Scenes and sentences of which one goes with the other, and the rest differ by a word or two."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.rng import Generator
from hardattn.scenes.canvas import Canvas, Size
from hardattn.scenes.captions import WORDS, Layout, lay, sentence
from hardattn.scenes.scene import Scenes

SIDE = 2  # rows and columns of cells


class Candidates(NamedTuple):
    """What may be meant: (B, K, 2) each, of two images."""

    label: Tensor
    large: Tensor
    cell: Tensor


def changed(
    label: Tensor, large: Tensor, scene: Canvas, candidates: int, classes: int
) -> Candidates:
    """The layout of the two images, and K - 1 others, all of which differ from one by one word.

    label, large: (B, 2), and the relation is drawn. That one is any of the K, uniformly: were it
    always the truth, this could be told by comparing candidates with each other, without a look at
    what they are about. Which of the 2 (classes - 1) + 3 changes of a word are made to it is drawn
    without replacement: another class of either, another size of either, the other relation.
    """
    count, device = len(label), label.device
    kinds = 2 * (classes - 1) + 3  # that number is the change of nothing
    nothing = torch.full((count, 1), kinds, device=device)
    key = scene.below(2**31, count, kinds + 1)
    truth = torch.where(scene.below(candidates, count, 1) > 0, scene.below(kinds, count, 1), kinds)
    # The change that makes the truth comes first, then none, then those that were drawn.
    change = key.scatter(1, nothing, -1).scatter(1, truth, -2).argsort(1)[:, :candidates]
    which = torch.arange(2, device=device)

    def parts(change: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, K) changes -> by how many classes, and whether in size, (B, K, 2); relation."""
        of_class = change[..., None] - which * (classes - 1)
        other = (of_class >= 0) & (of_class < classes - 1)
        resized = change[..., None] == 2 * (classes - 1) + which
        return torch.where(other, 1 + of_class, 0), resized.long(), (change == kinds - 1).long()

    # What is done to the middle one, less what was done to it to make the truth.
    by, resized, turned = (each - each[:, :1] for each in parts(change))
    labels = (label[:, None] + by) % classes
    beside = scene.below(2, count, 1) == turned.abs()
    # In one row, or one in each row.
    row, one, other_one = (scene.below(2, count, candidates) for _ in range(3))
    left_of = torch.stack([SIDE * row, SIDE * row + 1], 2)
    above = torch.stack([one, SIDE + other_one], 2)
    cell = torch.where(beside[..., None], left_of, above)
    return Candidates(labels, large[:, None] ^ resized.abs(), cell)


def matching(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    small: int = 1,
    large: int = 2,
    candidates: int = 20,
    back: bool = False,
    classes: int = 10,
) -> Scenes:
    """A scene of two images and several sentences; which is it that says what is there?

    Or, the way back, one sentence and several pictures side by side, row by row; which is meant?
    Sentences are those of `captions`, of 2 x 2 cells. The answer is the number of the sentence or
    picture. All candidates differ by one word, or what it says, from one of them, which is as often
    the true one as any other is; so they differ from the true one by one word or two. No two are
    alike.

    The cue is the sentences, one after the other, each of 7 words: the number of the word divided
    by how many words there are, classes and those of `captions`.

    Args:
        canvas: Height and width of a picture in pixels, or one number for a square.
        small: Pixels a side that each pixel of a small image becomes.
        large: And of a large one.
        candidates: How many sentences, or pictures, there are.
        back: Whether a picture is to be found, and not a sentence.
        classes: How many there are.
    """
    most = 2 * (classes - 1) + 4
    if not 2 <= candidates <= most:
        raise ValueError(f"there are 2 to {most} candidates of {classes} classes, not {candidates}")
    if not 1 <= small < large:
        raise ValueError(f"small must be less than large, not {small} and {large}")
    height, width = (canvas, canvas) if isinstance(canvas, int) else canvas
    across = math.isqrt(candidates - 1) + 1 if back else 1
    down = -(-candidates // across) if back else 1
    scene = Canvas(split, index, generator, (down * height, across * width))
    count = len(index)
    members = torch.stack([index, scene.below(len(split), count)], 1)
    sizes = scene.below(2, count, 2)
    found = changed(split.labels[members], sizes, scene, candidates, classes)
    order = scene.below(2**31, count, candidates).argsort(1)
    place = order.argmin(1, keepdim=True)  # where the truth, the first, went
    found = Candidates(*(each.gather(1, order[..., None].expand_as(each)) for each in found))
    words, _ = sentence(Layout(*(each.flatten(0, 1) for each in found)), SIDE, classes)
    told = words.view(count, candidates, -1)
    truth = place[..., None]
    true = Layout(*(each.gather(1, truth.expand(-1, 1, 2))[:, 0] for each in found))
    zooms = small, large
    if back:
        box = side_by_side(scene, members, found, zooms, (height, width), across, classes)
        box = box.gather(1, truth[..., None].expand(-1, 1, 2, 4))[:, 0]
        told = told.gather(1, truth.expand(-1, 1, told.shape[2]))
    else:
        box = lay(scene, members, true, SIDE, zooms)
    cue = told.flatten(1).to(box.dtype) / (classes + len(WORDS))
    return Scenes(scene.picture(), place[:, 0], box, index, cue)


def side_by_side(
    scene: Canvas,
    members: Tensor,
    found: Candidates,
    zooms: tuple[int, int],
    size: tuple[int, int],
    across: int,
    classes: int,
) -> Tensor:
    """Paste all pictures, so many in a row; the boxes of their images, (B, K, 2, 4).

    members: (B, 2), which are shown wherever their class is meant, as one image of each other class
    is wherever that is: so an image does not tell of which picture it was drawn for.
    """
    count, candidates = found.label.shape[:2]
    every = torch.arange(classes, device=scene.device).expand(count, 2, -1)
    drawn = of_class(scene.split, every, scene)
    drawn = drawn.scatter(2, scene.split.labels[members][..., None], members[..., None])
    shown = drawn.gather(2, found.label.mT).mT.flatten(1)
    tile = torch.arange(candidates, device=scene.device).repeat_interleave(2)
    corner = tile // across * size[0], tile % across * size[1]
    layout = Layout(*(each.flatten(1) for each in found))
    return lay(scene, shown, layout, SIDE, zooms, size, corner).view(count, candidates, 2, 4)


def of_class(split: Split, label: Tensor, scene: Canvas) -> Tensor:
    """Uniform images of these classes; of one that the split does not have, of another."""
    order, size, before, _ = split.by_class
    label = label.clamp_max(len(size) - 1)
    rank = before[label] + (scene.below(2**31, *label.shape) * size[label] >> 31)
    return order[rank.clamp_max(len(order) - 1)]
