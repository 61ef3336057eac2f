"""Show, attend and tell (Xu, Ba, Kiros, Cho, Courville, Salakhutdinov, Zemel, Bengio 2015).

ICML 2015, arXiv:1502.03044.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hardattn.distributions import Categorical
from hardattn.nn.layers import AdditiveScores, CellFeatures, Core, attend
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
        self.encoder = CellFeatures(context, glimpse[1:], features)
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
        gate = torch.sigmoid(self.gate(self.core.output(state.core)))
        z = gate * attend(state.features, seen.location, seen.step)
        core = self.core(z, state.core)
        h = self.core.output(core)
        place = Categorical(self.scores(state.keys, h))
        last = (seen.step * self.looks).round() == self.looks - 1
        cost = self.doubly * ((1 - state.covered) ** 2).sum(-1) * last
        state = state._replace(core=core, covered=state.covered + place.mean)
        logits = self.from_hidden(h) + self.from_feature(z)
        return state, Decision(place, logits, torch.zeros_like(seen.step), cost)
