"""Show, attend and tell (Xu, Ba, Kiros, Cho, Courville, Salakhutdinov, Zemel, Bengio 2015).

ICML 2015, arXiv:1502.03044.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hardattn.distributions import Categorical
from hardattn.nn.cells import PlacedCells
from hardattn.nn.layers import AdditiveScores, CellFeatures, Core, attend
from hardattn.nn.words import Said, Words
from hardattn.rollout import Decision
from hardattn.world import Observation


class Telling(NamedTuple):
    """What is carried from look to look."""

    features: Tensor  # (B, N, D) annotations, made once
    keys: Tensor  # (B, N, hidden) of the annotations, made once
    core: Tensor  # (B, 2 * hidden)
    covered: Tensor  # (B, N) attention given so far, the next look's included


class ShowAttendTell(nn.Module):
    """An LSTM that looks at features of cells: soft or hard, by the draw alone.

    e_n = f_att(a_n, h), alpha = softmax(e); z = beta sum_n w_n a_n with beta = sigmoid(f_beta(h));
    h' = LSTM(z, h); answer L_h h' + L_z z. The weights w are alpha itself under the draw "soft"
    (the estimator soft_attention) and one cell drawn from alpha under "sample" (moving_average;
    with soft=0.5 half of the episodes take the expectation, as the paper does). So soft and hard
    attention are one network with the same weights. The LSTM starts from tanh(f_init(mean a)).

    glimpse: the shape of one cell. context: of the whole image. looks: of the world. doubly: the
    price lambda of sum_n (1 - sum_t alpha_tn)^2, charged at the last look; alpha are the
    probabilities, however the cell was drawn. The paper has it in soft attention only.

    Departures: the answer is a class and not a word, so that no word is fed back; it is the linear
    L_h h + L_z z of the paper's eq. 7. A small net that is learned stands for the fixed VGG, and
    sizes are small. The first look, which is the world's, is the mean annotation and attends to
    nothing, so T looks attend T - 1 times. There is no critic: value is 0. The released code
    (kelvinxu/arctic-captions) has a tanh in the answer and scales the reward, which this has not.

    Args:
        context: Shape of what is told before the first look, (0,) or (C, h, w).
        looks: How many looks there are.
        features: Width of what a glimpse, or a cell, is turned into.
        hidden: Units of the LSTM.
        doubly: Price of the doubly stochastic penalty.
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
        doubly: float = 0.0,
    ):
        super().__init__()
        self.looks, self.doubly = looks, doubly
        self.encoder: nn.Module = CellFeatures(context, glimpse[1:], features)
        self.core = Core("lstm", features, hidden)
        self.initial = nn.Linear(features, 2 * hidden)
        self.scores = AdditiveScores(features, hidden, hidden)
        self.gate = nn.Linear(hidden, 1)
        self.from_hidden = nn.Linear(hidden, classes)
        self.from_feature = nn.Linear(features, classes, bias=False)

    def start(self, context: Tensor) -> Telling:
        features = self.encoder(context)
        core = torch.tanh(self.initial(features.mean(1)))
        return Telling(
            features, self.scores.keys(features), core, torch.zeros_like(features[..., 0])
        )

    def step(self, state: Telling, seen: Observation) -> tuple[Telling, Decision]:
        z = self.attended(state, seen)
        core = self.core(z, state.core)
        h = self.core.output(core)
        logits = self.from_hidden(h) + self.from_feature(z)
        return self.decided(state, seen, core, Categorical(self.scores(state.keys, h)), logits)

    def attended(self, state: Telling, seen: Observation) -> Tensor:
        """z, (B, D): what is told of the image at this look."""
        gate = torch.sigmoid(self.gate(self.core.output(state.core)))
        return gate * attend(state.features, seen.location, seen.step)

    def decided(
        self, state: Telling, seen: Observation, core: Tensor, place: Categorical, logits: Tensor
    ) -> tuple[Telling, Decision]:
        """The next state and the decision, with what it costs to leave cells out at the last."""
        last = (seen.step * self.looks).round() == self.looks - 1
        cost = self.doubly * ((1 - state.covered) ** 2).sum(-1) * last
        state = state._replace(core=core, covered=state.covered + place.mean)
        return state, Decision(place, logits, torch.zeros_like(seen.step), cost)


class Speaking(NamedTuple):
    """What is carried from look to look by one who tells in words."""

    telling: Telling
    said: Said


class TellingInWords(ShowAttendTell):
    """Show, attend and tell as a captioner: its own words are fed back.

    h' = LSTM([E y; z], h) and logits L_o (E y + L_h h' + L_z z), eq. 7 of the paper, with y the
    word before: its own, or in training the true one (`hardattn.estimators.taught`). All else, soft
    or hard by the draw alone, is as in `ShowAttendTell`: the word that follows a look is told of
    what was looked at. The first look, the world's, sees everything alike: no word before it could
    say where, and a sentence of `captions` begins with a word that is always the same.

    Departures: those of `ShowAttendTell` but for the first; there is no dropout. The features are
    normalised, and know where they are (`PlacedCells`): those of the VGG know of the whole image.

    Args:
        context: Shape of what is told before the first look, (0,) or (C, h, w).
        looks: How many looks there are.
        features: Width of what a glimpse, or a cell, is turned into.
        hidden: Units of the LSTM.
        embedding: Width of the vectors of words.
        each: Looks before each word.
        doubly: Price of the doubly stochastic penalty.
        attention: Whether to attend; otherwise to all cells alike, the control.
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
        each: int = 1,
        doubly: float = 0.0,
        attention: bool = True,
    ):
        super().__init__(
            glimpse,
            embedding,
            context=context,
            looks=looks,
            features=features,
            hidden=hidden,
            doubly=doubly,
        )
        self.attention = attention
        self.encoder = PlacedCells(context, glimpse[1:], features)
        self.core = Core("lstm", embedding + features, hidden)
        self.words = Words(classes, embedding, each, looks)
        self.output = nn.Linear(embedding, classes)

    def start(self, context: Tensor) -> Speaking:  # type: ignore[override]
        telling = super().start(context)
        return Speaking(telling, self.words.start(telling.core))

    def step(  # type: ignore[override]
        self, state: Speaking, seen: Observation
    ) -> tuple[Speaking, Decision]:
        z, before = self.attended(state.telling, seen), self.words(state.said)
        core = self.core(torch.cat([before, z], 1), state.telling.core)
        h = self.core.output(core)
        logits = self.output(before + self.from_hidden(h) + self.from_feature(z))
        scores = self.scores(state.telling.keys, h)
        place = Categorical(scores if self.attention else torch.zeros_like(scores))
        telling, decision = self.decided(state.telling, seen, core, place, logits)
        return Speaking(telling, self.words.after(state.said, logits, seen.step)), decision
