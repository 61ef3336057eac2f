"""A general attention block, which the survey of Hassanin et al. (2024, arXiv:2204.07756) asks for.

It is not a paper's: the survey names a block that is good at every task as an open direction.
"""

import torch
from torch import Tensor, nn

from hardattn.blocks.cbam import CBAMSpatial
from hardattn.blocks.multi_head import MultiHead
from hardattn.blocks.se import SE
from hardattn.blocks.selective_kernel import SelectiveKernel
from hardattn.maps import AttentionMap

BRANCHES = {
    "channel": SE,
    "spatial": CBAMSpatial,
    "self": MultiHead,
    "branch": SelectiveKernel,
}


class General(nn.Module):
    """y = sum_m w_m f_m(x), w = softmax(logits): a learned mixture of kinds of attention.

    f are the identity, channel attention (SE), spatial attention (CBAM's), self-attention (multi-
    head) and branch attention (selective kernels). One weight for each, the same for all images and
    channels, all equal at first: which kind a task asks for can be read off them, as `shares`. So
    it departs from mixtures of experts, whose weights depend on the input. (B, C, H, W) -> same.
    Map: w, (B, 1, branches), sums to one over branches; the branches record theirs.

    Args:
        kinds: Which kinds of attention beside the identity; a row of BRANCHES each.
    """

    placement = "scaled"

    def __init__(
        self, channels: int, *, kinds: tuple[str, ...] = ("channel", "spatial", "self", "branch")
    ):
        super().__init__()
        if unknown := [kind for kind in kinds if kind not in BRANCHES]:
            raise ValueError(f"no kind {unknown[0]!r}: choose among {', '.join(BRANCHES)}")
        self.branches = nn.ModuleDict({kind: BRANCHES[kind](channels) for kind in kinds})
        self.logits = nn.Parameter(torch.zeros(1 + len(kinds)))
        self.map = AttentionMap("pooled query", over=(-1,))

    @property
    def shares(self) -> dict[str, float]:
        """What each kind counts; "identity" is none of them."""
        weights = self.logits.detach().softmax(0).tolist()
        return dict(zip(["identity", *self.branches], weights, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        weights = self.map(self.logits.softmax(0).expand(len(x), 1, -1))[:, 0]
        made = torch.stack([x, *(branch(x) for branch in self.branches.values())], 1)
        return (weights[..., None, None, None] * made).sum(1)
