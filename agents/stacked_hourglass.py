"""Stacked hourglass networks (Newell, Yang, Deng 2016, arXiv:1603.06937), and two that attend."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.hourglass import Scales
from hardattn.blocks.multi_context import mean_field
from hardattn.blocks.residual_attention import Bottleneck
from hardattn.decoders.decoder import each_place
from hardattn.distributions import Delta
from hardattn.maps import AttentionMap
from hardattn.rollout import Decision
from hardattn.world import Observation

from .dense import Maps


class StackedHourglass(nn.Module):
    """Hourglass after hourglass; each answers with maps, and goes on from these and its features.

    x of a convolution at half the image's side and a bottleneck; then of each stack
    y = relu(BN(conv1x1(hourglass(x)))), maps = conv1x1(y), and x <- x + conv1x1(y) + conv1x1(maps).
    The last maps are the answer; the estimator `instructed` supervises those before. glimpse:
    (C, H, W).

    Departures: maps are compared with the true places by cross-entropy over places, as the task
    has it, where the paper's Gaussians have a squared error. Two scales down, where the paper has
    four, and two stacks for its eight.

    Args:
        layout: Where the questions lie, and where the answers, which the task says.
        stacks: Hourglasses, one after the other.
        depth: How often the middle of each halves the sides.
        width: Channels of features.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        layout: tuple[int, ...] = (),
        stacks: int = 2,
        depth: int = 2,
        width: int = 32,
    ):
        super().__init__()
        if stacks < 1:
            raise ValueError(f"a network of hourglasses has one at least, not {stacks}")
        self.maps = Maps(classes, layout)
        count = self.maps.count
        self.stem = nn.Sequential(
            nn.Conv2d(glimpse[0], width, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            Bottleneck(width, width // 2),
        )
        self.stacks = nn.ModuleList(Scales(width, depth) for _ in range(stacks))
        self.after = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
            for _ in range(stacks)
        )
        self.answers = nn.ModuleList(nn.Conv2d(width, count, 1) for _ in range(stacks))
        self.on = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(stacks - 1))
        self.back = nn.ModuleList(nn.Conv2d(count, width, 1) for _ in range(stacks - 1))

    def start(self, context: Tensor) -> Tensor:
        return context[:, :0]

    def features(self, stack: int, scales: list[Tensor]) -> Tensor:
        """What one hourglass made, at each scale -> what its maps are made of."""
        y: Tensor = self.after[stack](scales[-1])
        return y

    def said(self, stack: int, y: Tensor) -> Tensor:
        """The maps of one stack."""
        maps: Tensor = self.answers[stack](y)
        return maps

    def taught(
        self, state: Tensor, seen: Observation
    ) -> tuple[Tensor, Decision, tuple[Tensor, ...]]:
        """A step, and the answers of all stacks, for `instructed`."""
        x, answers = self.stem(seen.glimpse), list[Tensor]()
        for stack, hourglass in enumerate(self.stacks):
            assert isinstance(hourglass, Scales)
            y = self.features(stack, hourglass.scales(x))
            maps = self.said(stack, y)
            answers.append(self.maps.logits(maps))
            if stack < len(self.on):
                x = x + self.on[stack](y) + self.back[stack](maps)
        nought = torch.zeros_like(seen.step)
        where = Delta(torch.zeros_like(seen.location))
        return state, Decision(where, answers[-1], nought, nought), tuple(answers)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        return self.taught(state, seen)[:2]

    def instructed(self, answers: tuple[Tensor, ...], target: Tensor) -> Tensor:
        """The answers of all stacks, (B, P) targets -> (B,) the loss of all but the last."""
        target = target.view(len(target), -1)
        total = answers[0].new_zeros(len(target))
        for logits in answers[:-1]:
            each = logits.unflatten(1, (target.shape[1], -1)).transpose(1, 2)
            total = total + each_place(each, target)
        return total


class MultiContextStack(StackedHourglass):
    """Stacked hourglasses that attend (Chu et al. 2017, arXiv:1702.07432), by maps that hang
    together.

    In each stack: from the features of every scale, enlarged, a score; their sum becomes a gate by
    the mean field of a conditional random field, a <- sigmoid(s + k * a), three times with one
    kernel k; the gate multiplies y. In the last stack each answer has such a gate of its own, made
    of y: maps_p = w_p (a_p y) + b_p, what the paper calls part attention. Maps: the gates.

    Departures: those of `StackedHourglass`; the paper's residual units with a wide view are plain
    bottlenecks; its attention comes in the second half of eight stacks as parts, here in the last
    of two. The paper's text was not at hand; the mean field follows the released code.

    Args:
        layout: Where the questions lie, and where the answers, which the task says.
        width: Channels of features.
        depth: How often the middle of each halves the sides.
        kernel: Side of the kernel k, in pixels of the maps.
        steps: Steps of the mean field.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        layout: tuple[int, ...] = (),
        width: int = 32,
        depth: int = 2,
        kernel: int = 3,
        steps: int = 3,
        **options: object,
    ):
        given: Any = {"layout": layout, "width": width, "depth": depth, **options}
        super().__init__(glimpse, classes, **given)
        if kernel % 2 == 0:
            raise ValueError(f"a kernel around a place needs an odd side, not {kernel}")
        self.steps, count = steps, len(self.stacks)
        self.scores = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for _ in range(depth + 1))
            for _ in range(count)
        )
        self.spread = nn.ModuleList(
            nn.Conv2d(1, 1, kernel, padding=kernel // 2) for _ in range(count + 1)
        )
        self.part = nn.Conv2d(width, self.maps.count, 3, padding=1)
        self.whole_map = AttentionMap("spatial gate")
        self.part_map = AttentionMap("codes")

    def features(self, stack: int, scales: list[Tensor]) -> Tensor:
        y = super().features(stack, scales)
        size = (y.shape[2], y.shape[3])
        score = y.new_zeros(len(y), 1, *size)
        for convolution, seen in zip(self.scores[stack], scales, strict=True):  # type: ignore[call-overload]
            score = score + F.interpolate(convolution(seen), size, mode="nearest")
        gate: Tensor = self.whole_map(mean_field(score, self.spread[stack], self.steps))
        return y * gate

    def said(self, stack: int, y: Tensor) -> Tensor:
        if stack < len(self.stacks) - 1:
            return super().said(stack, y)
        score = self.part(y)
        alone = score.flatten(0, 1)[:, None]
        gate = self.part_map(mean_field(alone, self.spread[-1], self.steps).view_as(score))
        answer = self.answers[stack]
        assert isinstance(answer, nn.Conv2d) and answer.bias is not None
        # w_p (a_p y) is a_p (w_p y): a gate is one number at each place.
        return gate * F.conv2d(y, answer.weight) + answer.bias[:, None, None]
