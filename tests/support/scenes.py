"""Splits of a few images, and options of every kind of scene."""

import numpy as np
import torch
from torch import Tensor

from hardattn.data import Split

CANVASES = {
    "plain": {},
    "translated": dict(canvas=(13, 17)),
    "cluttered": dict(canvas=20, distractor_size=3),
    "pair": dict(canvas=(13, 17)),
    "sequence": dict(canvas=(12, 27)),
    "captions": dict(canvas=(36, 42)),
    "matching": dict(canvas=(24, 28)),
    "search": dict(canvas=(20, 24)),
    "localise": dict(canvas=(14, 15), distractor_size=3),
    "majority": dict(canvas=(21, 24), distractors=3, distractor_size=3),
    "circle_square": {},
    "catch": {},
}


def numbers(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_split(count: int = 12, channels: int = 1, height: int = 6, width: int = 7) -> Split:
    images = torch.randint(256, (count, channels, height, width), generator=numbers(99)).byte()
    return Split(images, torch.randint(10, (count,), generator=numbers(98)))


def pixels_of(box: Tensor, height: int, width: int) -> list[int]:
    """(4,) x0, y0, x1, y1 in pixel edges; fails where they are none."""
    edges = (box.double() + 1) / 2 * torch.tensor([width, height, width, height])
    assert torch.allclose(edges, edges.round(), atol=1e-4)
    return edges.round().int().tolist()


def slow(
    split: Split,
    index: Tensor,
    seed: int,
    canvas: tuple[int, int],
    zoom: int,
    pieces: int,
    piece: int,
) -> tuple[np.ndarray, list[list[int]]]:
    """The same integers in the same order, pasted pixel by pixel, clamped after every addition."""
    generator = numbers(seed)
    height, width = canvas
    images = split.images.numpy().repeat(zoom, 2).repeat(zoom, 3)
    channels, h, w = images.shape[1:]
    count = len(index)

    def below(bound: int, columns: int) -> list[list[int]]:
        return torch.randint(bound, (count, columns), generator=generator).tolist()

    if pieces:
        source = below(len(images), pieces)
        cut_y, cut_x = below(h - piece + 1, pieces), below(w - piece + 1, pieces)
        put_y, put_x = below(height - piece + 1, pieces), below(width - piece + 1, pieces)
    top, left = below(height - h + 1, 1), below(width - w + 1, 1)
    out, boxes = np.zeros((count, channels, height, width), dtype=int), []

    def paste(b: int, what: np.ndarray, y: int, x: int) -> None:
        for c in range(channels):
            for i in range(what.shape[1]):
                for j in range(what.shape[2]):
                    out[b, c, y + i, x + j] = min(255, out[b, c, y + i, x + j] + what[c, i, j])

    for b in range(count):
        for p in range(pieces):
            y, x = cut_y[b][p], cut_x[b][p]
            crop = images[source[b][p], :, y : y + piece, x : x + piece]
            paste(b, crop.astype(int), put_y[b][p], put_x[b][p])
        y, x = top[b][0], left[b][0]
        paste(b, images[index[b]].astype(int), y, x)
        boxes.append([x, y, x + w, y + h])
    return out, boxes


class Slow:
    """A canvas that pastes pixel by pixel, clamping every time; draws in the library's order."""

    def __init__(self, split: Split, count: int, seed: int, canvas: tuple[int, int]):
        self.images, self.generator, self.count = split.images.numpy(), numbers(seed), count
        self.height, self.width = canvas
        self.out = np.zeros((count, self.images.shape[1], *canvas), dtype=int)

    def below(self, bound: int, *shape: int) -> list:
        return torch.randint(bound, shape, generator=self.generator).tolist()

    def zoomed(self, which: int, zoom: int) -> np.ndarray:
        return self.images[which].repeat(zoom, 1).repeat(zoom, 2).astype(int)

    def paste(self, b: int, what: np.ndarray, y: int, x: int) -> list[int]:
        channels, h, w = what.shape
        for c in range(channels):
            for i in range(h):
                for j in range(w):
                    self.out[b, c, y + i, x + j] = min(
                        255, self.out[b, c, y + i, x + j] + what[c, i, j]
                    )
        return [x, y, x + w, y + h]

    def clutter(self, pieces: int, piece: int, zoom: int) -> None:
        if not pieces:
            return
        h, w = self.zoomed(0, zoom).shape[1:]
        bounds = (len(self.images), h - piece + 1, w - piece + 1)
        bounds += (self.height - piece + 1, self.width - piece + 1)
        drawn = [self.below(bound, self.count, pieces) for bound in bounds]
        for b in range(self.count):
            for which, cy, cx, y, x in zip(*(each[b] for each in drawn), strict=True):
                crop = self.zoomed(which, zoom)[:, cy : cy + piece, cx : cx + piece]
                self.paste(b, crop, y, x)

    def sprites(self, which: list[int], zooms: tuple[int, ...]) -> list[list[int]]:
        chosen = [[0]] * self.count
        if len(zooms) > 1:
            chosen = self.below(len(zooms), self.count, 1)
        places = []
        for zoom in zooms:
            h, w = self.zoomed(0, zoom).shape[1:]
            top = self.below(self.height - h + 1, self.count, 1)
            places.append((top, self.below(self.width - w + 1, self.count, 1)))
        boxes = []
        for b in range(self.count):
            z = chosen[b][0]
            top, left = places[z]
            boxes.append(self.paste(b, self.zoomed(which[b], zooms[z]), top[b][0], left[b][0]))
        return boxes


INDEX = torch.tensor([3, 0, 11, 3, 7, 1])
