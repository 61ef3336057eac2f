"""Pictures for TensorBoard's pages, quick enough to be drawn at each validation."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.metrics import ece, reliability
from hardattn.evaluation.scanpath import chosen
from hardattn.scenes import Scenes
from hardattn.viz.pictures import (
    TICKS,
    Picture,
    grid,
    label,
    map_picture,
    on_scale,
    path_picture,
    peak,
    scale,
    scale_bar,
    verdict,
)

CELLS = 32  # of the picture of places, rows and columns
ACROSS = 4  # scenes with their maps, beside each other
BEYOND = 1.5  # of places, in half-sides of the image: further out nothing is drawn
GAP = 4  # pixels between a scene and its map
SHORTEST, LONGEST = 260, 480  # pixels of the bar of the scale


def map_sheet(
    scenes: Scenes, density: Tensor, columns: Columns, classes: Sequence[str] = (), side: int = 160
) -> Picture:
    """Several scenes in a grid, each beside its map, with box, answer, truth and how uneven the map
    is; below them the scale of all maps.

    density: (N, h, w), of which row i is about scene i.
    """
    tiles, images = [], scenes.image
    for row in range(len(scenes)):
        image, box = images[row], scenes.box[row]
        height, width = image.shape[1:]
        scene = path_picture(image, np.empty((0, 2)), box=box, side=side)
        space = np.full((len(scene), GAP, 3), 255, np.uint8)
        heat = map_picture(density[row], (height, width), box, side)
        pair = np.concatenate([scene, space, heat], 1)
        said = verdict(columns.answer[row], scenes.target[row], classes, columns.together)
        words = label(said, scene.shape[1], bool(columns.correct[row, -1]))
        ratio = label(peak(density[row]), pair.shape[1] - scene.shape[1])
        tiles.append(np.concatenate([pair, np.concatenate([words, ratio], 1)]))
    drawn = grid(tiles, min(ACROSS, max(1, len(tiles))), 3 * GAP)
    bar = scale_bar(min(LONGEST, max(drawn.shape[1], SHORTEST)))
    wide = max(drawn.shape[1], bar.shape[1])
    parts = [
        np.pad(one, ((0, 0), (0, wide - one.shape[1]), (0, 0)), constant_values=255)
        for one in (drawn, bar)
    ]
    return np.concatenate(parts)


def reliability_picture(columns: Columns) -> Picture:
    """Accuracy over confidence, darker the more answers a bar stands for; (H, W, 3)."""
    confidence, accuracy, count = reliability(columns)
    some = count > 0
    borders = torch.linspace(0, 1, len(count) + 1)
    canvas = FigureCanvasAgg(Figure((3.6, 3.6), dpi=80))
    axes = canvas.figure.add_axes((0.16, 0.14, 0.8, 0.78), xlim=(0, 1), ylim=(0, 1))
    bars = axes.bar(borders[:-1], accuracy.nan_to_num(0), 1 / len(count), align="edge")
    for bar, share in zip(bars, (count / count.max()).sqrt().tolist(), strict=True):
        bar.set_alpha(0.15 + 0.85 * share)
    axes.plot([0, 1], [0, 1], "--", color="0.6", linewidth=1)
    axes.plot(confidence[some], accuracy[some], "o", color="black", markersize=3)
    axes.set(xlabel="confidence", ylabel="accuracy")
    axes.set_title(f"calibration error {100 * ece(columns):.1f} %", fontsize=10)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def places_picture(columns: Columns) -> Picture:
    """How often chosen looks fell where, of all images, on the scale of maps; (H, W, 3).

    As many times as even looks would fall in each of `CELLS` by `CELLS` cells. The outline is the
    image; what lies beyond it, or beyond `BEYOND`, is drawn at that edge.
    """
    which = chosen(columns)
    assert which is not None
    x, y = columns.location[which].unbind(-1)
    most = float(torch.stack([x, y]).abs().max().clamp(1, BEYOND))
    edges = np.linspace(-most, most, CELLS + 1)
    down, across = (one.clamp(-most, most).numpy() for one in (y, x))
    count, _, _ = np.histogram2d(down, across, (edges, edges))
    canvas = FigureCanvasAgg(Figure((4.6, 3.8), dpi=80))
    axes = canvas.figure.add_axes((0.13, 0.13, 0.66, 0.78))
    colours = ListedColormap(scale() / 255)
    drawn = axes.imshow(on_scale(count), colours, vmin=0, vmax=1, extent=(-most, most, most, -most))
    axes.add_patch(Rectangle((-1, -1), 2, 2, fill=False, edgecolor="white", clip_on=False))
    axes.set(xlabel="x", ylabel="y", xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    axes.set_title(f"where {len(x):,} chosen looks fell", fontsize=10)
    beside = canvas.figure.add_axes((0.83, 0.13, 0.035, 0.78))
    bar = canvas.figure.colorbar(drawn, beside, ticks=np.linspace(0, 1, len(TICKS)))
    bar.ax.set_yticklabels([f"{tick}" for tick in TICKS])
    bar.set_label("times as often as even looks", fontsize=9)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
