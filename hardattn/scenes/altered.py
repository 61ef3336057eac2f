"""Scenes as they might have been as well, changed when they are read.

What `augment` does: moved, scaled and mirrored by one affine map, however many changes it is made
of, so that pixels are interpolated once, and what one change moves out of sight another can bring
back; and then in another light. Of large scenes that is done to those pixels alone that a look
shows. Who sees everything is shown the same, to within the rounding of a grey level.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.scenes.photographs import Photographs
from hardattn.scenes.sprites import Sprites

GREY = (0.299, 0.587, 0.114)  # of red, green and blue, in ITU-R BT.601
SAMPLE = 16  # rows and columns of pixels by which the mean of a picture is estimated


class Altered(NamedTuple):
    """B scenes, of which at p is seen what lies at A p + t, in another light."""

    picture: Sprites | Photographs
    back: Tensor  # (B, 2, 3), A | t, in locations
    light: Tensor | None  # (B, 3), see `lit`; None: as it is
    mean: Tensor | None  # (B,) of the pixels of the picture, about which contrast is
    reach: float  # pixels of the picture that one of the scene spans at most

    @classmethod
    def of(cls, picture: "Unpainted | Tensor") -> "Altered":
        """The same, which can be changed."""
        if isinstance(picture, Altered):
            return picture
        if isinstance(picture, Tensor):
            picture = Sprites.of(picture)
        still = torch.eye(2, 3, device=_first(picture).device).expand(len(_first(picture)), 2, 3)
        return cls(picture, still, None, None, 1.0)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(B, C, H, W), as those have it who see everything."""
        return self.picture.shape

    @property
    def extent(self) -> Tensor | None:
        """(B, 2) width and height, where each has its own."""
        return self.picture.extent

    def over(self, images: Any) -> "Altered":
        """The same scenes of the same images, which lie elsewhere."""
        return self._replace(picture=self.picture.over(images))

    def moved(self, device: torch.device | str) -> "Altered":
        """The same scenes on another device; their images stay where they are."""
        back = self.back.to(device)
        light, mean = (None if it is None else it.to(device) for it in (self.light, self.mean))
        return Altered(self.picture.moved(device), back, light, mean, self.reach)

    def to(self, device: torch.device | str) -> "Altered":
        """The same scenes on another device, and of the images what they show."""
        return self._replace(picture=self.picture.to(device)).moved(device)

    def mapped(self, back: Tensor, reach: float) -> "Altered":
        """Seen at p is what was seen at A p + t: (B, 2, 3) A | t, in locations."""
        linear, moved = self.back[..., :2], self.back[..., 2:]
        whole = torch.cat([linear @ back[..., :2], linear @ back[..., 2:] + moved], -1)
        return self._replace(back=whole, reach=self.reach * reach)

    def shone(self, light: Tensor) -> "Altered":
        """In another light, beside that in which it is: see `lit`."""
        if self.light is None:
            return self._replace(light=light, mean=_mean(self.picture))
        return self._replace(light=self.light * light)

    def patches(self, corner: Tensor, side: int) -> Tensor:
        """What lies in a square window on each scene: (B, C, side, side) uint8.

        corner: (B, 2) int32, x and y of its first pixel. Read bilinearly. Outside the scene there
        is nothing, wherever the picture reaches.
        """
        height, width = self.shape[2:]
        size = corner.new_tensor([[width, height]]) if self.extent is None else self.extent
        size = size.to(self.back)[:, None, None]
        steps = torch.arange(side, device=corner.device) + 0.5
        down, across = torch.meshgrid(steps, steps, indexing="ij")
        middle = torch.full_like(down[:1, :1], side / 2)
        wide = math.ceil(side * self.reach) + 2

        def read_at(x: Tensor, y: Tensor) -> Tensor:
            """Pixels of a window -> pixels of the picture, (B, h, w, 2)."""
            place = 2 * (corner[:, None, None] + torch.stack([x, y], -1)) / size - 1
            linear, moved = self.back[:, None, :, :2], self.back[:, None, None, :, 2]
            return ((place @ linear.mT + moved) + 1) * size / 2

        begin = (read_at(middle, middle)[:, 0, 0] - wide / 2).floor()
        window = self.picture.patches(begin.int(), wide).to(self.back.dtype)
        grid = (read_at(across, down) - begin[:, None, None]) * (2 / wide) - 1
        seen = self._lit(F.grid_sample(window, grid, align_corners=False))
        at = corner[:, None, None] + torch.stack([across, down], -1)
        within = ((at > 0) & (at < size)).all(-1)
        return seen * within[:, None]

    def painted(self) -> Tensor:
        """All of the scenes, in one size: (B, C, H, W) uint8."""
        image = self.picture.painted().to(self.back.dtype)
        grid = F.affine_grid(self.back, list(image.shape), align_corners=False)
        return self._lit(F.grid_sample(image, grid, align_corners=False))

    def averaged(self, height: int, width: int) -> Tensor:
        """The scenes in less pixels, each the mean of those in it: (B, C, h, w), from 0 to 255."""
        return Sprites.of(self.painted()).averaged(height, width)

    def _lit(self, image: Tensor) -> Tensor:
        """(B, C, H, W) in floating point -> uint8, in the light that there is."""
        seen = image.round()
        return seen.to(torch.uint8) if self.light is None else lit(seen, self.light, self.mean)


Unpainted = Sprites | Photographs | Altered


def lit(image: Tensor, light: Tensor, mean: Tensor | None = None) -> Tensor:
    """(B, C, H, W) in floating point, 0 to 255 -> uint8: in another light.

    light: (B, 3) what brightness, contrast, and of three channels saturation, are multiplied by.
    mean: (B,) of the pixels, about which contrast is; by default that of these.
    """
    bright, contrast, saturation = (each[:, None, None, None] for each in light.unbind(1))
    image = image * bright
    pivot = image.mean((1, 2, 3), keepdim=True) if mean is None else mean.view(-1, 1, 1, 1) * bright
    image = pivot + contrast * (image - pivot)
    if image.shape[1] == 3:
        grey = (image * _grey(image.device)).sum(1, keepdim=True)
        image = grey + saturation * (image - grey)
    return image.round().clamp(0, 255).to(torch.uint8)


@lru_cache(maxsize=4)
def _grey(device: torch.device) -> Tensor:
    """(3, 1, 1) GREY, kept on the device: to bring it there each time, the host would wait."""
    return torch.tensor(GREY, device=device)[:, None, None]


def _first(picture: Sprites | Photographs) -> Tensor:
    """One of the tensors of B rows."""
    return picture[0]


def _mean(picture: Sprites | Photographs) -> Tensor:
    """(B,): the mean of each picture, estimated by SAMPLE x SAMPLE of its pixels."""
    count, _, height, width = picture.shape
    first = _first(picture)
    size = first.new_tensor([[width, height]]) if picture.extent is None else picture.extent
    share = (torch.arange(SAMPLE, device=first.device) + 0.5) / SAMPLE
    share = torch.stack(torch.meshgrid(share, share, indexing="xy"), -1).flatten(0, 1)
    corner = (share * size[:, None]).int().expand(count, -1, -1).flatten(0, 1)
    many = SAMPLE**2
    each = [
        field.repeat_interleave(many, 0) if isinstance(field, Tensor) else field
        for field in picture
    ]
    kind: Any = type(picture)
    seen: Tensor = kind(*each).patches(corner, 1)
    return seen.view(count, -1).to(torch.get_default_dtype()).mean(1)
