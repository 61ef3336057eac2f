"""Looks where it expects to learn most (Rangrej & Clark 2021, BMVC, arXiv:2111.07534)."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence
from torch.nn import functional as F

from hardattn.distributions import Gaussian, LocationDistribution
from hardattn.distributions.selection import Subset
from hardattn.nn.layers import PatchNet
from hardattn.rollout import Decision
from hardattn.world import Observation

# The logit of a cell that was looked at already: never drawn, and still a number.
NEVER = -50.0


class Expecting(NamedTuple):
    """What was made of the looks so far."""

    known: Tensor  # (B, H)
    looked: Tensor  # (B, N) 1.0 where a cell was looked at


class Expected(LocationDistribution):
    """One of N cells by logits that are worked out when they are first asked for.

    A script that looks instead asks for none, nor does the last look, and they are what costs most.
    like: (B, N).
    """

    arg_constraints = {}

    def __init__(self, like: Tensor, logits: Callable[[], Tensor]):
        self.logits = logits
        super().__init__(like.shape[:1], like.shape[1:], validate_args=False)

    @cached_property
    def cells(self) -> Subset:
        return Subset(self.logits(), 1)

    @property
    def mode(self) -> Tensor:
        return self.cells.mode

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        return self.cells.draw(generator)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.cells.log_prob(value)

    def entropy(self) -> Tensor:
        return self.cells.entropy()


class PartialVAE(nn.Module):
    """From what is known to what all cells may show: q(z | h), and features W z + b of N cells.

    As they are linear in z, what the bound needs of them is exact, and nothing is drawn to learn.
    What may be shown is drawn from the same S standard normal numbers always, so that what is
    expected is the same whenever it is asked.
    """

    noise: Tensor

    def __init__(self, known: int, cells: int, features: int, latent: int, imagined: int):
        super().__init__()
        self.cells = cells
        self.posterior = nn.Linear(known, 2 * latent)
        self.features = nn.Linear(latent, cells * features)
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("noise", torch.randn(imagined, 1, latent, generator=generator))

    def believed(self, known: Tensor) -> Gaussian:
        """(B, H) -> q(z | h)."""
        mean, log_std = self.posterior(known).chunk(2, 1)
        return Gaussian(mean, log_std.exp())

    def forward(self, known: Tensor) -> Tensor:
        """(B, H) -> (S, B, N, D): what each cell may show."""
        z = self.believed(known)
        return self.features(z.mean + z.stddev * self.noise).unflatten(2, (self.cells, -1))

    def missed(self, known: Tensor, place: Tensor, shown: Tensor) -> Tensor:
        """(B,): E ||f - W z||^2 of one cell, exactly: of the mean, and of the spread of z."""
        z = self.believed(known)
        mean = self.features(z.mean).unflatten(1, (self.cells, -1))
        apart = (place[:, None] @ mean)[:, 0] - shown
        # (N, Z): the sum of squares of what each number of z moves in a cell.
        moved = (self.features.weight.unflatten(0, (self.cells, -1)) ** 2).sum(1)
        return (apart**2).sum(1) + (z.stddev**2 * (place @ moved)).sum(1)


class ExpectedInformation(nn.Module):
    """Looks at the cell of which it expects to learn most about the answer; nothing is reinforced.

    f = tanh(PatchNet(patch)); x(f) = leaky_relu(f + W cell); h' = GRU(x(f), h); answer =
    softmax(O h'). Of a cell that was not looked at yet a variational autoencoder says what it may
    show, f_s for S draws of z ~ q(z | h), and

        gain(cell) = mean_s KL(p_s || mean_s p_s),  p_s = softmax(O GRU(x(f_s), h)),

    the information that it would give of the answer, in nats. Places are drawn by softmax(sharp *
    gain) where looks are drawn, and are the best otherwise; no gradient passes. It is worked out
    only where somebody asks for a place. The autoencoder learns from what is looked at: `elbo` is
    charged for its bound, E_q ||f - f_z||^2 / (2 spread^2) + KL(q(z | h') || q(z | h)), divided by
    the width of f, which does not move f. What it charges moves h as well: if it is much, h stays
    as it is, which is foreseen best, and no answer is learned. For a `Several` sensor of one patch;
    it sees nothing but its glimpses. Any estimator without a pathwise gradient trains it, as
    `reinforce` does.

    glimpse: (1, C, h, w). grid: rows and columns of cells, the sensor's.

    Departures: q is normal where the paper has flows, and the decoder linear; a GRU; the bound is
    of each glimpse as it comes rather than of all, with what was believed before as the prior; the
    autoencoder learns from the first update on rather than in a stage of its own, and places are
    drawn in training (the paper's first two stages, of looks that fall anywhere, are `led`); gain
    is from the mean of p_s, so that it is never negative; what is expected is from draws of z that
    are the same for all; sizes are choices.

    Args:
        grid: Rows and columns of cells, the sensor's.
        features: Width of what a patch says.
        hidden: Units of the recurrent state.
        latent: Numbers of z.
        imagined: Draws of z, S.
        filters: Channels of the first convolution of a patch.
        sharp: How much a nat of gain counts for what is drawn in training.
        spread: Standard deviation of what a patch says around what was foreseen of it.
        elbo: Charged for the autoencoder's bound.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        grid: tuple[int, int],
        features: int = 32,
        hidden: int = 64,
        latent: int = 16,
        imagined: int = 8,
        filters: int = 16,
        sharp: float = 10.0,
        spread: float = 0.1,
        elbo: float = 0.1,
    ):
        super().__init__()
        if len(glimpse) != 4 or glimpse[0] != 1:
            raise ValueError(
                "ExpectedInformation looks at one patch at a time: choose the sensor 'several' "
                f"with a count of 1, not {tuple(glimpse)}"
            )
        if imagined < 2:
            raise ValueError(f"what is expected takes 2 imagined draws or more, not {imagined}")
        self.count, self.sharp = grid[0] * grid[1], sharp
        self.spread, self.elbo = spread, elbo
        self.patch = PatchNet(tuple(glimpse[1:]), features, filters)
        self.cell = nn.Linear(self.count, features, bias=False)
        self.core = nn.GRUCell(features, hidden)
        self.answer = nn.Linear(hidden, classes)
        self.expected = PartialVAE(hidden, self.count, features, latent, imagined)

    def start(self, context: Tensor) -> Expecting:
        count = context.shape[0]
        return Expecting(
            context.new_zeros(count, self.core.hidden_size), context.new_zeros(count, self.count)
        )

    def step(self, state: Expecting, seen: Observation) -> tuple[Expecting, Decision]:
        shown = torch.tanh(self.patch(seen.glimpse)[:, 0])
        known = self.core(self.placed(shown, self.cell(seen.location)), state.known)
        bound = self.bound(state.known, known, seen.location, shown.detach())
        state = Expecting(known, torch.maximum(state.looked, seen.location))
        nought = torch.zeros_like(seen.step)
        places = Expected(state.looked, partial(self.worth, state))
        return state, Decision(places, self.answer(known), nought, self.elbo * bound)

    def placed(self, shown: Tensor, where: Tensor) -> Tensor:
        """What a patch says, and where it lies, as one."""
        return F.leaky_relu(shown + where)

    def worth(self, state: Expecting) -> Tensor:
        """(B, N) logits of the cells: of those that were looked at, never."""
        return (self.sharp * self.gain(state)).masked_fill(state.looked > 0, NEVER)

    def bound(self, before: Tensor, known: Tensor, place: Tensor, shown: Tensor) -> Tensor:
        """(B,): minus the evidence bound of what a glimpse shows, per feature.

        What is known after it has seen it, so that z can say what it shows; what was known before
        is where z came from, and has to leave room for it.
        """
        missed = self.expected.missed(known, place, shown) / (2 * self.spread**2)
        nats = kl_divergence(self.expected.believed(known), self.expected.believed(before))
        return (missed + nats) / shown.shape[1]

    @torch.no_grad()
    def gain(self, state: Expecting) -> Tensor:
        """(B, N) nats that each cell is expected to tell of the answer."""
        core, known = self.core, state.known[:, None]
        told = self.placed(self.expected(state.known), self.cell.weight.T)
        # The core by hand: what it makes of the state is the same for all cells and draws.
        gates = F.linear(told, core.weight_ih, core.bias_ih).tensor_split(3, -1)
        held = F.linear(known, core.weight_hh, core.bias_hh).tensor_split(3, -1)
        reset, keep = ((gates[k] + held[k]).sigmoid() for k in (0, 1))
        ahead = torch.lerp((gates[2] + reset * held[2]).tanh(), known, keep)
        return information(self.answer(ahead))


def information(logits: Tensor) -> Tensor:
    """(S, B, N, K) answers -> (B, N): the mean of KL(answer || mean answer) over S, in nats."""
    logs = logits.log_softmax(-1)
    mean = logs.exp().mean(0)
    entropy = -(mean * mean.clamp_min(torch.finfo(mean.dtype).tiny).log()).sum(-1)
    return (entropy + (logs.exp() * logs).sum(-1).mean(0)).clamp_min(0)
