"""Region attention, RANet (Shen, Ji, Li, Wang, Lin 2020, NeurIPS), with regions in plain torch."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.decoders.decoder import Join, borders, each_place, enlarged
from hardattn.maps import AttentionMap, received


class Region(nn.Module):
    """Places of one region share what they see, and one of each region speaks to the others.

    Coarse classes p and a border b, in (0, 1), at every place of deep features x, both supervised.
    Two places belong together by A_ij = (1 - |p_i - p_j| / 2) (1 - max of b between i and j).
    Within regions: y_i = sum_j A_ij v(x_j) / sum_j A_ij. Between them: of `speakers` places, each
    the one with which most belongs that belongs to no earlier one, the y attend to each other, and
    every place gets of theirs its share by A. The answer is read from both, beside x.
    Map: A, its rows normalised, (B, 1, N, N).

    Departures: the paper's text was not at hand; this was compared with its released code. There
    the likeness of two places is 1 - the Jensen-Shannon divergence of the probabilities of the
    likeliest class of the first, borders count between two places and not at them, and regions are
    cut out of A, made symmetric, by a threshold of 0.8 and code of its own; here A is a product of
    numbers, so that regions are soft and need no loop over images. There each region has eight
    speakers, who gather from all places, speak, and hand on by softmaxes of products of features,
    weighted by how far each stands for its region, with a convolution after each; here gathering
    and handing on weigh by A alone. Borders are those of the classes, and are supervised once.

    Args:
        speakers: How many places speak for their regions.
    """

    def __init__(self, deep: int, fine: int, maps: int, *, speakers: int = 8):
        super().__init__()
        self.speakers = speakers
        self.coarse, self.border = nn.Conv2d(deep, maps, 1), nn.Conv2d(deep, 1, 1)
        self.value = nn.Linear(deep, deep)
        self.ask, self.tell, self.speak = (nn.Linear(deep, deep) for _ in range(3))
        self.fuse = nn.Sequential(
            nn.Conv2d(3 * deep, deep, 1, bias=False), nn.BatchNorm2d(deep), nn.ReLU()
        )
        self.join = Join(deep, fine, deep)
        self.answer = nn.Conv2d(deep, maps, 1)
        self.map = AttentionMap("pairwise", over=(-1,))

    def together(self, coarse: Tensor, border: Tensor) -> Tensor:
        """(B, K, h, w) and (B, 1, h, w) logits -> A, (B, N, N)."""
        belongs = coarse.softmax(1).flatten(2).mT
        same = 1 - torch.cdist(belongs, belongs, p=1.0) / 2
        height, width = border.shape[2:]
        line = between(height, width, border.device)
        crossed = torch.sigmoid(border).flatten(1)[:, line].amax(-1)
        return same * (1 - crossed)

    def spoken(self, together: Tensor, seen: Tensor) -> Tensor:
        """(B, N, N), (B, N, C) -> (B, N, C): what places get of those that speak for regions."""
        left, chosen = torch.ones_like(together[:, 0]), []
        row = torch.arange(len(together), device=together.device)
        for _ in range(self.speakers):
            # Whoever has most of what is left: a choice, through which no gradient passes.
            which = (together.detach() @ left[..., None])[..., 0].argmax(1)
            left = left * (1 - together.detach()[row, which])
            chosen.append(which)
        who = torch.stack(chosen, 1)
        said = seen.gather(1, who[..., None].expand(-1, -1, seen.shape[2]))
        weights = self.ask(said) @ self.tell(said).mT / said.shape[2] ** 0.5
        said = said + weights.softmax(-1) @ self.speak(said)
        share = together.gather(2, who[:, None].expand(-1, together.shape[1], -1))
        return share / share.sum(-1, keepdim=True).clamp_min(1e-6) @ said

    def forward(self, deep: Tensor, fine: Tensor) -> tuple[Tensor, ...]:
        coarse, border = self.coarse(deep), self.border(deep)
        together = self.together(coarse, border)
        weights = together / together.sum(-1, keepdim=True).clamp_min(1e-6)
        height, width = deep.shape[2:]
        weights = self.map(weights[:, None], density=received(height, width))[:, 0]
        seen = weights @ self.value(deep.flatten(2).mT)
        heard = self.spoken(together, seen)
        both = [part.mT.view_as(deep) for part in (seen, heard)]
        x = self.join(self.fuse(torch.cat([deep, *both], 1)), fine)
        return self.answer(x), coarse, border

    def instructed(self, answers: tuple[Tensor, ...], truth: Tensor) -> Tensor:
        """The cross-entropies of the coarse classes and of the borders, enlarged."""
        whole, coarse, border = answers
        beside = enlarged(border, whole)[:, 0]
        edge = borders(truth).to(beside.dtype)
        wrong = F.binary_cross_entropy_with_logits(beside, edge, reduction="none").mean((1, 2))
        return each_place(enlarged(coarse, whole), truth) + wrong


def between(height: int, width: int, device: torch.device) -> Tensor:
    """(N, N, S) int64: the places on the straight line from each place to each other."""
    steps = max(height, width)
    share = torch.linspace(0, 1, steps, device=device)
    row = torch.arange(height, device=device).repeat_interleave(width).to(share.dtype)
    column = torch.arange(width, device=device).repeat(height).to(share.dtype)

    def along(at: Tensor) -> Tensor:
        # Through the middle, so that the way back is the same.
        return (at[:, None, None] * (1 - share) + at[None, :, None] * share).round().long()

    return along(row) * width + along(column)
