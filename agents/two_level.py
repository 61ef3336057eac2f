"""Two levels of attention: to the object, and to its parts (Xiao et al. 2015, arXiv:1411.6447)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.clustering import spectral
from hardattn.distributions import Delta
from hardattn.nn.layers import PatchNet
from hardattn.rollout import Decision
from hardattn.world import Observation


class ProposalNet(nn.Module):
    """What each of several patches shows, by itself, and what it votes for.

    (B, N, C, h, w) -> how far each filter of the last convolution is excited at most, (B, N, F);
    features, (B, N, D); votes, (B, N, classes).
    """

    def __init__(self, patch: tuple[int, ...], classes: int, features: int, filters: int):
        super().__init__()
        self.patch = PatchNet(patch, features, filters)
        self.vote: nn.Module = nn.Linear(features, classes)

    @property
    def filters(self) -> Tensor:
        """(F, ...): the weights of the last convolution."""
        return [layer.weight for layer in self.patch.net if isinstance(layer, nn.Conv2d)][-1]

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = self.patch.net[:-1](patches.flatten(0, 1))
        features = self.patch.features(maps.flatten(1)).relu()
        found = maps.amax((2, 3)), features, self.vote(features)
        excited, features, votes = (each.unflatten(0, patches.shape[:2]) for each in found)
        return excited, features, votes


class Chosen(NamedTuple):
    """What was made of all proposals before the first look."""

    places: Tensor  # (B, K * N) the objects' proposals, then one for each part, a slot each
    logits: Tensor  # (B, classes) what the base answers


class TwoLevel(nn.Module):
    """A filter of proposals, detectors of parts, and two answers that a linear layer fuses.

    The proposals are the patches in the middle of all cells. A base net votes on each by itself;
    its answer is the logarithm of the summed exponentials of all votes, so that a proposal counts
    as far as it is of any class. Once it has learned it is a filter: s_n = log sum_k exp v_nk, by
    which the object level keeps the M best proposals, and the part level those above the image's
    mean. Its filters of the last convolution, put into P groups by spectral clustering of the
    cosines of their weights, are detectors of parts: a part is the proposal that excites the
    filters of its group most, in sum. A second net, which begins as the base, looks at these M + P
    patches: the object level is the mean of what it says of the first M, the part level a linear
    layer of its features of the other P, side by side; the answer is linear in the logarithms of
    both. So no gradient passes the choice and none is asked for.

    For a `Several` sensor, a world that tells the whole image, and two looks: the first is the
    world's, and the answer to it the base's. Made for the estimator `base_first`: the base learns,
    then it settles, then all else learns. Before it has settled filters are grouped as they come.
    With no parts it is the object level alone, and with as many as there are patches the part level
    alone.

    glimpse: (K, C, h, w), K = M + P. context: (C, H, W), the whole image. grid: rows and columns of
    cells, the sensor's.

    Departures: patches of a grid for proposals by selective search, of which a number is kept and
    not a share; the base learns from labels of images alone, for a net of ImageNet, whose parent
    class is the filter; small nets; groups of the base's filters, for those of the second net;
    cosines c are taken as (1 + c) / 2, since similarities are not below 0; linear layers that learn
    with the second net by one loss, for a support vector machine and a weight that is searched for.

    Args:
        context: Shape of what is told before the first look, (C, H, W).
        grid: Rows and columns of cells, the sensor's.
        parts: How many parts there are.
        features: Width of what a patch says.
        filters: Channels of the first convolution of a patch.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        grid: tuple[int, int],
        parts: int = 2,
        features: int = 64,
        filters: int = 16,
    ):
        super().__init__()
        if len(glimpse) != 4 or len(context) != 3:
            raise ValueError(
                "TwoLevel is shown several patches and told the whole image: choose the sensor "
                f"'several' and the context 'whole', not {tuple(glimpse)} and {tuple(context)}"
            )
        if not 0 <= parts <= glimpse[0]:
            raise ValueError(f"of {glimpse[0]} patches 0 or more show parts, not {parts}")
        self.cells, self.classes = grid[0] * grid[1], classes
        self.count, self.parts, self.objects = glimpse[0], parts, glimpse[0] - parts
        self.base = ProposalNet(tuple(glimpse[1:]), classes, features, filters)
        self.second = ProposalNet(tuple(glimpse[1:]), classes, features, filters)
        if self.objects == 0:  # nobody asks it what it votes for
            self.second.vote = nn.Identity()
        self.of_parts = nn.Linear(parts * features, classes) if parts else None
        self.fuse = nn.Linear(2 * classes, classes) if self.objects and parts else None
        if self.fuse is not None:  # the sum of both levels, to begin with
            with torch.no_grad():
                self.fuse.weight.copy_(torch.eye(classes).repeat(1, 2))
                nn.init.zeros_(self.fuse.bias)
        number = len(self.base.filters)
        group = torch.arange(number) * parts // number
        self.register_buffer("group", F.one_hot(group, max(1, parts)).float())
        self.group: Tensor  # (F, P): which filters detect which part
        # Where the patches lie, as the sensor reads them, on an image with a blank border.
        for name, cells, pixels, side in (
            ("down", grid[0], context[1], glimpse[2]),
            ("across", grid[1], context[2], glimpse[3]),
        ):
            middle = (2 * torch.arange(cells) + 1) * pixels // (2 * cells)
            steps = torch.arange(side) - side // 2 + side
            self.register_buffer(name, middle[:, None] + steps, persistent=False)
        self.down: Tensor
        self.across: Tensor

    def start(self, context: Tensor) -> Chosen:
        """The choice of all patches; none, and no answer, where nothing is told."""
        if context.dim() < 4:
            count = context.shape[0]
            nowhere = context.new_zeros(count, self.count * self.cells)
            return Chosen(nowhere, context.new_zeros(count, self.classes))
        excited, _, votes = self.base(self.proposals(context))
        return Chosen(self._places(excited, votes.logsumexp(2)), votes.logsumexp(1))

    def step(self, state: Chosen, seen: Observation) -> tuple[Chosen, Decision]:
        begun = (seen.step == 0)[:, None]
        logits = torch.where(begun, state.logits, self.answer(seen.glimpse))
        nought = torch.zeros_like(seen.step)
        return state, Decision(Delta(state.places), logits, nought, nought)

    def proposals(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N, C, h, w): the patch of every cell, row by row."""
        high, wide = self.down.shape[1], self.across.shape[1]
        padded = F.pad(image, (wide, wide, high, high))
        patches = padded[:, :, self.down][..., self.across]  # (B, C, rows, h, columns, w)
        return patches.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)

    def answer(self, patches: Tensor) -> Tensor:
        """(B, K, C, h, w) -> (B, classes)."""
        _, features, votes = self.second(patches)
        levels = []
        if self.objects:
            each = votes[:, : self.objects].log_softmax(2)
            levels.append(each.logsumexp(1) - math.log(self.objects))
        if self.of_parts is not None:
            levels.append(self.of_parts(features[:, self.objects :].flatten(1)).log_softmax(1))
        return levels[0] if self.fuse is None else self.fuse(torch.cat(levels, 1))

    @torch.no_grad()
    def settle(self) -> None:
        """The base has learned: the second net begins as it is, and its filters are grouped."""
        state = self.second.state_dict()
        self.second.load_state_dict(
            {name: weight for name, weight in self.base.state_dict().items() if name in state}
        )
        if self.parts > 1:
            unit = F.normalize(self.base.filters.flatten(1).double(), dim=1)
            group = spectral((1 + unit @ unit.T) / 2, self.parts)
            self.group.copy_(F.one_hot(group.to(self.group.device), self.parts))

    @torch.no_grad()
    def _places(self, excited: Tensor, score: Tensor) -> Tensor:
        best = score.topk(self.objects, 1).indices
        detected = excited @ self.group[:, : self.parts]
        through = score >= score.mean(1, keepdim=True)
        found = detected.masked_fill(~through[..., None], -torch.inf).argmax(1)
        chosen = F.one_hot(torch.cat([best, found], 1), self.cells)
        return chosen.to(score.dtype).flatten(1)
