"""Scenes and sentences of which one goes with the other, and the rest differ from it by a word."""

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
    """What may be meant, the truth first: (B, K, 2) each, of two images."""

    label: Tensor
    large: Tensor
    cell: Tensor


def changed(
    label: Tensor, large: Tensor, scene: Canvas, candidates: int, classes: int
) -> Candidates:
    """The layout of the two images, and K - 1 others that each differ from it by one word.

    label, large: (B, 2), and the relation is drawn. Which of the 2 (classes - 1) + 3 changes of a
    word are made is drawn without replacement: another class of either, another size of either, the
    other relation.
    """
    count, device = len(label), label.device
    kinds = 2 * (classes - 1) + 3
    change = scene.below(2**31, count, kinds).argsort(1)[:, : candidates - 1]
    change = torch.cat([torch.full_like(change[:, :1], kinds), change], 1)  # the truth: none
    which = torch.arange(2, device=device)
    of_class = change[..., None] - which * (classes - 1)  # (B, K, 2)
    other = (of_class >= 0) & (of_class < classes - 1)
    labels = torch.where(other, (label[:, None] + 1 + of_class) % classes, label[:, None])
    resized = change[..., None] == 2 * (classes - 1) + which
    beside = scene.below(2, count, 1) == (change != kinds - 1).long()
    # In one row, or one in each row.
    row, one, other_one = (scene.below(2, count, candidates) for _ in range(3))
    left_of = torch.stack([SIDE * row, SIDE * row + 1], 2)
    above = torch.stack([one, SIDE + other_one], 2)
    cell = torch.where(beside[..., None], left_of, above)
    return Candidates(labels, large[:, None] ^ resized.long(), cell)


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
    picture; all others differ from the true one by one word, or what it says, and no two are alike.

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
    count, device = len(index), index.device
    members = torch.stack([index, scene.below(len(split), count)], 1)
    sizes = scene.below(2, count, 2)
    found = changed(split.labels[members], sizes, scene, candidates, classes)
    place = scene.below(candidates, count, 1)
    order = (torch.arange(candidates, device=device) - place) % candidates  # (B, K)
    found = Candidates(*(each.gather(1, order[..., None].expand_as(each)) for each in found))
    words, _ = sentence(Layout(*(each.flatten(0, 1) for each in found)), SIDE, classes)
    told = words.view(count, candidates, -1)
    truth = place[..., None]
    true = Layout(*(each.gather(1, truth.expand(-1, 1, 2))[:, 0] for each in found))
    zooms = small, large
    if back:
        box = side_by_side(scene, members, found, zooms, (height, width), across)
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
) -> Tensor:
    """Paste all pictures, so many in a row; the boxes of their images, (B, K, 2, 4).

    members: (B, 2), which are shown wherever their class is meant.
    """
    count, candidates = found.label.shape[:2]
    same = found.label == scene.split.labels[members][:, None]
    drawn = of_class(scene.split, found.label, scene)
    shown = torch.where(same, members[:, None], drawn).flatten(1)
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
