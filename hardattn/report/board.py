"""Pictures for TensorBoard's pages, quick enough to be drawn at each validation."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from hardattn.evaluate import Columns
from hardattn.metrics import ece, reliability
from hardattn.report.heat import COLOUR, MOST
from hardattn.report.pictures import Picture, sheet
from hardattn.scanpath import chosen
from hardattn.scenes import Scenes

CELLS = 32  # of the picture of places, rows and columns


def map_sheet(
    scenes: Scenes, density: Tensor, columns: Columns, classes: Sequence[str] = ()
) -> Picture:
    """Several scenes in a grid, each under its map as heat, with box, answer and truth.

    density: (N, h, w), of which row i is about scene i. Each map is scaled to its own maximum.
    """
    count, channels, height, width = scenes.image.shape
    rgb = scenes.image[:, :3] if channels >= 3 else scenes.image[:, :1].expand(-1, 3, -1, -1)
    heat = density[:count].double().nan_to_num(0, 0, 0).clamp_min(0)
    heat = heat / heat.amax((1, 2), keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    over = MOST * torch.nn.functional.interpolate(heat[:, None], (height, width))
    colour = torch.tensor(COLOUR, dtype=torch.float64)[:, None, None]
    image = (rgb * (1 - over) + colour * over).round().byte()
    nowhere = columns._replace(location=torch.full_like(columns.location, torch.nan))
    return sheet(Scenes(image, *scenes[1:]), nowhere, classes=classes)


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


def places_picture(columns: Columns, side: int = 256) -> Picture:
    """How often chosen looks fell where, of all images; white the most, (side, side, 3)."""
    which = chosen(columns)
    assert which is not None
    x, y = columns.location[which].unbind(-1)
    edges = np.linspace(-1, 1, CELLS + 1)
    count, _, _ = np.histogram2d(y.numpy(), x.numpy(), (edges, edges))
    grey = (255 * count / count.max()).round().astype(np.uint8)
    each = side // CELLS
    return grey.repeat(each, 0).repeat(each, 1)[..., None].repeat(3, 2)
