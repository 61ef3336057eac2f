"""Self-critical attention learning (Chen, Lin, Ren, Lu, Zhou, ICCV 2019): the attention agent.

The paper has no arXiv number. Its critic is in hardattn/estimators/critic.py: it is what the agent
learns from, and no part of who looks.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from hardattn.blocks.se import hidden_units
from hardattn.distributions import Categorical
from hardattn.nn.layers import AdditiveScores, CellFeatures, attend
from hardattn.rollout import Decision
from hardattn.world import Observation

ATTENTION = ("spatial", "channel", "both")


class Attending(NamedTuple):
    """What one image gives; a critic reads it beside the place."""

    features: Tensor  # (B, N, D)
    gate: Tensor  # (B, D) of channels; ones without channel attention


class SCAL(nn.Module):
    """A classifier of features that are pooled by attention; two looks, without it and with it.

    First answer: C(mean_n a_n). Second: C(gate * sum_n w_n a_n), where w are the weights of
    Categorical(w' tanh(W a_n + U mean a)) (spatial; uniform otherwise) and
    gate = sigmoid(W2 relu(W1 mean a)) as in squeeze-and-excitation (channel; ones otherwise).
    Made for the draw "soft" and the estimator SelfCriticalAttention, which rewards the second
    answer for being better than the first.

    glimpse: the shape of one cell. context: of the whole image. reduction: of the gate's middle
    layer, features / r units, but at least eight.

    Departures: the paper's text was not at hand (its abstract, and V = C(features, attention), are
    confirmed), and so the form of both maps is a choice: weights over cells sum to one. It finds
    persons again, in several stages of a deep net; this classifies, and attends once. Its triplet
    loss is left out.

    Args:
        context: Shape of what is told before the first look, (0,) or (C, h, w).
        attention: Over cells, over channels, or over both.
        features: Width of what a glimpse, or a cell, is turned into.
        hidden: Units of the hidden layers.
        reduction: Of the channel gate's middle layer.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        attention: Literal["spatial", "channel", "both"] = "spatial",
        features: int = 64,
        hidden: int = 128,
        reduction: int = 16,
    ):
        super().__init__()
        if attention not in ATTENTION:
            raise ValueError(f"no attention {attention!r}: choose one of {', '.join(ATTENTION)}")
        self.features = features
        self.encoder = CellFeatures(context, glimpse[1:], features)
        self.spatial = self.channel = None
        if attention != "channel":
            self.spatial = AdditiveScores(features, features, hidden)
        if attention != "spatial":
            middle = hidden_units(features, reduction)
            self.channel = nn.Sequential(
                nn.Linear(features, middle), nn.ReLU(), nn.Linear(middle, features), nn.Sigmoid()
            )
        self.answer = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def start(self, context: Tensor) -> Attending:
        features = self.encoder(context)
        mean = features.mean(1)
        return Attending(features, self.channel(mean) if self.channel else torch.ones_like(mean))

    def step(self, state: Attending, seen: Observation) -> tuple[Attending, Decision]:
        z = attend(state.features, seen.location, seen.step)
        z = torch.where(seen.step[:, None] == 0, z, z * state.gate)
        logits = torch.zeros_like(seen.location)
        if self.spatial:
            keys = self.spatial.keys(state.features)
            logits = self.spatial(keys, state.features.mean(1))
        nought = torch.zeros_like(seen.step)
        return state, Decision(Categorical(logits), self.answer(z), nought, nought)
