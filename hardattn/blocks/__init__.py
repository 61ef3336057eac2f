"""Soft attention, one paper a file: `Block(channels, **options)`, (B, C, H, W) -> the same shape.

What a block attends to passes through an `AttentionMap` of its own (`hardattn.maps`). A head,
`Head(channels, classes, **options)`, (B, C, H, W) -> (B, K) logits, attends where a block cannot:
it pools. The tables are written out by hand, and the tests run over them.
"""

from collections.abc import Callable

from torch import nn

from hardattn.blocks.attention_dropout import AttentionDropout
from hardattn.blocks.axial import Axial
from hardattn.blocks.cbam import CBAM, CBAMChannel, CBAMSpatial
from hardattn.blocks.cesan import CESAN
from hardattn.blocks.class_feature import ClassFeature
from hardattn.blocks.clustered import Clustered
from hardattn.blocks.coordinate import Coordinate
from hardattn.blocks.criss_cross import CrissCross
from hardattn.blocks.danet import DANet, DANetChannel, DANetPosition
from hardattn.blocks.deformable import Deformable, DeformableV2
from hardattn.blocks.double import DoubleAttention
from hardattn.blocks.dvan import DVAN
from hardattn.blocks.eca import ECA
from hardattn.blocks.efficient import Efficient
from hardattn.blocks.em_attention import EMAttention
from hardattn.blocks.fca import FCA
from hardattn.blocks.gain import GAIN
from hardattn.blocks.gated_pooling import GatedPooling
from hardattn.blocks.hamburger import Hamburger
from hardattn.blocks.harmonious import Harmonious
from hardattn.blocks.high_order import HighOrder
from hardattn.blocks.hoga import HOGA, HOGASearch
from hardattn.blocks.hourglass import Hourglass
from hardattn.blocks.kalman_pooling import KalmanPooling
from hardattn.blocks.mirror import Mirror
from hardattn.blocks.multi_context import MultiContext
from hardattn.blocks.multi_head import MultiHead
from hardattn.blocks.non_local import NonLocal
from hardattn.blocks.non_local_sparse import NonLocalSparse
from hardattn.blocks.perceiver import Perceiver
from hardattn.blocks.picanet import PiCANetGlobal, PiCANetLocal
from hardattn.blocks.pyramid_feature import PyramidFeature
from hardattn.blocks.random_features import RandomFeatures
from hardattn.blocks.residual_attention import ResidualAttention
from hardattn.blocks.retain import Retain
from hardattn.blocks.reverse import Reverse
from hardattn.blocks.s3ta import S3TA
from hardattn.blocks.sagan import SAGAN
from hardattn.blocks.se import SE
from hardattn.blocks.selective_kernel import SelectiveKernel
from hardattn.blocks.set_transformer import SetTransformer
from hardattn.blocks.slot import SlotAttention
from hardattn.blocks.smyrf import SMYRF
from hardattn.blocks.soca import SOCA
from hardattn.blocks.span import SPAN
from hardattn.blocks.spatial_pyramid import SpatialPyramid
from hardattn.blocks.spatial_spectral import SpatialSpectral
from hardattn.blocks.spatial_transformer import SpatialTransformer, SpatialTransformerZoom
from hardattn.blocks.split import SplitAttention
from hardattn.blocks.stand_alone import StandAlone
from hardattn.blocks.x_linear import XLinear
from hardattn.blocks.x_linear_pooling import XLinearPooling

BLOCKS: dict[str, Callable[..., nn.Module]] = {
    "se": SE,
    "attention_dropout": AttentionDropout,
    "axial": Axial,
    "cbam_channel": CBAMChannel,
    "cbam_spatial": CBAMSpatial,
    "cbam": CBAM,
    "clustered": Clustered,
    "coordinate": Coordinate,
    "criss_cross": CrissCross,
    "danet_position": DANetPosition,
    "danet_channel": DANetChannel,
    "danet": DANet,
    "deformable": Deformable,
    "deformable_v2": DeformableV2,
    "double": DoubleAttention,
    "eca": ECA,
    "efficient": Efficient,
    "em_attention": EMAttention,
    "fca": FCA,
    "hamburger": Hamburger,
    "harmonious": Harmonious,
    "high_order": HighOrder,
    "hoga": HOGA,
    "hoga_search": HOGASearch,
    "hourglass": Hourglass,
    "mirror": Mirror,
    "multi_context": MultiContext,
    "multi_head": MultiHead,
    "non_local": NonLocal,
    "non_local_sparse": NonLocalSparse,
    "picanet_local": PiCANetLocal,
    "picanet_global": PiCANetGlobal,
    "pyramid_feature": PyramidFeature,
    "random_features": RandomFeatures,
    "residual_attention": ResidualAttention,
    "reverse": Reverse,
    "sagan": SAGAN,
    "selective_kernel": SelectiveKernel,
    "smyrf": SMYRF,
    "soca": SOCA,
    "span": SPAN,
    "spatial_pyramid": SpatialPyramid,
    "spatial_spectral": SpatialSpectral,
    "spatial_transformer": SpatialTransformer,
    "spatial_transformer_zoom": SpatialTransformerZoom,
    "split": SplitAttention,
    "stand_alone": StandAlone,
    "x_linear": XLinear,
}

HEADS: dict[str, Callable[..., nn.Module]] = {
    "cesan": CESAN,
    "class_feature": ClassFeature,
    "dvan": DVAN,
    "gain": GAIN,
    "gated_pooling": GatedPooling,
    "kalman": KalmanPooling,
    "perceiver": Perceiver,
    "retain": Retain,
    "sequential": S3TA,
    "set_transformer": SetTransformer,
    "slot": SlotAttention,
    "x_linear_pooling": XLinearPooling,
}

# Blocks whose output is their input until something was learned.
IDENTITY_AT_START: frozenset[str] = frozenset(
    {
        "criss_cross",
        "danet",
        "danet_channel",
        "danet_position",
        "non_local",
        "sagan",
        "spatial_transformer",
        "spatial_transformer_zoom",
    }
)

# Blocks that attend in training only, and are the identity in evaluation.
TRAINING_ONLY: frozenset[str] = frozenset({"attention_dropout"})

# Why `torch.export` cannot take a block.
NOT_EXPORTED: dict[str, str] = {
    "gain": "its Grad-CAM is a gradient, in which export takes weights for constants",
}

# Why a block that `torch.export` takes cannot become ONNX.
NOT_IN_ONNX: dict[str, str] = {
    "non_local_sparse": "torch's converter knows no stable sort",
    "smyrf": "torch's converter knows no stable sort",
}
