"""Reinforced self-attention network (Shen, Zhou, Long, Jiang, Wang, Zhang 2018, arXiv:1801.10296).

IJCAI 2018. Its layers are in hardattn/stochastic/reinforced.py.
"""

import torch
from torch import Tensor, nn

from hardattn.distributions import IndependentBernoulli
from hardattn.rollout import Decision
from hardattn.stochastic.token_selection import ReSA, Selector, Source2Token, keep, rectified
from hardattn.world import Observation


class ReSAN(nn.Module):
    """Selects tokens, of heads and of dependents, and answers from self-attention between them.

    Tokens are patches of the image, each embedded by itself, with its position. Two selectors, who
    see all of them, decide an `IndependentBernoulli` of 2N; the answer is that of a two-layer net
    to `Source2Token` over `ReSA`. For `Pairs` sensors and worlds of two looks: at the first, which
    is the world's, nothing is selected, and the answer is a constant, as it is wherever nothing is.
    A token that no mask has is left out of everything that follows its embedding.

    Charges sparsity * sum(mask) / 2N for what it looks at, in the mean over masks, which is exact:
    sparsity * mean(sigmoid(logits)), at the look that decides. The selectors read embeddings and do
    not move them, so that scores of masks teach selectors alone, and losses all the rest. It is
    made for the estimator three_phases.

    glimpse: (C, H, W), as is what it is told. grid: rows and columns of patches, the sensor's.
    prior: of a selector, to begin with. groups: of `ReSA`.

    Departures: words become patches, with a small net and layer norm for the embeddings of words,
    and pairs of sentences one image. In the released code (taoshen58/DiSAN, ReSAN) heads that are
    not selected get the mean of all tokens for their attention and are pooled like others; here
    they are dropped, so that what is not selected has no influence at all. It also charges the
    share of selected pairs, the product of both shares, and draws masks in evaluation as well.

    Args:
        context: Shape of the image, which is told before the first look, (C, H, W).
        grid: Rows and columns of patches, the sensor's.
        features: Width of a token.
        hidden: Units of the hidden layers.
        groups: Groups of features, each with a score of its own.
        sparsity: Charged for all tokens in both masks.
        prior: Probability of a token's selection, to begin with.
    """

    reads_back = True  # how many tokens are selected, see `keep`

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        grid: tuple[int, int],
        features: int = 64,
        hidden: int = 128,
        groups: int = 8,
        sparsity: float = 1.0,
        prior: float = 0.9,
    ):
        super().__init__()
        rows, columns = grid
        if tuple(context) != tuple(glimpse) or glimpse[1] % rows or glimpse[2] % columns:
            raise ValueError(
                f"ReSAN is told the whole image, which its grid divides: not {tuple(context)} of "
                f"{tuple(glimpse)} in {rows}x{columns}"
            )
        self.grid, self.sparsity = grid, sparsity
        pixels = glimpse[0] * (glimpse[1] // rows) * (glimpse[2] // columns)
        self.patch = nn.Sequential(
            rectified(pixels, features), nn.ReLU(), nn.Linear(features, features)
        )
        self.position = nn.Parameter(0.02 * torch.randn(rows * columns, features))
        self.norm = nn.LayerNorm(features)
        self.heads = Selector(features, features, prior)
        self.dependents = Selector(features, features, prior)
        self.attention = ReSA(features, rows, columns, groups=groups)
        self.pool = Source2Token(features)
        self.answer = nn.Sequential(
            rectified(features, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def start(self, context: Tensor) -> Tensor:
        """(B, 2N) logits of the masks; 0 where nothing is told."""
        if context.dim() < 4:
            return context.new_zeros(len(context), 2 * len(self.position))
        tokens = self.embed(context).detach()
        return torch.cat([self.heads(tokens), self.dependents(tokens)], 1)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        mask = seen.location * (seen.step > 0)[:, None]
        heads, dependents = (keep(each) for each in mask.chunk(2, 1))
        attended = self.attention(self.embed(seen.glimpse), heads, dependents)
        logits = self.answer(self.pool(attended, heads.weight))
        cost = self.sparsity * state.sigmoid().mean(1) * (seen.step == 0)
        return state, Decision(
            IndependentBernoulli(state), logits, torch.zeros_like(seen.step), cost
        )

    def embed(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N, D), a token of each patch that knows nothing of the others."""
        rows, columns = self.grid
        patches = image.unflatten(2, (rows, -1)).unflatten(4, (columns, -1))
        pixels = patches.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        return self.norm(self.patch(pixels) + self.position)
