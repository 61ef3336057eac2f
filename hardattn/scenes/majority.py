"""Several images among noise, most of them of one class: which? On canvases of any size."""

import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.rng import Generator
from hardattn.scenes.canvas import Canvas, Size
from hardattn.scenes.scene import Scenes

ALIKE, OTHERS = 3, 2  # images of the class, and of others


def majority(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    distractors: int = 50,
    distractor_size: int = 8,
) -> Scenes:
    """Five images among noise, three of them of one class, which is the answer.

    Megapixel MNIST (Katharopoulos & Fleuret 2019, arXiv:1905.03711): five digits on 1500x1500, and
    50 pieces of noise. Here noise is crops of images, for the authors' random lines, so that it has
    what digits consist of; and each image has a cell of its own of 3 x 3, so that none hides
    another. Two of the three are any images of the class, and the others any of other classes. A
    large scene is never painted: it is the list of what lies on it.

    Args:
        canvas: Height and width in pixels, or one number for a square.
        zoom: Pixels a side that each pixel of the image becomes.
        distractors: How many crops of other images clutter the canvas.
        distractor_size: Side of such a crop in pixels.
    """
    scene = Canvas(split, index, generator, canvas)
    scene.clutter(distractors, distractor_size, zoom)
    alike = scene.of_its_class(index, ALIKE - 1)
    members = torch.cat([index[:, None], alike, scene.of_other_classes(index, OTHERS)], 1)
    _, top, left = scene.in_cells(zoom, ALIKE + OTHERS)
    box = scene.paste(members, top, left, zoom)
    return Scenes(scene.picture(), split.labels[index], box[:, :ALIKE], index)
