"""A retina that chooses a frame of a clip, and a place in it."""

import torch
from torch import Tensor

from hardattn.sensors.retina import Retina
from hardattn.sensors.windows import Points


class Frames(Points):
    """A `Retina` on one frame of a clip: places are (x, y, t), x and y in the frame, t when.

    t goes from -1 to 1 over the clip, each frame as long as the others; of an image that is no
    clip there is one frame, and t says nothing. Frames stand side by side in the image, and a
    glimpse shows nothing of those beside its own. Not differentiable in the place. `point` is where
    a look falls on the strip of all frames.

    (B, C, H, frames * W) uint8, (B, 3) -> (B, scales * C, size, size), the finest scale first.

    Args:
        size: Side of the glimpse in pixels.
        scales: Concentric patches, each twice as wide.
        frames: How many frames stand side by side in an image.
    """

    everything = False
    places = 3
    differentiable = False

    def __init__(self, size: int, scales: int = 1, frames: int = 1):
        if frames < 1:
            raise ValueError(f"a clip has at least 1 frame, not {frames}")
        self.size, self.scales, self.frames = size, scales, frames
        self.retina = Retina(size, scales)

    def shape(self, image: tuple[int, int, int]) -> tuple[int, ...]:
        return self.retina.shape(image)

    def pixels(self, image: tuple[int, int, int]) -> int:
        return self.retina.pixels(image)

    def fine(self, image: tuple[int, int, int]) -> tuple[int, int]:
        return self.size, min(self.size, image[2] // self.frames)

    def wide(self, image: tuple[int, int, int]) -> tuple[int, int]:
        rows, columns = self.retina.wide(image)
        return rows, min(columns, image[2] // self.frames)

    def open(self, images: Tensor) -> Tensor:
        """(B, C, H, frames * W) -> (B, frames, C, H, W)."""
        if images.shape[3] % self.frames:
            raise ValueError(
                f"{self.frames} frames do not share a width of {images.shape[3]} pixels evenly"
            )
        return images.unflatten(3, (self.frames, -1)).permute(0, 3, 1, 2, 4).contiguous()

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        row = torch.arange(len(view), device=view.device)
        frame = view[row, self.frame(place)]
        return self.retina.look(self.retina.open(frame), place[:, :2])

    def frame(self, place: Tensor) -> Tensor:
        """(..., 3) places -> (...) int64, the frames that they lie in."""
        number = ((place[..., 2].float() + 1) / 2 * self.frames).floor().long()
        return number.clamp(0, self.frames - 1)

    def at(self, point: Tensor) -> Tensor:
        along = (point[:, :1] + 1) / 2 * self.frames
        frame = along.floor().clamp(0, self.frames - 1)
        x, t = 2 * (along - frame) - 1, (2 * frame + 1) / self.frames - 1
        return torch.cat([x, point[:, 1:], t], 1)

    def point(self, place: Tensor) -> Tensor:
        frame = self.frame(place).to(place.dtype)
        x = (2 * frame + 1 + place[..., 0]) / self.frames - 1
        return torch.stack([x, place[..., 1]], -1)
