"""Glance and focus (Wang, Lv, Huang, Song, Yang, Huang 2020, GFNet, arXiv:2010.05300)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hardattn.distributions import Gaussian, Stop
from hardattn.nn.heads import Scalar, later
from hardattn.nn.layers import Core
from hardattn.rollout import Decision
from hardattn.world import Observation

# Logits of a stop that is no longer a matter of chance.
CERTAIN = 100.0


class Glanced(NamedTuple):
    """What the two recurrent nets remember."""

    answering: Tensor  # (B, D)
    looking: Tensor  # (B, D)


class GlanceFocus(nn.Module):
    """A glance at the whole, coarse; then crops; and enough, once the answer is confident.

    e_0 = f_G(context), e_t = f_L(glimpse_t); answer = W GRU_C(e_0 ... e_t); the policy, with a GRU
    of its own, is N(mean(GRU_P(e_0 ... e_t)), std^2), and so is the critic. Neither trains the
    encoders. Made for a world with context "coarse", and for "ppo" or "per_look_gain".

    threshold: in evaluation, and only there, it stops as soon as the largest probability is above
    this; None looks on to the end. The paper finds one threshold a look, from a budget.

    Departures: encoders are two rectified layers instead of ImageNet CNNs, and there is one answer
    and one policy net for glance and crops. The paper's three stages of training are one. The
    world places the first crop, not the policy, so that the policy is told where it looked; the
    glance alone is never asked. std and the sizes are from memory or choices: the paper's text was
    not at hand.

    Args:
        context: Shape of what is told before the first look, (0,) or (C, h, w).
        places: Numbers that say a place, those of the sensor.
        hidden: Units of the recurrent state.
        features: Units of what a glance or a crop says.
        std: Standard deviation of the Gaussian policy, in half-sides of the image.
        threshold: Stop looking, in use, once this sure.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        places: int = 2,
        hidden: int = 256,
        features: int = 128,
        std: float = 0.2,
        threshold: float | None = None,
    ):
        super().__init__()
        if threshold is not None and not 0 <= threshold <= 1:
            raise ValueError(f"a threshold is a probability, not {threshold}")
        self.std, self.threshold = std, threshold
        self.glance = _encoder(torch.Size(context).numel(), features)
        self.focus = _encoder(torch.Size(glimpse).numel(), features)
        self.answering = Core("gru", features, hidden)
        self.looking = Core("gru", features + places, hidden)
        self.classifier = nn.Linear(hidden, classes)
        self.locator = nn.Linear(hidden, places)
        self.critic = Scalar(hidden)
        self.places = places

    def start(self, context: Tensor) -> Glanced:
        seen = self.glance(context.flatten(1))
        nowhere = seen.new_zeros(seen.shape[0], self.places)
        return self._remember(
            Glanced(self.answering.start(seen), self.looking.start(seen)), seen, nowhere
        )

    def step(self, state: Glanced, seen: Observation) -> tuple[Glanced, Decision]:
        state = self._remember(state, self.focus(seen.glimpse.flatten(1)), seen.location)
        logits = self.classifier(state.answering)
        place = Gaussian(torch.tanh(self.locator(state.looking)), self.std)
        value = later(self.critic, state.looking.detach())
        return state, Decision(
            place, logits, value, torch.zeros_like(seen.step), self._enough(logits)
        )

    def _remember(self, state: Glanced, features: Tensor, place: Tensor) -> Glanced:
        looked = torch.cat([features.detach(), place], 1)
        return Glanced(
            self.answering(features, state.answering), self.looking(looked, state.looking)
        )

    def _enough(self, logits: Tensor) -> Stop | None:
        if self.threshold is None or self.training:
            return None
        return stop_when_sure(logits, self.threshold)


def stop_when_sure(logits: Tensor, threshold: float) -> Stop:
    """To stop, without any chance, where the largest probability of (B, K) is above this."""
    sure = logits.softmax(-1).amax(-1) > threshold
    return Stop(torch.where(sure, CERTAIN, -CERTAIN).to(logits.dtype))


def _encoder(pixels: int, features: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(pixels, features), nn.ReLU(), nn.Linear(features, features), nn.ReLU()
    )
