"""A dataset is two tensors, uint8 images and int64 labels, in three fixed splits.

Of images of several sizes, as they are, it is an `Album` and a tensor.

And which images are in which, and in which order they stand.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hardattn.data import memory
from hardattn.data.album import Album
from hardattn.data.idx import DataError

PARTS = ("train", "validation", "test")


class ByClass(NamedTuple):
    """The images of a split class by class."""

    order: Tensor  # (N,) which they are
    size: Tensor  # (K,) how many a class has
    before: Tensor  # (K,) and how many are of the classes before it
    several: bool  # whether there is more than one class


@dataclass(frozen=True, eq=False)
class Split:
    """Images (N, C, H, W) uint8 and labels (N,) int64; and where targets are, if that is known.

    images: a tensor, or an `Album` of images that each have a size of their own. boxes: (N, M, 4)
    x0, y0, x1, y1 in the coordinates of places; NaN where there is none. part: which of a dataset
    it is, "train", "validation" or "test"; "" of none.
    """

    images: Tensor | Album
    labels: Tensor
    boxes: Tensor | None = field(default=None, kw_only=True)
    part: str = field(default="", kw_only=True)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def stacked(self) -> Tensor:
        """The images as one tensor, for who needs all of one size. Raises ValueError."""
        if isinstance(self.images, Album):
            raise ValueError(
                "pictures of several sizes, as they are, can only be shown as they are: choose "
                "--scene plain and --zoom 1, or a size instead of @original"
            )
        return self.images

    @property
    def device(self) -> torch.device:
        """Where scenes of it are made; images that are too large may be elsewhere."""
        return self.labels.device

    def to(self, device: torch.device | str) -> "Split":
        """The same split on another device.

        Images that would take more than half of what is free there stay where they are, and only
        what is looked at moves.
        """
        device, images = torch.device(device), self.images
        if images.device != device:
            room = memory.free(device)
            if room is None or images.nbytes <= room // 2:
                images = images.to(device)
        boxes = None if self.boxes is None else self.boxes.to(device)
        return Split(images, self.labels.to(device), boxes=boxes, part=self.part)

    @cached_property
    def by_class(self) -> "ByClass":
        """Where the images of each class are; computed when it is first asked for."""
        size = torch.bincount(self.labels)
        several = bool(size.max() < len(self))
        return ByClass(self.labels.argsort(stable=True), size, size.cumsum(0) - size, several)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits that share no image, the same for everyone, and the names of the classes."""

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    said: str = ""
    """What was done to the images to make them equal, in words; "" of those that were."""

    def __post_init__(self) -> None:
        for part in PARTS:
            held = getattr(self, part)
            if not held.part:  # a split knows which it is, whoever is handed it
                object.__setattr__(self, part, replace(held, part=part))

    def to(self, device: torch.device | str) -> "Dataset":
        """The same dataset on another device."""
        moved = Dataset(
            self.name,
            self.train.to(device),
            self.validation.to(device),
            self.test.to(device),
            self.classes,
            self.said,
        )
        if "fingerprint" in self.__dict__:  # what is known already is not computed again
            moved.__dict__["fingerprint"] = self.fingerprint
        return moved

    def measured_on(self, share: float, seed: int) -> "Dataset":
        """The same with that share of the validation and of the test images, see `subsample`.

        Its fingerprint is that of the whole: these are still the same data.
        """
        few = replace(
            self,
            validation=subsample(self.validation, share, seed),
            test=subsample(self.test, share, seed),
        )
        few.__dict__["fingerprint"] = self.fingerprint
        return few

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the content, 16 hexadecimal digits: equal where and only where the data are.

        It covers every tensor of the three splits, in their order, and the names of the classes;
        not the name of the dataset, nor where its files lie, when they were written or on which
        device the tensors are. Computed when it is first asked for.
        """
        content = hashlib.blake2b(digest_size=8)
        content.update(ascii(self.classes).encode())
        for part in PARTS:
            split = getattr(self, part)
            for one in fields(Split):
                held = getattr(split, one.name)
                # A split that lacks what others know; and the name of the part, which is said.
                if held is None or isinstance(held, str):
                    continue
                for tensor in held.each() if isinstance(held, Album) else [held]:
                    array = np.ascontiguousarray(tensor.detach().cpu().numpy())
                    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
                    said = f"{part} {one.name} {array.dtype.str} {array.shape}"
                    content.update(said.encode())
                    content.update(array.reshape(-1).view(np.uint8).data)
        return content.hexdigest()


class Part(NamedTuple):
    """Images (N, C, H, W), labels (N,) int64, hashes of their content (N,) uint64, and boxes."""

    images: np.ndarray | Album
    labels: np.ndarray
    content: np.ndarray
    boxes: np.ndarray | None = None

    def of(self, index: np.ndarray) -> "Part":
        """Some of them."""
        return Part(*(None if array is None else array[index] for array in self))  # type: ignore[arg-type]


def stratified_split(labels: np.ndarray, *shares: float) -> list[np.ndarray]:
    """Indices of what remains, then of each share, (n_i,) int64, ascending.

    Class by class, in the order of a multiplicative hash of the index: the same on every machine,
    and at least one of each class in each share. For data that never grow: one image more deals
    all of them anew.
    """
    index = np.arange(len(labels), dtype=np.uint64)
    order = np.argsort(index * np.uint64(2654435761) % np.uint64(2**32), kind="stable")
    order = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    part = np.zeros(len(labels), np.int64)
    end = np.zeros_like(counts)
    for number, share in enumerate(shares, start=1):
        start, end = end, end + np.maximum(1, np.round(share * counts).astype(np.int64))
        part[(rank >= np.repeat(start, counts)) & (rank < np.repeat(end, counts))] = number
    return [np.sort(order[part == number]) for number in range(len(shares) + 1)]


def deal_by_content(labels: np.ndarray, content: np.ndarray, *shares: float) -> list[np.ndarray]:
    """Indices of what remains, then of each share, (n_i,) int64, in the order of their content.

    content: (N,) uint64, a hash of each image. Which part an image falls to is read off its own
    hash, so that more images move none of those that were there, and copies of an image stay
    together. Above that stand floors, which matter where a class has a handful of images: each
    class has an image in what remains and, if it has one for every part, in each share; and no
    share is empty (as far as there are different images). One that was lent to a share for that
    goes back once the class has an image of its own there. None that remained is held out later
    because there are more, but for a class that had too few for every part, or none that remained
    by its own hash.
    """
    kinds, which = np.unique(content, return_inverse=True)  # ascending
    ends = np.cumsum(shares)
    part = (np.searchsorted(ends, kinds / 2.0**64, side="right") + 1) % (len(shares) + 1)
    classes = [np.unique(which[labels == label]) for label in np.unique(labels)]
    _leave_one_of_each(classes, part)
    for own in classes:
        _hold_out_one(own, part, len(shares))
    _leave_one_of_each(classes, part)  # where a copy in another class was held out
    for number in range(1, len(shares) + 1):
        if not (part == number).any():
            part[_spare(labels, which, part)[:1]] = number
    order = np.argsort(content, kind="stable")
    return [order[part[which[order]] == number] for number in range(len(shares) + 1)]


def _leave_one_of_each(classes: list[np.ndarray], part: np.ndarray) -> None:
    """Give each class, the kinds of content in it, its last in what remains if it has none."""
    for own in classes:
        if (part[own] != 0).all():
            part[own[-1]] = 0


def _hold_out_one(own: np.ndarray, part: np.ndarray, shares: int) -> None:
    """Give each share one of a class that has enough: another share's second, or what remains."""
    if len(own) <= shares:
        return
    for number in range(1, shares + 1):
        if not (part[own] == number).any():
            counts = np.bincount(part[own], minlength=shares + 1)
            giver = next((other for other in range(1, shares + 1) if counts[other] > 1), 0)
            part[own[part[own] == giver][0]] = number


def _spare(labels: np.ndarray, which: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The kinds of content that may leave their part: without them it holds some, the first some
    of each class.
    """
    first = part[which] == 0
    left = np.bincount(labels[first])
    last = np.zeros(len(part), bool)
    for kind in np.unique(which[first]):
        own = np.bincount(labels[which == kind], minlength=len(left))
        last[kind] = ((own > 0) & (own == left)).any()
    crowded = np.bincount(part)[part] > 1
    spare = np.flatnonzero(~last & crowded)
    return spare[np.argsort(part[spare] != 0, kind="stable")]  # rather from the largest part


def held_out(where: str, part: Part, *shares: float) -> list[Part]:
    """What remains of a part, then what is held out of it, by content."""
    dealt = deal_by_content(part.labels, part.content, *shares)
    if not all(map(len, dealt)):
        raise DataError(
            f"{where}: {len(np.unique(part.content))} different images are too few to hold some "
            "out for validation and test, and leave one of each class for training; add images"
        )
    return [part.of(index) for index in dealt]


def interleaved(labels: np.ndarray) -> np.ndarray:
    """An order in which the classes take turns, (N,) int64; within a class the given order stays.

    So the first few of a split show all classes, or as many as there is room for.
    """
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    turn = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.argsort(turn, kind="stable")]


def moments(split: Split) -> tuple[Tensor, Tensor]:
    """The mean and the standard deviation of each channel of the images in [0, 1], (C,) each.

    Counted in whole numbers, so that neither device nor batches matter. No spread is less than a
    step of 255, by which a channel that is all alike can still be divided.
    """
    channels = split.images.shape[1]
    count = torch.zeros(channels, 256, dtype=torch.int64, device=split.images.device)
    for part in _some(split.images):
        for channel in range(channels):
            count[channel] += torch.bincount(part[:, channel].reshape(-1), minlength=256)
    share = count.double() / count.sum(1, keepdim=True)
    level = torch.arange(256, dtype=torch.float64, device=share.device) / 255
    mean = share @ level
    spread = (share * (level - mean[:, None]) ** 2).sum(1).sqrt().clamp_min(1 / 255)
    return mean.to(split.device), spread.to(split.device)


def _some(images: Tensor | Album) -> Iterable[Tensor]:
    """The images, (n, C, h, w) at a time."""
    if isinstance(images, Album):
        return (each[None] for each in images.each())
    parts: Iterable[Tensor] = images.split(memory.at_once(tuple(images.shape[1:])))
    return parts


def subsample(split: Split, share: float, seed: int) -> Split:
    """The first of each class, `share` of them (rounded up), in an order that the seed fixes.

    What a smaller share of the same seed holds, a larger one holds too. In order of index.
    """
    if not 0 < share <= 1:
        raise ValueError(f"a share of the images lies above 0 and at most at 1, not at {share}")
    labels = split.labels.cpu()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    order = order[labels[order].argsort(stable=True)]
    count = labels.bincount()
    rank = torch.arange(len(labels)) - (count.cumsum(0) - count).repeat_interleave(count)
    # In whole numbers where they are meant: 0.1 * 30 is a little more than 3.
    wanted = (share * count.double() - 1e-9).ceil().long()
    chosen = order[rank < wanted.repeat_interleave(count)].sort().values.to(split.labels.device)
    boxes = None if split.boxes is None else split.boxes[chosen]
    return Split(split.images[chosen], split.labels[chosen], boxes=boxes, part=split.part)
