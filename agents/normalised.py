"""An agent that sees every channel with the mean and the spread that training images have."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hardattn.rollout import Decision
from hardattn.world import Observation


class Normalised(nn.Module):
    """Any agent, to which what it is shown has mean 0 and spread 1, channel by channel.

    Mean and spread are kept with the weights, so that whoever has these, a checkpoint, an exported
    graph or a folder that was handed on, shows it images in [0, 1] as before. Until `of` was called
    they are 0 and 1, and nothing changes. What a sensor shows of channels beside the image, black,
    is moved with them.

    Args:
        agent: Whoever looks and answers.
        glimpse: The shape of one glimpse, (S * C, ...) of S scales, one scale after the other.
        channels: C, of the images.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, agent: Any, glimpse: Sequence[int], channels: int):
        super().__init__()
        if not glimpse or glimpse[0] % channels:
            raise ValueError(
                f"a glimpse of {tuple(glimpse)} does not show {channels} channels at each scale, "
                "so they cannot be normalised"
            )
        self.agent = agent
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(channels))

    def __getattr__(self, name: str) -> Any:
        # What an estimator asks of an agent beyond the contract is asked of the one inside.
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("agent"), name)

    def of(self, mean: Tensor, spread: Tensor) -> None:
        """Take the mean and the spread of each channel, (C,) each."""
        self.mean.copy_(mean)
        self.spread.copy_(spread)

    def start(self, context: Tensor) -> Any:
        """A view of the image is normalised; a place, or nothing, is not."""
        return self.agent.start(self._seen(context) if context.dim() == 4 else context)

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        made: tuple[Any, Decision] = self.agent.step(
            state, seen._replace(glimpse=self._seen(seen.glimpse))
        )
        return made

    def _seen(self, shown: Tensor) -> Tensor:
        """(B, S * C, ...) in [0, 1] -> the same, normalised."""
        by_channel = shown.unflatten(1, (-1, len(self.mean)))
        shape = (-1, *[1] * (by_channel.dim() - 3))
        return ((by_channel - self.mean.view(shape)) / self.spread.view(shape)).flatten(1, 2)
