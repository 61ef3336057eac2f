"""Slot attention (Locatello et al. 2020, arXiv:2006.15055), as a head that answers a class."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap
from hardattn.noise import normal


class SlotAttention(nn.Module):
    """S slots compete for places, `rounds` times; each votes for a class, and votes are averaged.

    Places are x_n = MLP(LN(features + Lin(position))), slots start as mu + sigma * noise. A round:
    a = softmax over slots of k(x_n) . q(LN(slot)) / sqrt(D); u = sum_n a_n / (sum_n a_n) v(x_n);
    slot = GRU(u, slot), then slot + MLP(LN(slot)). (B, C, H, W) -> (B, K). Map, of each round: a
    before it is normalised over places, (B, S, H, W), sums to one over slots. At a place its
    density is the largest share, so it says where slots agree on whose the place is.

    Noise is fresh in training. In evaluation the slots start from S fixed draws, made at
    construction and saved with the weights: without any noise all slots would stay the same.

    Departures: the paper predicts a set, one element a slot, and starts from fresh noise in
    evaluation, too; for one class the votes of all slots are averaged. Slots are as wide as the
    features, where the paper has 64; their MLP is twice as wide, as there.

    Args:
        slots: Vectors that compete for places.
        rounds: How often it is repeated.
    """

    placement = "pooling"

    start: Tensor

    def __init__(self, channels: int, classes: int, *, slots: int = 7, rounds: int = 3):
        super().__init__()
        self.rounds = rounds
        self.position = nn.Linear(4, channels)
        self.encode = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, channels),
            nn.ReLU(),
            nn.Linear(channels, channels),
            nn.LayerNorm(channels),
        )
        self.mean = nn.Parameter(torch.empty(1, channels))
        self.log_std = nn.Parameter(torch.empty(1, channels))
        nn.init.xavier_uniform_(self.mean)
        nn.init.xavier_uniform_(self.log_std)
        noise = torch.randn(slots, channels, generator=torch.Generator().manual_seed(0))
        self.register_buffer("start", noise)
        self.before, self.between = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.key = nn.Linear(channels, channels, bias=False)
        self.query = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels, bias=False)
        self.cell = nn.GRUCell(channels, channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.ReLU(), nn.Linear(2 * channels, channels)
        )
        self.vote = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, classes)
        )
        self.map = AttentionMap("codes", over=(-3,))

    def forward(self, x: Tensor) -> Tensor:
        sides = x.shape[2:]
        places = self.encode(x.flatten(2).transpose(1, 2) + self.position(margins(x)))
        key, value = self.key(places), self.value(places)
        noise = self.start.expand(x.shape[0], -1, -1)
        if self.training:
            noise = normal(noise)
        slots = self.mean + self.log_std.exp() * noise
        for _ in range(self.rounds):
            query = self.query(self.before(slots))
            shares = (query @ key.transpose(1, 2) / x.shape[1] ** 0.5).softmax(1)
            shares = self.map(shares.unflatten(2, sides)).flatten(2)
            weights = shares / shares.sum(2, keepdim=True).clamp_min(1e-8)
            update = self.cell((weights @ value).flatten(0, 1), slots.flatten(0, 1))
            slots = update.view_as(slots)
            slots = slots + self.mlp(self.between(slots))
        return self.vote(slots).mean(1)


def margins(like: Tensor) -> Tensor:
    """(N, 4): how far each place is from the four edges of (B, C, H, W), in (0, 1)."""
    y, x = (
        (torch.arange(side, dtype=like.dtype, device=like.device) + 0.5) / side
        for side in like.shape[2:]
    )
    y, x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([y, x, 1 - y, 1 - x], -1).flatten(0, 1)
