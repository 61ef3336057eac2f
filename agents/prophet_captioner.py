"""Prophet attention (Liu, Ren, Wu, Ge, Fan, Zou, Sun 2020, arXiv:2210.10914)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.nn.layers import AdditiveScores
from hardattn.nn.words import Said
from hardattn.rollout import Decision
from hardattn.world import Observation

from .show_attend_tell import Speaking, TellingInWords


class Foreseeing(NamedTuple):
    """What is carried from look to look."""

    speaking: Speaking
    weights: Tensor  # (B, N) where the last look attended
    asked: Tensor  # (B, hidden) by which state
    before: Tensor  # (B,) int64 after which word


class ProphetCaptioner(TellingInWords):
    """Show, attend and tell in words, whose attention is held to that of one who knows the word.

    In training, once the word y that a look was for is known, the prophet attends to the cells by
    the state before and y, alpha^ = softmax(f(a, [h; E y])); it is charged for -log p(y) from what
    it sees, by the same layers, and |alpha - alpha^|_1 is charged for each word that could name
    something. Nothing is charged after the end of a sentence. In use there is no prophet, and all
    is as in `TellingInWords`. Made for `soft_attention`: where cells are drawn, alpha is the cell.

    Departures: the paper's text was not at hand, but for its abstract; what it has besides, the
    weight of 0.1 as well, is told from memory and was not verified. The query is one word, the
    paper's "constant" variant, and not a phrase; the state is given to it as well, because one word
    may lie in several places; alpha^ learns from alpha as alpha does from it; the paper first
    trains without. Those of `TellingInWords`.

    Args:
        context: Shape of what is told before the first look, (0,) or (C, h, w).
        looks: How many looks there are.
        features: Width of what a glimpse, or a cell, is turned into.
        hidden: Units of the LSTM.
        embedding: Width of the vectors of words.
        doubly: Price of the doubly stochastic penalty.
        prophecy: Weight of the distance to the prophet's attention.
        mute: Words, the last of the vocabulary, that name nothing; of `captions` four.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        looks: int,
        features: int = 64,
        hidden: int = 128,
        embedding: int = 32,
        doubly: float = 0.0,
        prophecy: float = 0.1,
        mute: int = 4,
    ):
        super().__init__(
            glimpse,
            classes,
            context=context,
            looks=looks,
            features=features,
            hidden=hidden,
            embedding=embedding,
            doubly=doubly,
        )
        self.prophecy, self.naming = prophecy, classes - mute
        self.prophet = AdditiveScores(features, hidden + embedding, hidden)

    def start(self, context: Tensor) -> Foreseeing:  # type: ignore[override]
        speaking = super().start(context)
        h = self.core.output(speaking.telling.core)
        alike = torch.full_like(speaking.telling.covered, 1 / speaking.telling.covered.shape[1])
        return Foreseeing(speaking, alike, h, speaking.said.word)

    def step(  # type: ignore[override]
        self, state: Foreseeing, seen: Observation
    ) -> tuple[Foreseeing, Decision]:
        speaking, decision = super().step(state.speaking, seen)
        if self.training:
            began = (seen.step > 0).to(seen.step)  # before the first look nothing was said
            decision = decision._replace(cost=decision.cost + began * self.foresee(state))
        h = self.core.output(state.speaking.telling.core)
        return Foreseeing(speaking, seen.location, h, state.speaking.said.word), decision

    def foresee(self, state: Foreseeing) -> Tensor:
        """(B,): the charge for the word that was said last."""
        telling, word = state.speaking.telling, state.speaking.said.word
        query = torch.cat([state.asked, self.words(state.speaking.said)], 1)
        keys = self.prophet.keys(telling.features)
        ideal = self.prophet(keys, query).softmax(-1)
        z = torch.sigmoid(self.gate(state.asked)) * (ideal[:, None] @ telling.features)[:, 0]
        h = self.core.output(telling.core)  # of the word that is foreseen
        before = self.words(Said(state.before))
        logits = self.output(before + self.from_hidden(h) + self.from_feature(z))
        end = logits.shape[1] - 1
        told = word.clamp_max(end)
        wrong = F.cross_entropy(logits, told, reduction="none")
        apart = (state.weights - ideal).abs().sum(-1) * (word < self.naming)
        return wrong * (state.before != end) + self.prophecy * apart
