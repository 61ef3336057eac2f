"""RAM whose answer attends over its looks: temporal attention pooling."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap
from hardattn.nn.layers import CoreKind
from hardattn.rollout import Decision
from hardattn.world import Observation

from .ram import RAM


class Looks(NamedTuple):
    """What is carried from look to look; the latest look is the last row."""

    core: Tensor
    seen: Tensor  # (B, T, hidden) states of the core after the looks that were taken
    taken: Tensor  # (B, T) bool, which rows are such


class TemporalRAM(nn.Module):
    """RAM that answers from all of its states: w = softmax over the looks taken of v' tanh(W h_s).

    Logits after look t are Lin(sum_s w_s h_s), s <= t, by RAM's classifier, so that after the first
    look the answer is RAM's. Map, after each look: w, (B, 1, T), nought for looks not yet taken.
    Where to look next, and the return to expect, are RAM's and read h_t alone.

    looks: how many are remembered, T; as a rule the world's. attention: rows of W. The rest as in
    `RAM`, whose departures it has.

    This is the smallest way to attend in time: the scores are those of Bahdanau et al. (2015,
    arXiv:1409.0473) without a query. GLTR (Li et al. 2019, arXiv:1908.10049) has a pyramid of
    dilated convolutions and self-attention, made for sequences much longer than a few looks.

    Args:
        looks: How many looks there are.
        core: The recurrent cell.
        hidden: Units of the recurrent state.
        what: Units between the glimpse and the features.
        where: Units between the place and the features.
        std: Standard deviation of the Gaussian policy, in half-sides of the image.
        joint: Let the policy's gradient train the core as well.
        attention: Units that score a look.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        looks: int,
        core: CoreKind = "rnn",
        hidden: int = 256,
        what: int = 128,
        where: int = 128,
        std: float = 0.17,
        joint: bool = False,
        attention: int = 64,
    ):
        super().__init__()
        self.looks = looks
        self.ram = RAM(
            glimpse,
            classes,
            core=core,
            hidden=hidden,
            what=what,
            where=where,
            std=std,
            joint=joint,
        )
        self.score = nn.Sequential(
            nn.Linear(hidden, attention), nn.Tanh(), nn.Linear(attention, 1, bias=False)
        )
        self.map = AttentionMap("pooled query", over=(-1,))

    def start(self, context: Tensor) -> Looks:
        core = self.ram.start(context)
        seen = core.new_zeros(core.shape[0], self.looks, self.ram.core.hidden)
        return Looks(core, seen, torch.zeros_like(seen[..., 0], dtype=torch.bool))

    def step(self, state: Looks, seen: Observation) -> tuple[Looks, Decision]:
        core, decision = self.ram.step(state.core, seen)
        now = self.ram.core.output(core)[:, None]
        looks = torch.cat([state.seen[:, 1:], now], 1)
        taken = torch.cat([state.taken[:, 1:], torch.ones_like(state.taken[:, :1])], 1)
        scores = self.score(looks)[..., 0].masked_fill(~taken, -torch.inf)
        weights = self.map(scores.softmax(1)[:, None])
        logits = self.ram.classifier((weights @ looks)[:, 0])
        return Looks(core, looks, taken), decision._replace(logits=logits)
