"""How weights are found, apart from what is learned and by which estimator."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainOptions:
    """The training loop's own settings, in plain values. Names of rows are looked up by `train`."""

    images: int
    """Scenes looked at in training, rounded up to whole batches."""
    batch_size: int = 256
    """Scenes an update."""
    optimizer: str = "adam"
    """A row of OPTIMIZERS."""
    lr: float = 1e-3
    """The highest learning rate, before warmup and schedule."""
    momentum: float = 0.9
    """Of SGD; Adam's first beta."""
    weight_decay: float = 0.0
    """A penalty in the gradient of adam and sgd; apart from it in adamw and sam."""
    rho: float | None = None
    """How far uphill sam takes its gradient, in the norm of all weights; None: its default."""
    schedule: str = "cosine"
    """A row of SCHEDULES: how the learning rate falls over the training."""
    warmup: int = 200
    """Updates of linearly growing learning rate."""
    max_grad_norm: float = math.inf
    """Largest norm of the gradient over all weights; a longer one is shortened."""
    curriculum: float = 0.0
    """Share of training over which the looks grow from one to all of the world, see `looks_after`;
    0: all from the start. Validation always has them all."""
    growing: float = 0.0
    """Share of training over which scenes grow into what they are; 0: they are it from the start.
    Validation always has them as they are."""
    grows: Literal["clutter", "canvas", "both"] = "both"
    """What of them: how many pieces of clutter there are, how large the canvas is, or both."""
    led: float = 0.0
    """Share of training, its first, over which looks are led and the policy rests, so that there is
    an observer to please before anybody learns to please it; 0: none."""
    led_by: Literal["random", "target"] = "random"
    """Where led looks fall: random, anywhere; target, around it, which is privileged, because
    training then tells where the target is."""
    precision: Literal["float32", "bf16"] | None = None
    """In what products of training are computed: bf16, with weights, losses and all that is drawn
    in float32; None: float32, as in validation and evaluation always."""
    augment: tuple[str, ...] | None = None
    """How training scenes are changed: flip, shift, scale, rotate, colour, each NAME or
    NAME=STRENGTH. Boxes go along. None: not at all."""
    class_weights: str | None = None
    """balanced: a scene counts the more, the rarer its class is in training; None: all alike."""
    validate_every: int = 100_000
    """Scenes between validations, which are also checkpoints; rounded up to whole batches."""
    keep: str = "best"
    """A row of KEEP: by which the weights are chosen among those of the validations."""
