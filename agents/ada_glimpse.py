"""AdaGlimpse (Pardyl et al. 2024, ECCV, arXiv:2404.03482): place and scale, by what it knows."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.distributions.squashed import Squashed
from hardattn.rollout import Decision
from hardattn.world import Observation


class Glimpsed(NamedTuple):
    """The tokens of all that was looked at, as they came and as they were made sense of."""

    tokens: Tensor  # (B, T * n, D), 0 where nothing was looked at yet
    there: Tensor  # (B, T * n) 1.0 where there is a token
    encoded: Tensor  # (B, 1 + T * n, D), that of the class first
    shown: Tensor  # (B, T * n, C * p * p + 3), pixels and place of each patch, 0 as tokens are


class Attention(nn.Module):
    """Queries attend to tokens, then each is changed by itself: pre-norm, with two residuals."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.keys = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, told: Tensor, there: Tensor) -> Tensor:
        """(B, M, D) queries, (B, N, D) tokens, (B, N) bool of which there are -> (B, M, D)."""
        keys, values = self.keys(self.before(told)).chunk(2, -1)
        q, k, v = (
            each.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for each in (self.query(self.before(x)), keys, values)
        )
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=there[:, None, None])
        x = x + self.out(found.transpose(1, 2).flatten(2))
        return x + self.mlp(self.between(x))


class AdaGlimpse(nn.Module):
    """A transformer over the patches of all glimpses, that chooses where and how wide to look.

    Each glimpse is cut into patches of p x p; a token is W patch + MLP(x, y, scale of the patch).
    The encoder attends over all tokens so far and one of the class, whose output is the answer's.
    The policy is tanh of a normal (x, y, 1 + log width), mean and spread by an MLP of `summary`:
    the class's output, cut off from its gradient, and pixels and place of every patch so far. The
    decoder is that of a masked autoencoder: from what was encoded before a glimpse, and where its
    patches lie, it says what they show, and `rebuild` is charged for each unit of its mean squared
    error. For a `Zoom` sensor, and the estimator `soft_actor_critic`, whose critics read the
    summary, too.

    glimpse: (C, G, G), of which p is a divisor. looks: of the world.

    Departures: a small encoder that learns from the start for a pretrained ViT-B; what is
    reconstructed is the next glimpse and not the whole image, which an agent never sees; no
    teacher; policy and critics read patches as they are by an MLP, where the authors' are
    transformers over what a pretrained encoder made of them. With `filters` convolutions read a
    patch, because W that nobody trained beforehand reads little.

    Args:
        looks: Looks of the world.
        places: Numbers that say a place, those of the sensor.
        patch: Side of a patch in pixels, p.
        width: Of a token.
        depth: Layers of the encoder.
        heads: Of each layer.
        rebuild: Charged for what it did not foresee of a glimpse, 0: nothing.
        filters: Of a convolutional stem in place of W, half as many in its first layer; none: W.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        looks: int,
        places: int = 3,
        patch: int = 4,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        rebuild: float = 1.0,
        filters: int | None = None,
    ):
        super().__init__()
        if len(glimpse) != 3 or glimpse[1] % patch or glimpse[2] % patch or places != 3:
            raise ValueError(
                f"glimpses of {tuple(glimpse)} at places of {places} numbers are not cut into "
                f"patches of {patch}x{patch} at a scale: choose the sensor 'zoom', and a patch "
                "that divides its size"
            )
        if filters is not None and filters < 2:
            raise ValueError(f"a convolutional stem has 2 filters or more, not {filters}")
        self.side, self.looks, self.width, self.rebuild = patch, looks, width, rebuild
        rows, columns = glimpse[1] // patch, glimpse[2] // patch
        y = (torch.arange(rows) + 0.5) / rows * 2 - 1
        x = (torch.arange(columns) + 0.5) / columns * 2 - 1
        apart = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)
        self.register_buffer("apart", apart)
        self.apart: Tensor
        pixels = glimpse[0] * patch**2
        self.what = nn.Linear(pixels, width) if filters is None else self._stem(glimpse[0], filters)
        self.where = nn.Sequential(nn.Linear(3, width), nn.GELU(), nn.Linear(width, width))
        self.first = nn.Parameter(torch.randn(width) / width**0.5)
        self.layers = nn.ModuleList(Attention(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Parameter(torch.randn(width) / width**0.5)
        self.decoder = Attention(width, heads)
        self.pixels = nn.Linear(width, pixels)
        self.answer = nn.Linear(width, classes)
        last = nn.Linear(width, 2 * places)
        with torch.no_grad():
            last.bias[places:] = 0.4  # a spread with which tanh is about anywhere, to begin with
        self.summed = width + looks * len(apart) * (pixels + places)
        self.policy = nn.Sequential(
            nn.Linear(self.summed, 2 * width),
            nn.ReLU(),
            nn.Linear(2 * width, width),
            nn.ReLU(),
            last,
        )

    def _stem(self, channels: int, filters: int) -> nn.Module:
        """(..., C * p * p) patches -> (..., D): two convolutions, and the most of each quarter."""
        shape = (channels, self.side, self.side)
        return nn.Sequential(
            nn.Unflatten(1, shape),
            nn.Conv2d(channels, filters // 2, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(filters // 2, filters, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * filters, self.width),
        )

    def start(self, context: Tensor) -> Glimpsed:
        count, slots = context.shape[0], self.looks * len(self.apart)
        return Glimpsed(
            context.new_zeros(count, slots, self.width),
            context.new_zeros(count, slots),
            context.new_zeros(count, 1 + slots, self.width),
            context.new_zeros(count, slots, self.pixels.out_features + 3),
        )

    def step(self, state: Glimpsed, seen: Observation) -> tuple[Glimpsed, Decision]:
        cut = seen.glimpse.unflatten(2, (-1, self.side)).unflatten(4, (-1, self.side))
        patches = cut.permute(0, 2, 4, 1, 3, 5).flatten(1, 2).flatten(2)
        centres = self.centres(seen.location)
        where = self.where(centres)
        cost = self.rebuild * self.missed(state, where, patches) * (seen.step > 0)
        now = torch.round(seen.step * self.looks).long().clamp(max=self.looks - 1)
        slot = F.one_hot(now, self.looks).to(where.dtype).repeat_interleave(len(self.apart), 1)
        what = self.what(patches.flatten(0, 1)).unflatten(0, patches.shape[:2])
        new = slot[..., None] > 0
        tokens = torch.where(new, (what + where).repeat(1, self.looks, 1), state.tokens)
        patch = torch.cat([patches, centres], 2).repeat(1, self.looks, 1)
        there, shown = torch.maximum(state.there, slot), torch.where(new, patch, state.shown)
        state = Glimpsed(tokens, there, self.encode(tokens, there), shown)
        mean, spread = self.policy(self.summary(state)).chunk(2, 1)
        place = Squashed(mean, (2 * torch.tanh(spread) - 1).exp())
        logits = self.answer(state.encoded[:, 0])
        return state, Decision(place, logits, torch.zeros_like(seen.step), cost)

    def summary(self, state: Glimpsed) -> Tensor:
        """(B, summed): what it knows, and every patch that it was shown; without a gradient."""
        return torch.cat([state.encoded[:, 0].detach(), state.shown.detach().flatten(1)], 1)

    def centres(self, place: Tensor) -> Tensor:
        """(B, P) places -> (B, n, 3): where each patch of a glimpse lies, and the scale of all."""
        half = (place[:, None, 2:] - 1).exp()
        middle = place[:, None, :2] + half * self.apart
        return torch.cat([middle, place[:, None, 2:].expand(-1, len(self.apart), -1)], 2)

    def encode(self, tokens: Tensor, there: Tensor) -> Tensor:
        """Tokens, and which there are -> (B, 1 + T * n, D), that of the class first."""
        first = self.first.expand(tokens.shape[0], 1, -1)
        x = torch.cat([first, tokens], 1)
        known = self._known(there)
        for layer in self.layers:
            x = layer(x, x, known)
        return self.norm(x)

    def missed(self, state: Glimpsed, where: Tensor, patches: Tensor) -> Tensor:
        """(B,): mean squared error of what the decoder foresees of a glimpse."""
        asked = self.hidden + where
        found = self.decoder(asked, state.encoded, self._known(state.there))
        return ((self.pixels(found) - patches) ** 2).mean((1, 2))

    @staticmethod
    def _known(there: Tensor) -> Tensor:
        """(B, 1 + N) bool: the class's token is always there."""
        return F.pad(there, (1, 0), value=1.0) > 0
