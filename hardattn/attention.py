"""Soft and stochastic attention, row by row: BLOCKS and HEADS, whichever package a layer is in.

`BLOCKS[name].make(channels, **options)` is a module of (B, C, H, W) -> the same shape,
`HEADS[name].make(channels, classes, **options)` one of (B, C, H, W) -> (B, K) logits. The tables
are written out by hand, and the tests run over them. They stand above both packages because
stochastic attention is made of soft blocks.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

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
from hardattn.blocks.general import General
from hardattn.blocks.hamburger import Hamburger
from hardattn.blocks.harmonious import Harmonious
from hardattn.blocks.high_order import HighOrder
from hardattn.blocks.hoga import HOGA, HOGASearch
from hardattn.blocks.hourglass import Hourglass
from hardattn.blocks.inception import Inception
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
from hardattn.stochastic.bayesian import BayesianLogNormal, BayesianWeibull
from hardattn.stochastic.gaussian_attention import GaussianAttention
from hardattn.stochastic.harmonious_regions import HarmoniousRegions
from hardattn.stochastic.uncertainty_aware import UncertaintyAware

Family = Literal[
    "channel", "spatial", "self", "arithmetic", "bases", "geometry", "pooling", "stochastic"
]


class Entry(NamedTuple):
    """A block or a head, and what has to be known of it before it is chosen."""

    make: Callable[..., nn.Module]
    """Its class: `make(channels, **options)`, of a head `make(channels, classes, **options)`."""
    family: Family
    """How it attends, by what; of "stochastic" ones, attention is a random variable."""
    identity_at_start: bool = False
    """Whether its output is its input until something was learned."""
    training_only: bool = False
    """Whether it attends in training only, and is the identity in evaluation."""
    deterministic: str = ""
    """Why one of the stochastic family draws nothing; empty: it draws."""
    export: str = ""
    """Why `torch.export` cannot take it; empty: it can."""
    onnx: str = ""
    """Why, where `torch.export` takes it, it cannot become ONNX; empty: it can."""


NO_STABLE_SORT = "torch's converter knows no stable sort"

BLOCKS: dict[str, Entry] = {
    "se": Entry(SE, "channel"),
    "attention_dropout": Entry(AttentionDropout, "arithmetic", training_only=True),
    "axial": Entry(Axial, "self"),
    "cbam_channel": Entry(CBAMChannel, "channel"),
    "cbam_spatial": Entry(CBAMSpatial, "spatial"),
    "cbam": Entry(CBAM, "spatial"),
    "clustered": Entry(Clustered, "self"),
    "coordinate": Entry(Coordinate, "channel"),
    "criss_cross": Entry(CrissCross, "self", identity_at_start=True),
    "danet_position": Entry(DANetPosition, "self", identity_at_start=True),
    "danet_channel": Entry(DANetChannel, "channel", identity_at_start=True),
    "danet": Entry(DANet, "self", identity_at_start=True),
    "deformable": Entry(Deformable, "geometry"),
    "deformable_v2": Entry(DeformableV2, "geometry"),
    "double": Entry(DoubleAttention, "channel"),
    "eca": Entry(ECA, "channel"),
    "efficient": Entry(Efficient, "self"),
    "em_attention": Entry(EMAttention, "bases"),
    "fca": Entry(FCA, "channel"),
    "general": Entry(General, "arithmetic"),
    "hamburger": Entry(Hamburger, "bases"),
    "harmonious": Entry(Harmonious, "channel"),
    "high_order": Entry(HighOrder, "channel"),
    "hoga": Entry(HOGA, "channel"),
    "hoga_search": Entry(HOGASearch, "channel"),
    "hourglass": Entry(Hourglass, "spatial"),
    "inception": Entry(Inception, "arithmetic"),
    "mirror": Entry(Mirror, "arithmetic"),
    "multi_context": Entry(MultiContext, "spatial"),
    "multi_head": Entry(MultiHead, "self"),
    "non_local": Entry(NonLocal, "self", identity_at_start=True),
    "non_local_sparse": Entry(NonLocalSparse, "self", onnx=NO_STABLE_SORT),
    "picanet_local": Entry(PiCANetLocal, "spatial"),
    "picanet_global": Entry(PiCANetGlobal, "spatial"),
    "pyramid_feature": Entry(PyramidFeature, "spatial"),
    "random_features": Entry(RandomFeatures, "self"),
    "residual_attention": Entry(ResidualAttention, "spatial"),
    "reverse": Entry(Reverse, "arithmetic"),
    "sagan": Entry(SAGAN, "self", identity_at_start=True),
    "selective_kernel": Entry(SelectiveKernel, "channel"),
    "smyrf": Entry(SMYRF, "self", onnx=NO_STABLE_SORT),
    "soca": Entry(SOCA, "channel"),
    "span": Entry(SPAN, "spatial"),
    "spatial_pyramid": Entry(SpatialPyramid, "spatial"),
    "spatial_spectral": Entry(SpatialSpectral, "spatial"),
    "spatial_transformer": Entry(SpatialTransformer, "geometry", identity_at_start=True),
    "spatial_transformer_zoom": Entry(SpatialTransformerZoom, "geometry", identity_at_start=True),
    "split": Entry(SplitAttention, "channel"),
    "stand_alone": Entry(StandAlone, "self"),
    "x_linear": Entry(XLinear, "self"),
    "bayesian_log_normal": Entry(BayesianLogNormal, "stochastic"),
    "bayesian_weibull": Entry(BayesianWeibull, "stochastic"),
}

HEADS: dict[str, Entry] = {
    "cesan": Entry(CESAN, "pooling"),
    "class_feature": Entry(ClassFeature, "pooling"),
    "dvan": Entry(DVAN, "pooling"),
    "gain": Entry(
        GAIN,
        "pooling",
        export="its Grad-CAM is a gradient, in which export takes weights for constants",
    ),
    "gated_pooling": Entry(GatedPooling, "pooling"),
    "kalman": Entry(KalmanPooling, "pooling"),
    "perceiver": Entry(Perceiver, "pooling"),
    "retain": Entry(Retain, "pooling"),
    "sequential": Entry(S3TA, "pooling"),
    "set_transformer": Entry(SetTransformer, "pooling"),
    "slot": Entry(SlotAttention, "pooling"),
    "x_linear_pooling": Entry(XLinearPooling, "pooling"),
    "gaussian": Entry(
        GaussianAttention,
        "stochastic",
        deterministic="its Gaussian is a shape over places, not a distribution that is drawn from",
    ),
    "harmonious_regions": Entry(
        HarmoniousRegions,
        "stochastic",
        deterministic="its hard regions are crops by a spatial transformer",
    ),
    "uncertainty_aware": Entry(UncertaintyAware, "stochastic"),
}
