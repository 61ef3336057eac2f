"""Pictures of a training as they might have been as well: mirrored, moved, turned, in other light.

Drawn on the device for each picture of a batch; boxes go with what they are around. However many
changes there are, pixels are read once, see `altered`: large pictures where they are looked at, and
small ones at the end. `augmented` makes such scenes of others, by the words that `--augment` takes.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.data import Split
from hardattn.rng import Generator, uniform
from hardattn.scenes.altered import Altered
from hardattn.scenes.scene import MakeScenes, Scenes
from hardattn.scenes.transforms import affine_transform, rotation


def flip(scenes: Scenes, strength: float, generator: Generator | None) -> Scenes:
    """Left and right change places, in that share of the pictures."""
    mirrored = _uniform(scenes, 1, generator)[:, 0] < strength
    sign = 1 - 2 * mirrored.to(torch.get_default_dtype())
    linear = torch.stack([sign, torch.ones_like(sign)], 1).diag_embed()
    return affine_transform(scenes, F.pad(linear, (0, 1)), reach=1.0)


def shift(scenes: Scenes, strength: float, generator: Generator | None) -> Scenes:
    """Moved by up to that share of the sides, along both; black comes in."""
    move = (2 * _uniform(scenes, 2, generator) - 1) * 2 * strength
    linear = torch.eye(2, device=move.device).expand(len(scenes), 2, 2)
    return affine_transform(scenes, torch.cat([linear, move[..., None]], 2), reach=1.0)


def scale(scenes: Scenes, strength: float, generator: Generator | None) -> Scenes:
    """Larger or smaller by up to that share, about the centre, uniform in the logarithm."""
    drawn = 2 * _uniform(scenes, 1, generator) - 1
    factor = (math.log1p(strength) * drawn).exp()[..., None]
    linear = torch.eye(2, device=factor.device) * factor
    return affine_transform(scenes, F.pad(linear, (0, 1)), reach=1 + strength)


def rotate(scenes: Scenes, strength: float, generator: Generator | None) -> Scenes:
    """Turned about the centre by up to so many degrees, either way; black comes in at the corners.

    A box becomes the upright box around the turned one.
    """
    angle = math.radians(strength) * (2 * _uniform(scenes, 1, generator)[:, 0] - 1)
    height, width = scenes.shape[1:]
    linear = rotation(angle, height / width)
    most = math.radians(min(strength, 45.0))  # where a turned square is the widest
    return affine_transform(scenes, F.pad(linear, (0, 1)), reach=math.cos(most) + math.sin(most))


def colour(scenes: Scenes, strength: float, generator: Generator | None) -> Scenes:
    """Brightness, contrast and saturation, each times a factor up to that share off one."""
    factors = 1 + strength * (2 * _uniform(scenes, 3, generator) - 1)
    return Scenes(Altered.of(scenes.picture).shone(factors), *scenes[1:])


# What there is, with how much of it where nothing else is asked, and at most.
Change = Callable[[Scenes, float, Generator | None], Scenes]
CHANGES: dict[str, tuple[Change, float, float]] = {
    "flip": (flip, 0.5, 1.0),
    "shift": (shift, 0.1, 1.0),
    "scale": (scale, 0.2, 4.0),
    "rotate": (rotate, 15.0, 180.0),
    "colour": (colour, 0.3, 1.0),
}


def augmented(make: MakeScenes, words: Sequence[str]) -> MakeScenes:
    """Scenes of `make`, changed by these words, NAME or NAME=STRENGTH, one after the other.

    Raises ValueError for a word that cannot be meant.
    """
    chain = [parsed(word) for word in words]
    return partial(_made, make, chain) if chain else make


def parsed(word: str) -> tuple[str, float]:
    """A change and its strength. Raises ValueError."""
    name, is_there, value = word.partition("=")
    if name not in CHANGES:
        raise ValueError(f"no augmentation is called {name!r}: choose from {', '.join(CHANGES)}")
    _, usual, most = CHANGES[name]
    try:
        strength = float(value) if is_there else usual
    except ValueError:
        strength = math.nan
    if not 0 <= strength <= most:
        raise ValueError(f"augmentation {word!r}: its strength is a number from 0 to {most:g}")
    return name, strength


def _made(
    make: MakeScenes,
    chain: Sequence[tuple[str, float]],
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
) -> Scenes:
    before = scenes = make(split, index, generator)
    for name, strength in chain:
        scenes = CHANGES[name][0](scenes, strength, generator)
    return Scenes(scenes.image, *scenes[1:]) if isinstance(before.picture, Tensor) else scenes


def _uniform(scenes: Scenes, count: int, generator: Generator | None) -> Tensor:
    """(B, count) in [0, 1)."""
    device = scenes.box.device if generator is None else generator.device
    return uniform(0.0, 1.0, (len(scenes), count), generator, device).to(scenes.box)
