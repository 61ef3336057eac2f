"""Who sees a whole clip at once, and attends in time; and RAM that chooses a frame of one."""

from typing import Literal

import torch
from torch import Tensor, nn

from hardattn.blocks.temporal import TEMPORAL
from hardattn.distributions import Delta
from hardattn.rollout import Decision
from hardattn.world import Observation

from .gaussian import ZoomRAM
from .soft import CNN

Temporal = Literal[
    "none", "convolution", "gltr", "spatio_temporal", "temporal_adaptive", "temporal_pooling"
]


class ClipAgent(nn.Module):
    """A classifier of clips: a CNN for each frame, what attends between frames, a mean, an answer.

    Frames, which stand side by side in an image, go through the same small residual network
    (`soft.CNN`), beside which each pixel's place in its frame is shown, x and y. Of (B, F, D, h, w)
    features a row of TEMPORAL makes as many; the answer is linear in their mean over frames and
    places. With "none" that is the twin without attention, to which frames have no order. For a
    `Whole` sensor; its place is the centre, as looking is not a choice.

    glimpse: (C, H, frames * W), the shape of what a `Whole` sensor shows.

    Args:
        frames: How many frames stand side by side in an image.
        temporal: How features of one frame learn of the others, a row of TEMPORAL.
        width: Channels of the network.
        middle: Width of the hidden layer of each of its units; by default that of the network.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        frames: int = 1,
        temporal: Temporal = "gltr",
        width: int = 32,
        middle: int | None = None,
    ):
        super().__init__()
        if len(glimpse) != 3 or glimpse[2] % frames:
            raise ValueError(
                f"{frames} frames stand side by side in an image (C, H, W), not in "
                f"{tuple(glimpse)}: use the sensor 'whole'"
            )
        if temporal not in TEMPORAL:
            raise ValueError(f"no temporal {temporal!r}: choose one of {', '.join(TEMPORAL)}")
        channels, height, whole = glimpse
        self.frames = frames
        self.features = CNN((channels + 2, height, whole // frames), width, middle or width)
        self.temporal = TEMPORAL[temporal](width, frames)
        self.classifier = nn.Linear(width, classes)
        y, x = torch.linspace(-1, 1, height), torch.linspace(-1, 1, whole // frames)
        self.place: Tensor
        self.register_buffer(
            "place", torch.stack(torch.meshgrid(x, y, indexing="xy")), persistent=False
        )

    def start(self, context: Tensor) -> Tensor:
        return context[:, :0]

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        frames = seen.glimpse.unflatten(3, (self.frames, -1)).permute(0, 3, 1, 2, 4)
        place = self.place.to(frames.dtype).expand(*frames.shape[:2], -1, -1, -1)
        features = self.features(torch.cat([frames, place], 2).flatten(0, 1))
        features = self.temporal(features.unflatten(0, (-1, self.frames)))
        logits = self.classifier(features.mean((1, 3, 4)))
        nought = torch.zeros_like(seen.step)
        return state, Decision(Delta(torch.zeros_like(seen.location)), logits, nought, nought)


class FrameRAM(ZoomRAM):
    """RAM that chooses a frame of a clip and a place in it: places are (x, y, t), of `Frames`.

    The twin of `ClipAgent` that looks: it sees neither the other frames nor the rest of its own.

    Departures from RAM: a place is of three numbers, and the one `std` is that of the time as well,
    in halves of the clip.

    Args:
        places: Numbers that say a place, those of the sensor.
        hidden: Units of the recurrent state.
        what: Units between the glimpse and the features.
        where: Units between the place and the features.
        filters: Channels of a 3x3 convolution that glimpses go through first; by default none.
        filter_stride: Its stride, in pixels of the glimpse; by default 1.
    """
