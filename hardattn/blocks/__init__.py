"""Soft attention, one paper a file: `Block(channels, **options)`, (B, C, H, W) -> the same shape.

A block declares its map through `hardattn.maps.emit`. A head, `Head(channels, classes, **options)`,
(B, C, H, W) -> (B, K) logits, attends where a block cannot: it pools. The tables are written out by
hand, and the tests run over them.
"""

from collections.abc import Callable

from torch import nn

from hardattn.blocks.cbam import CBAM, CBAMChannel, CBAMSpatial
from hardattn.blocks.sagan import SAGAN
from hardattn.blocks.se import SE

BLOCKS: dict[str, Callable[..., nn.Module]] = {
    "se": SE,
    "cbam_channel": CBAMChannel,
    "cbam_spatial": CBAMSpatial,
    "cbam": CBAM,
    "sagan": SAGAN,
}

HEADS: dict[str, Callable[..., nn.Module]] = {}

# Blocks whose output is their input until something was learned.
IDENTITY_AT_START: frozenset[str] = frozenset({"sagan"})

# Why a block draws at random in evaluation, too.
STOCHASTIC: dict[str, str] = {}

# Why `torch.export` cannot take a block.
NOT_EXPORTED: dict[str, str] = {}
