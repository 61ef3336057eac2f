"""A network that answers at every place of the image, in one look at everything."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.decoders import DECODERS
from hardattn.distributions import Delta
from hardattn.maps import charged
from hardattn.rollout import Decision
from hardattn.world import Observation

from .soft import CNN, no_block, place

Block = Callable[[int], nn.Module]
Decoding = Literal["plain", "class_feature", "reverse", "inference", "pyramid", "region"]


class Maps:
    """How maps over the image become the answers to a task, and its targets maps.

    layout: of the task. Of a mask, questions lie over the image and there is a map for each answer;
    of key points, answers lie over it and there is a map for each question.
    """

    def __init__(self, classes: int, layout: tuple[int, ...]):
        asked, answered = layout[:2], layout[2:]
        if not any(layout):
            raise ValueError("a network that answers at places needs a task that lays them out")
        self.masks = any(asked)
        self.size: tuple[int, int] = tuple(asked if self.masks else answered)  # type: ignore[assignment]
        self.count = classes // (self.size[0] * self.size[1])

    def logits(self, maps: Tensor) -> Tensor:
        """(B, count, h, w) of any sides -> (B, classes)."""
        if maps.shape[2:] != self.size:
            maps = F.interpolate(maps, self.size, mode="bilinear", align_corners=False)
        return (maps.flatten(2).mT if self.masks else maps.flatten(2)).flatten(1)

    def truth(self, target: Tensor) -> Tensor:
        """(B, P) targets of a mask -> (B, h, w)."""
        if not self.masks:
            raise ValueError("only a mask says of each place what is there: not key points")
        return target.unflatten(1, self.size)


class Dense(nn.Module):
    """A small residual CNN, blocks where they belong, and a decoder that answers at every place.

    Features at a half and a quarter of the image's side, those of `agents.SoftAgent`, go through a
    row of `decoders.DECODERS`. What blocks charge is the cost; what a decoder says on the way is
    supervised by the estimator `instructed`, and by no other. Its place is the centre.
    glimpse: (C, H, W).

    Args:
        layout: Where the questions lie, and where the answers, which the task says.
        decoder: What becomes of features: plain, class_feature (ACFNet), reverse, inference (GAIN),
            pyramid, region (RANet).
        block: Made for a number of channels; stands in the backbone where its class says.
        width: Channels of the backbone.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        layout: tuple[int, ...] = (),
        decoder: Decoding = "plain",
        block: Block = no_block,
        width: int = 32,
    ):
        super().__init__()
        if decoder not in DECODERS:
            raise ValueError(f"no decoder {decoder!r}: choose one of {', '.join(DECODERS)}")
        self.maps = Maps(classes, layout)
        self.features = CNN(tuple(glimpse), width, width)
        self.decoder: Any = DECODERS[decoder](width, width // 2, self.maps.count)
        # Last: the rest starts alike with it and without.
        place(self.features, block, width)

    def start(self, context: Tensor) -> Tensor:
        return context[:, :0]

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        return self.taught(state, seen)[:2]

    def taught(
        self, state: Tensor, seen: Observation
    ) -> tuple[Tensor, Decision, tuple[Tensor, ...]]:
        """A step, and all that the decoder said, for `instructed`."""
        nought = torch.zeros_like(seen.step)
        with charged() as costs:
            fine = self.features.fine(seen.glimpse)
            answers = self.decoder(self.features.deep(fine), fine)
        cost = sum(costs, nought)
        where = Delta(torch.zeros_like(seen.location))
        decision = Decision(where, self.maps.logits(answers[0]), nought, cost)
        return state, decision, answers

    def instructed(self, answers: tuple[Tensor, ...], target: Tensor) -> Tensor:
        """What a step said, targets -> (B,) the loss of what was said on the way."""
        size = self.maps.size
        larger = tuple(
            F.interpolate(each, size, mode="bilinear", align_corners=False)
            if each.dim() == 4 and each.shape[2:] == answers[0].shape[2:] != size
            else each
            for each in answers
        )
        loss: Tensor = self.decoder.instructed(larger, self.maps.truth(target))
        return loss
