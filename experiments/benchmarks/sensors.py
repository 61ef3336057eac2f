"""How many glimpses a second a retina takes: `hardattn bench sensors`.

By index from sums, as our retina does, beside grid_sample with area averaging, the usual way on
tensors, and beside a loop that slices each image, as one writes it first. The machine's limit is to
write the glimpses, once, from memory to memory.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.data import Split
from hardattn.device import tune
from hardattn.scenes import Scenes, cluttered
from hardattn.sensors import Retina

from ..kinds import Json
from .side_by_side import Way, machine, repeated, report, rounds, row

# Canvas, glimpse, scales, pieces of clutter.
CASES = ((28, 8, 1, 0), (60, 12, 3, 4), (100, 12, 4, 8), (1024, 12, 1, 8))
LARGE = 128  # a larger canvas is not given to grid_sample, which would need pixels of all of it
BATCH, FEW, LOOKS = 512, 64, 6  # scenes, of large canvases fewer
ROUNDS, LEAST = 5, 0.1


def measure(save: bool) -> None:
    """Measure, print, and save if asked."""
    product = tune(threads=1)
    report("sensors", glimpses(), machine(), product, save)


def glimpses(
    cases: Sequence[tuple[int, int, int, int]] = CASES,
    batch: int = BATCH,
    count: int = ROUNDS,
    least: float = LEAST,
) -> list[Json]:
    """Rates of each way to look; `ratio` is how many times as fast as the plain loop it is."""
    rows = []
    for canvas, size, scales, pieces in cases:
        batch = min(batch, FEW) if canvas > LARGE else batch
        draw = torch.Generator().manual_seed(0)
        images = torch.randint(256, (2_000, 1, 28, 28), generator=draw).to(torch.uint8)
        split, index = Split(images, torch.arange(2_000) % 10), torch.arange(batch)
        scenes = cluttered(split, index, draw, canvas=canvas, distractors=pieces)
        places = torch.rand(LOOKS, batch, 2, generator=draw) * 2 - 1
        calls = looking(Retina(size, scales), scenes, places)
        if canvas > LARGE:
            del calls["grid_sample"]
        written = torch.zeros(LOOKS, batch, scales, size, size)
        copy = torch.zeros_like(written)
        ways: dict[str, Way] = {
            name: repeated(call, batch * LOOKS, least) for name, call in calls.items()
        }
        ways["copy"] = repeated(lambda: copy.copy_(written), batch * LOOKS, least / 2)  # noqa: B023
        found = rounds(ways, count)
        what = f"{canvas}x{canvas} -> {size}x{size}" + (f"x{scales}" if scales > 1 else "")
        for name in calls:
            beside = ("an image at a time", found["an image at a time"])
            more = {"canvas": canvas, "way": name}
            limit = found["copy"]
            rows.append(row(f"{what}, {name}", "glimpses/s", found[name], limit, beside, **more))
    return rows


def looking(retina: Retina, scenes: Scenes, places: Tensor) -> dict[str, Callable[[], Tensor]]:
    """By name, ways to look at scenes at (T, B, 2) places; each returns what was seen last."""

    def by_index() -> Tensor:
        view = retina.open(scenes.picture)
        return [retina.look(view, place) for place in places][-1]

    def sampled() -> Tensor:
        image = scenes.image.float() / 255
        return [sampled_retina(image, place, retina.size, retina.scales) for place in places][-1]

    def sliced() -> Tensor:
        return [sliced_retina(pixels, place, retina.size, retina.scales) for place in places][-1]

    pixels = scenes.image
    return {"by index": by_index, "grid_sample": sampled, "an image at a time": sliced}


def sampled_retina(image: Tensor, place: Tensor, size: int, scales: int) -> Tensor:
    """(B, C, H, W), (B, 2) -> (B, scales * C, G, G) by bilinear samples, then averages."""
    height, width = image.shape[-2:]
    patches = []
    for s in range(scales):
        side = size * 2**s
        steps = torch.arange(side, device=image.device) - (side - 1) / 2
        x = place[:, :1] + steps * 2 / width
        y = place[:, 1:] + steps * 2 / height
        grid = torch.stack(
            [x[:, None].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)], -1
        )
        patch = F.grid_sample(image, grid, align_corners=False)
        patches.append(F.avg_pool2d(patch, 2**s))
    return torch.cat(patches, 1)


def sliced_retina(images: Tensor, places: Tensor, size: int, scales: int) -> Tensor:
    """The same by a slice of each image, as one writes it first."""
    height, width = images.shape[-2:]
    glimpses = []
    for image, (x, y) in zip(images, places.tolist(), strict=True):
        patches = []
        for s in range(scales):
            side = size * 2**s
            left = math.floor((x + 1) / 2 * width - side / 2 + 0.5)
            top = math.floor((y + 1) / 2 * height - side / 2 + 0.5)
            seen = image[:, max(0, top) : top + side, max(0, left) : left + side]
            beyond = (-left, left + side - width, -top, top + side - height)
            patch = F.pad(seen.float() / 255, [max(0, pixels) for pixels in beyond])
            patches.append(F.avg_pool2d(patch, 2**s))
        glimpses.append(torch.cat(patches))
    return torch.stack(glimpses)
