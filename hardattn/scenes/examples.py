"""Scenes in which something is to be found, or told apart, by examples of classes never seen.

Training, validation and test show classes of their own (`data.unseen`), distractors and clutter
included, so that what is learned is to compare.
"""

import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.data.unseen import Dealt, dealt, turned
from hardattn.rng import Generator
from hardattn.scenes.canvas import Canvas, Size
from hardattn.scenes.scene import Scenes
from hardattn.scenes.sprites import Sprites

SIDES = 4  # places of `query`, rows and columns: two in each half of the canvas
QUARTERS = 4
FINE = 2**31  # steps of a uniform number


def query(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    distractors: int = 3,
    clutter: int = 4,
    clutter_size: int = 8,
    absent: float = 0.25,
    held_out: int = 3,
    class_seed: int = 0,
    turns: bool = False,
    classes: int = 10,
) -> Scenes:
    """Given an example of a class, another image of it: is one in the scene, and where?

    One-shot search. The target lies among images of other classes, each in a quarter of its own,
    at one of four corners of it: 4 x 4 places, and the answer is the place, 0 to 15, row by row. In
    some scenes one more image of another class lies there in its stead, and the answer is 16. The
    cue is the example, as large as the dataset has it, pixel by pixel in [0, 1]. Validation and
    test show classes that training does not, see `data.unseen`.

    Args:
        canvas: Height and width in pixels, or one number for a square.
        zoom: Pixels a side that each pixel of the image becomes.
        distractors: How many images of other classes lie there.
        clutter: How many crops of other images clutter the canvas.
        clutter_size: Side of such a crop in pixels.
        absent: Share of the scenes that show no image of the class.
        held_out: Classes that validation alone shows, and how many the test alone does; 0: none.
        class_seed: Of the order in which classes are dealt to training, validation and test.
        turns: Show each class a quarter turn to the left as well, as one more class.
        classes: How many there are.
    """
    if not 0 <= distractors < QUARTERS:
        raise ValueError(f"{QUARTERS} quarters have room for {QUARTERS - 1} distractors at most")
    if not 0 <= absent <= 1:
        raise ValueError(f"absent is a share of the scenes, from 0 to 1, not {absent}")
    count, images = len(index), len(split)
    split = turned(split, classes) if turns else split
    own = dealt(split, classes, held_out, class_seed, 2, turns)
    scene = Canvas(split, index, generator, canvas)
    index = _asked(scene, own, index, images)
    scene.clutter(clutter, clutter_size, zoom, own.order)
    example = _another(scene, own, index)
    others = _of_others(scene, own, index, distractors + 1)
    missing = scene.below(FINE, count, 1) < round(absent * FINE)
    first = torch.where(missing, others[:, -1:], index[:, None])
    members = torch.cat([first, others[:, :-1]], 1)
    place, top, left = _in_quarters(scene, zoom, 1 + distractors)
    box = scene.paste(members, top, left, zoom)[:, :1]
    target = torch.where(missing, SIDES**2, place[:, :1])[:, 0]
    # Where there is nothing to be found it is a point at the centre, which is no target's box.
    box = torch.where(missing[..., None], 0.0, box)
    cue = split.stacked[example.to(split.stacked.device)].to(index.device).flatten(1) / 255.0
    return Scenes(_picture(scene, turns), target, box, index % images, cue)


def between(canvas: Size, height: int, width: int) -> tuple[int, int]:
    """Pixels between the two places of `query` in half a canvas, down and across.

    height, width: of the image as it lies there. Raises ValueError where two do not fit.
    """
    tall, wide = (canvas, canvas) if isinstance(canvas, int) else canvas
    down, across = tall // 2 - height, wide // 2 - width
    if down < 1 or across < 1:
        raise ValueError(
            f"{SIDES} x {SIDES} places of {height}x{width} pixels do not fit a canvas of "
            f"{tall}x{wide}: a canvas of {2 * height + 2}x{2 * width + 2} is the smallest"
        )
    return down, across


def few_shot(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    zoom: int = 1,
    ways: int = 3,
    shots: int = 1,
    margin: int = 2,
    held_out: int = 3,
    class_seed: int = 0,
    turns: bool = False,
    classes: int = 10,
) -> Scenes:
    """An episode of few-shot learning on one canvas: which of `ways` classes is the image above of?

    (Vinyals et al. 2016, arXiv:1606.04080.) The canvas is a table of cells, each wider and higher
    than an image by the margin, in which an image lies anywhere. In the middle of the first row is
    the image that is asked about; below it each column shows `shots` other images of one class. The
    answer is the column. Classes of an episode, their order and their images are uniform; those of
    validation and test are not seen in training, see `data.unseen`. `label` is the class of the
    image that is asked about, of which only an estimator may know.

    Args:
        zoom: Pixels a side that each pixel of the image becomes.
        ways: Classes of an episode.
        shots: Images of each that are shown with it.
        margin: Pixels by which a cell is larger than an image.
        held_out: Classes that validation alone shows, and how many the test alone does; 0: none.
        class_seed: Of the order in which classes are dealt to training, validation and test.
        turns: Show each class a quarter turn to the left as well, as one more class.
        classes: How many there are.
    """
    if ways < 2 or shots < 1:
        raise ValueError(f"an episode has two ways and one shot at least, not {ways} and {shots}")
    count, images = len(index), len(split)
    split = turned(split, classes) if turns else split
    own = dealt(split, classes, held_out, class_seed, ways, turns)
    h, w = (zoom * side + margin for side in split.stacked.shape[2:])
    scene = Canvas(split, index, generator, ((1 + shots) * h, ways * w))
    index = _asked(scene, own, index, images)
    label = split.labels[index]
    shown = _ways(scene, own, label, ways)
    target = (shown == label[:, None]).long().argmax(1)
    support = _support(scene, own, index, label, shown, shots)
    members = torch.cat([index[:, None], support], 1)
    number = torch.arange(ways * shots, device=index.device)
    row = torch.cat([number[:1], 1 + number // ways])
    column = torch.cat([number[:1], number % ways * w])
    column = column + torch.where(row == 0, (ways - 1) * w // 2, 0)
    top = row * h + scene.below(margin + 1, count, 1 + ways * shots)
    left = column + scene.below(margin + 1, count, 1 + ways * shots)
    box = scene.paste(members, top, left, zoom)[:, 1:].unflatten(1, (shots, ways))
    right = box[torch.arange(count, device=index.device), :, target]
    return Scenes(_picture(scene, turns), target, right, index % images, label=label)


def _asked(scene: Canvas, own: Dealt, index: Tensor, images: int) -> Tensor:
    """(B,) which image is asked about, of the part's own; turned or not where there are both."""
    if len(own.stand_in) > images:
        index = index + images * scene.below(2, scene.count, 1)[:, 0]
    return own.stand_in[index]


def _picture(scene: Canvas, turns: bool) -> Tensor | Sprites:
    """The scenes; painted if images of theirs are turned, which their split does not hold."""
    return scene.sprites().painted() if turns else scene.picture()


def _in_quarters(scene: Canvas, zoom: int, many: int) -> tuple[Tensor, Tensor, Tensor]:
    """Places for so many zoomed images, each in a quarter of its own, and where they begin.

    (B, many) each. Quarters are drawn without replacement, corners of them uniformly.
    """
    down, across = between((scene.height, scene.width), *scene.fits(zoom))
    quarter = scene.below(FINE, scene.count, QUARTERS).argsort(1)[:, :many]
    corner = scene.below(4, scene.count, many)
    top = quarter // 2 * (scene.height // 2) + corner // 2 * down
    left = quarter % 2 * (scene.width // 2) + corner % 2 * across
    place = (quarter // 2 * 2 + corner // 2) * SIDES + quarter % 2 * 2 + corner % 2
    return place, top, left


def _of_others(scene: Canvas, own: Dealt, index: Tensor, count: int) -> Tensor:
    """(B, count): uniform images of the part's other classes than that of image `index`."""
    label = scene.split.labels[index][:, None]
    left = len(own.order) - own.size[label]
    rank = scene.below(FINE, scene.count, count) * left >> 31
    return own.order[torch.where(rank < own.before[label], rank, rank + own.size[label])]


def _another(scene: Canvas, own: Dealt, index: Tensor) -> Tensor:
    """(B,): a uniform image of the class of image `index`, another one if there is one."""
    label = scene.split.labels[index]
    size = own.size[label]
    further = 1 + (scene.below(FINE, scene.count, 1)[:, 0] * (size - 1).clamp_min(1) >> 31)
    return own.order[own.before[label] + (own.rank[index] + further) % size]


def _ways(scene: Canvas, own: Dealt, label: Tensor, ways: int) -> Tensor:
    """(B, ways) classes of the part in uniform order, that of the label among them."""
    key = scene.below(FINE, scene.count, len(own.size)).masked_fill(own.size == 0, FINE)
    others = key.scatter(1, label[:, None], FINE).argsort(1)[:, : ways - 1]
    shown = torch.cat([label[:, None], others], 1)
    return shown.gather(1, scene.below(FINE, scene.count, ways).argsort(1))


def _support(
    scene: Canvas, own: Dealt, index: Tensor, label: Tensor, shown: Tensor, shots: int
) -> Tensor:
    """(B, shots * ways) images of the classes (B, ways) shown, row by row, without image `index`.

    Those of a class differ as far as it has so many images.
    """
    size, mine = own.size[shown], shown == label[:, None]
    free = size - mine.long()
    steps = (free - shots + 1).clamp_min(1)
    drawn = scene.below(FINE, scene.count, shots * shown.shape[1]).unflatten(1, (shots, -1))
    far = (drawn * steps[:, None] >> 31).sort(1).values
    far = far + torch.arange(shots, device=shown.device)[:, None]
    start = torch.where(mine, own.rank[index][:, None] + 1, 0)[:, None]
    return own.order[own.before[shown][:, None] + (start + far) % size[:, None]].flatten(1)
