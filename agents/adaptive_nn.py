"""AdaptiveNN (Wang, Yue et al. 2025, Nature Machine Intelligence 7(11), arXiv:2509.15333)."""

import torch
from torch import Tensor, nn

from hardattn.distributions import Gaussian
from hardattn.rollout import Decision
from hardattn.world import Observation

from .glance_focus import stop_when_sure
from .narrowing import Narrowing

NARROW = 16  # channels of a map by which it is judged what that is worth


class AdaptiveNN(Narrowing):
    """A glance makes a map of features; fixations read it where they fall, and write into it.

    M_0 = glance(context); F = focus(glimpse_t) + R read(M_{t-1}, place_t) is a little map of what
    the fixation covers, and M_t = M_{t-1} + write(C F, place_t), C two convolutions; reading and
    writing are by bilinear weights. The answer is that of the largest of each feature over M_t, a
    convolution before it, after the glance as after each fixation. Where to look next is
    N(point(M_t), std^2), `Pointer`, and what that may still gain is critic(M_t); neither moves the
    map. The density is taken of the very value that is drawn, which the world then puts into the
    image.

    Made for a world that tells a coarse view, a retina of one scale, and the estimator `ppo` with
    per_look=True, gamma=0.5, gae_lambda=0.84 and a distillation. The first look is the world's:
    nothing of it is used, and its answer is that of the glance.

    glimpse, context: (C, h, w). extent: shares of the image's height and width that a glimpse
    covers. threshold: as in `GlanceFocus`. std_end, std_from: see `Narrowing`.

    Departures: small convolutional nets for DeiT and ResNet; one classifier and one set of norms
    for one of each at every fixation; the largest of a feature for its mean; the policy points to a
    mean of cells, where the paper's is a net of the flat map, which at our few updates ran into the
    corners; a feature is written to the cells around it by bilinear weights, for weights that a net
    gives it; no loss for the focusing net by itself; the policy learns from each batch, and with it
    the answer, for ten batches in a row; advantages are not normalised. The paper stops where the
    critic expects too little, this where the answer is sure. The released code clamps what was
    drawn before it takes its density, so that all that fell outside counts as if it had been drawn
    on the edge; here nothing is clamped.

    Args:
        context: Shape of the view that is told before the first look, (C, h, w).
        extent: Shares of the image's height and width that a glimpse covers.
        features: Channels of the map.
        filters: Channels of the first convolution of a glance or a fixation.
        hidden: Units by which the critic judges the map.
        std: Standard deviation of the Gaussian policy, in half-sides of the image.
        std_end: Where it ends, in training; None: it stays.
        std_from: After which share of training it begins to fall.
        threshold: Stop looking, in use, once this sure.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        extent: tuple[float, float],
        features: int = 32,
        filters: int = 16,
        hidden: int = 64,
        std: float = 0.2,
        std_end: float | None = None,
        std_from: float = 0.0,
        threshold: float | None = None,
    ):
        super().__init__()
        if len(glimpse) != 3 or len(context) != 3:
            raise ValueError(
                "AdaptiveNN glances at a view of the image and fixates parts of it: choose the "
                f"sensor 'retina' and the context 'coarse', not {tuple(glimpse)} and "
                f"{tuple(context)}"
            )
        if threshold is not None and not 0 <= threshold <= 1:
            raise ValueError(f"a threshold is a probability, not {threshold}")
        self.extent, self.threshold = extent, threshold
        self.spread_from(std, std_end, std_from)
        self.glance = nn.Sequential(
            nn.Conv2d(context[0], filters, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(filters, features, 3, 2, padding=1),
            nn.ReLU(),
        )
        self.sides = (-(-context[1] // 2), -(-context[2] // 2))
        self.shape = (features, *self.sides)
        self.focus = _focus(glimpse, features, filters)
        self.read = nn.Conv2d(features, features, 1)
        self.write = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1),
        )
        self.mix = nn.Conv2d(features, features, 3, padding=1)
        self.answer = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, classes))
        self.policy = Pointer(self.shape)
        self.critic = Judge(self.shape, hidden)

    def start(self, context: Tensor) -> Tensor:
        """(B, D, h, w): the map; 0 where nothing is told."""
        if context.dim() < 4:
            return context.new_zeros(context.shape[0], *self.shape)
        return self.glance(context)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        fixated = (seen.step > 0)[:, None, None, None]
        state = state + self._written(state, seen) * fixated
        logits = self.answer((state + self.mix(state.relu())).relu().amax((2, 3)))
        known, nought = state.detach(), torch.zeros_like(seen.step)
        place = Gaussian(self.policy(known), self.std)
        value = self.critic(known, seen.step)
        enough = self.threshold if not self.training else None
        halt = None if enough is None else stop_when_sure(logits, enough)
        return state, Decision(place, logits, value, nought, halt)

    def _written(self, state: Tensor, seen: Observation) -> Tensor:
        """(B, D, h, w): what a fixation adds to the map."""
        shown = self.focus(seen.glimpse)
        across, down = seen.location.unbind(1)
        rows = hats(down, self.extent[0], shown.shape[2], self.sides[0])[:, None]
        columns = hats(across, self.extent[1], shown.shape[3], self.sides[1])[:, None]
        before = rows @ state @ columns.mT
        return rows.mT @ self.write(shown + self.read(before)) @ columns


class Pointer(nn.Module):
    """Where a map points to: the mean of its cells' centres, weighed by a softmax of their scores.

    (B, D, h, w) -> (B, 2).
    """

    def __init__(self, shape: tuple[int, int, int]):
        super().__init__()
        features, rows, columns = shape
        self.score = nn.Sequential(
            nn.Conv2d(features, features, 1), nn.ReLU(), nn.Conv2d(features, 1, 1, bias=False)
        )
        y, x = ((2 * torch.arange(side) + 1) / side - 1 for side in (rows, columns))
        centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)
        self.register_buffer("centres", centres, persistent=False)
        self.centres: Tensor

    def forward(self, state: Tensor) -> Tensor:
        return self.score(state).flatten(1).softmax(1) @ self.centres


class Judge(nn.Module):
    """What a map is worth when so much of the time is over: (B, D, h, w), (B,) -> (B,)."""

    def __init__(self, shape: tuple[int, int, int], hidden: int):
        super().__init__()
        self.narrow = nn.Conv2d(shape[0], NARROW, 1)
        self.hidden = nn.Linear(NARROW * shape[1] * shape[2] + 1, hidden)
        self.value = nn.Linear(hidden, 1)

    def forward(self, state: Tensor, step: Tensor) -> Tensor:
        flat = self.narrow(state).relu().flatten(1)
        hidden = self.hidden(torch.cat([flat, step[:, None]], 1))
        return self.value(hidden.relu())[:, 0]


def hats(centre: Tensor, extent: float, parts: int, cells: int) -> Tensor:
    """(B, parts, cells): bilinear weights along one axis, of the parts of a stretch in cells.

    The stretch is that share of the axis around (B,) centres in [-1, 1]. A part that lies outside
    of all cells by one or more has no weight.
    """
    part = torch.arange(parts, device=centre.device, dtype=centre.dtype)
    place = centre[:, None] + extent * ((2 * part + 1) / parts - 1)
    cell = torch.arange(cells, device=centre.device, dtype=centre.dtype)
    return (1 - ((place + 1) / 2 * cells - 0.5)[..., None].sub(cell).abs()).clamp_min(0)


def _focus(glimpse: tuple[int, ...], features: int, filters: int) -> nn.Module:
    """Rectified convolutions of half the sides each, the first at all, until none is over 4."""
    before, high, wide = glimpse
    layers: list[nn.Module] = []
    while not layers or max(high, wide) > 4:
        high, wide = -(-high // 2), -(-wide // 2)
        after = features if max(high, wide) <= 4 else filters
        layers += [nn.Conv2d(before, after, 3, 2, padding=1), nn.ReLU()]
        before = after
    return nn.Sequential(*layers[:-1])  # what the map says is added before it is rectified
