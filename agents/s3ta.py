"""S3TA: soft, spatial, sequential, top-down attention, as a classifier (Zoran et al. 2020).

Zoran, Chrzanowski, Huang, Gowal, Mott, Kohli, CVPR 2020, arXiv:1912.02184; the mechanism is that of
Mott et al. 2019, arXiv:1906.02500.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hardattn.distributions import Categorical
from hardattn.nn.heads import later
from hardattn.nn.layers import CellFeatures, Core, CoreKind, attend, spatial_basis
from hardattn.rollout import Decision
from hardattn.world import Observation


class Glancing(NamedTuple):
    """What is carried from look to look."""

    keys: Tensor  # (B, N, K + S), made once
    values: Tensor  # (B, N, V + S), made once
    core: Tensor


class Sequential(nn.Module):
    """The soft twin of RAM: a recurrent core asks, a whole feature map answers, T times.

    Keys and values are parts of one feature map, each with a fixed spatial basis beside it;
    q = MLP(h), alpha = softmax_n(k_n' q), answer z = sum_n alpha_n v_n; h' = core(z, h); class
    logits from h', after every look. Made for the draw "soft" and the estimator soft_attention; a
    cell drawn from alpha makes it hard.

    glimpse: the shape of one cell. context: of the whole image. core, hidden: as RAM's. keys,
    values, frequencies: K, V and the basis, S = (2 frequencies)^2; those of Mott et al. are 8, 120
    and S = 64.

    Departures: a small net for the ResNet; one query a look, so that the place is the map (the
    paper can have more); any core, where the paper has an LSTM. As in RAM the first look is the
    world's and not asked for: here it is the mean of the values. Size of the MLP and form of the
    basis follow a replication of Mott et al.; those of the paper are not confirmed.

    Args:
        context: Shape of what is told before the first look, (0,) or (C, h, w).
        core: The recurrent cell.
        hidden: Units of the recurrent state.
        keys: Channels that are asked.
        values: Channels that answer.
        frequencies: Of the spatial basis, which has (2 * frequencies)^2 channels.
    """

    basis: Tensor

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        core: CoreKind = "lstm",
        hidden: int = 256,
        keys: int = 8,
        values: int = 120,
        frequencies: int = 4,
    ):
        super().__init__()
        self.encoder = CellFeatures(context, glimpse[1:], keys + values)
        self.sizes = [keys, values]
        rows, columns = context[1] // glimpse[1], context[2] // glimpse[2]
        self.register_buffer("basis", spatial_basis(rows, columns, frequencies))
        spatial = self.basis.shape[1]
        self.core = Core(core, values + spatial, hidden)
        self.query = nn.Sequential(
            nn.Linear(hidden, 128), nn.ReLU(), nn.Linear(128, keys + spatial)
        )
        self.classifier = nn.Linear(hidden, classes)

    def start(self, context: Tensor) -> Glancing:
        keys, values = self.encoder(context).split(self.sizes, 2)
        basis = self.basis.expand(context.shape[0], -1, -1)
        return Glancing(
            torch.cat([keys, basis], 2), torch.cat([values, basis], 2), self.core.start(context)
        )

    def step(self, state: Glancing, seen: Observation) -> tuple[Glancing, Decision]:
        core = self.core(attend(state.values, seen.location, seen.step), state.core)
        h = self.core.output(core)
        place = Categorical((state.keys @ self.query(h)[..., None])[..., 0])
        nought = torch.zeros_like(seen.step)
        return state._replace(core=core), Decision(place, later(self.classifier, h), nought, nought)
