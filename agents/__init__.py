"""Who looks: `AGENTS[name].make(glimpse_shape, classes, ...)`.

`Scripted` is the control of any, and `Normalised` has its images normalised.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from .ada_glimpse import AdaGlimpse
from .adaptive_nn import AdaptiveNN
from .attention_sampling import AttentionSampling
from .boosted_captioner import BoostedCaptioner
from .caption_ram import CaptionRAM
from .clip import ClipAgent, FrameRAM
from .co_attention import CoAttention
from .cross_attention import CrossAttention
from .das_net import DasNet
from .dense import Dense
from .dram import DRAM
from .dt_ram import DTRAM
from .dynamic_capacity import DynamicCapacity
from .edram import EDRAM
from .expected_information import ExpectedInformation
from .full_view import NETS, FullView
from .gat_cluster import GATCluster
from .gaussian import DrawReader, SpreadRAM, ZoomRAM
from .glance_focus import GlanceFocus
from .guided import GuidedRAM
from .iterative_patch_selection import IterativePatchSelection
from .kalman import KalmanRAM
from .mask_ram import MaskRAM
from .masked_autoencoder import MaskedAutoencoder
from .move import MoveRAM
from .mram import MRAM
from .normalised import Normalised
from .patch_drop import PatchDrop
from .patch_selection import PatchSelection
from .player import Player
from .prophet_captioner import ProphetCaptioner
from .ram import RAM
from .resan import ReSAN
from .s3ta import Sequential
from .saccader import Saccader
from .scal import SCAL
from .scripted import PATH, SCRIPTS, Following, Scripted
from .self_distilled import SelfDistilled
from .show_attend_tell import ShowAttendTell, TellingInWords
from .soft import BACKBONES, MeanPool, SoftAgent, no_block
from .stacked_cross_attention import StackedCrossAttention
from .stacked_hourglass import MultiContextStack, StackedHourglass
from .stam import STAM
from .temporal import TemporalRAM
from .told import Told
from .transformer_captioner import TransformerCaptioner
from .two_level import TwoLevel
from .variational import Variational, VariationalDirichlet
from .x_linear_captioner import XLinearCaptioner


class Row(NamedTuple):
    """An agent, and what has to be known of it before it is chosen."""

    make: Callable[..., Any]
    """Its class: `make(glimpse_shape, classes, **options)`."""
    learns_by: str = "learned_baseline"
    """The row of ESTIMATORS that every weight of it is there for."""
    export: str = ""
    """Why `torch.export` cannot take its step; empty: it can."""


AGENTS: dict[str, Row] = {
    "ram": Row(RAM),
    "dram": Row(DRAM),
    "edram": Row(EDRAM, learns_by="pathwise"),
    "dt_ram": Row(DTRAM),
    "mram": Row(MRAM),
    "show_attend_tell": Row(ShowAttendTell, learns_by="soft_attention"),
    "ram_captioner": Row(CaptionRAM),
    "sat_captioner": Row(TellingInWords, learns_by="soft_attention"),
    "transformer_captioner": Row(TransformerCaptioner),
    "x_linear_captioner": Row(XLinearCaptioner),
    "boosted_captioner": Row(BoostedCaptioner, learns_by="soft_attention"),
    "prophet_captioner": Row(ProphetCaptioner, learns_by="soft_attention"),
    "stacked_cross_attention": Row(StackedCrossAttention, learns_by="hardest_negative"),
    "variational": Row(Variational, learns_by="variational_sampled"),
    "variational_dirichlet": Row(VariationalDirichlet, learns_by="variational_pathwise"),
    "sequential": Row(Sequential, learns_by="soft_attention"),
    "scal": Row(SCAL, learns_by="self_critical_attention"),
    "draw": Row(DrawReader, learns_by="pathwise"),
    "zoom_ram": Row(ZoomRAM),
    "spread_ram": Row(SpreadRAM),
    "move_ram": Row(MoveRAM),
    "player": Row(Player),
    "guided_ram": Row(GuidedRAM, learns_by="variational_sampled"),
    "glance_focus": Row(GlanceFocus),
    "temporal": Row(TemporalRAM),
    "kalman": Row(KalmanRAM),
    "frame_ram": Row(FrameRAM),
    "full_view": Row(FullView),
    "soft": Row(SoftAgent),
    "clip": Row(ClipAgent),
    "dense": Row(Dense),
    "stacked_hourglass": Row(StackedHourglass),
    "multi_context_stack": Row(MultiContextStack),
    "mask_ram": Row(MaskRAM),
    "reinforced": Row(
        ReSAN,
        learns_by="three_phases",
        export="how many tokens it keeps depends on its masks, and a graph has fixed shapes",
    ),
    "attention_sampling": Row(AttentionSampling, learns_by="attention_sampling"),
    "patch_selection": Row(PatchSelection, learns_by="perturbed_top_k"),
    "iterative_patch_selection": Row(IterativePatchSelection, learns_by="reinforce"),
    "patch_drop": Row(PatchDrop, learns_by="self_critical"),
    "ada_glimpse": Row(AdaGlimpse, learns_by="soft_actor_critic"),
    "dynamic_capacity": Row(DynamicCapacity, learns_by="reinforce"),
    "das_net": Row(DasNet, learns_by="reinforce"),
    "two_level": Row(TwoLevel, learns_by="base_first"),
    "adaptive_nn": Row(AdaptiveNN, learns_by="ppo"),
    "saccader": Row(Saccader, learns_by="three_phases"),
    "stam": Row(STAM, learns_by="full_view_teacher"),
    "expected_information": Row(ExpectedInformation, learns_by="reinforce"),
    "gat_cluster": Row(GATCluster, learns_by="gat_cluster"),
    "co_attention": Row(CoAttention, learns_by="margin_ranking"),
    "cross_attention": Row(CrossAttention, learns_by="cross_attention"),
    "masked_autoencoder": Row(MaskedAutoencoder, learns_by="masked_pixels"),
    "self_distilled": Row(SelfDistilled, learns_by="self_distillation"),
}

# Those that see everything at once: there is no looking that a script could replace.
SEE_ALL = (
    "full_view",
    "soft",
    "clip",
    "gat_cluster",
    "das_net",
    "co_attention",
    "cross_attention",
    "masked_autoencoder",
    "self_distilled",
    "dense",
    "stacked_hourglass",
    "multi_context_stack",
    "stacked_cross_attention",
)

__all__ = [
    "AGENTS",
    "BACKBONES",
    "DRAM",
    "DTRAM",
    "EDRAM",
    "MRAM",
    "NETS",
    "PATH",
    "RAM",
    "SCAL",
    "SCRIPTS",
    "SEE_ALL",
    "STAM",
    "AdaGlimpse",
    "AdaptiveNN",
    "AttentionSampling",
    "BoostedCaptioner",
    "CaptionRAM",
    "ClipAgent",
    "CoAttention",
    "CrossAttention",
    "DasNet",
    "Dense",
    "DrawReader",
    "DynamicCapacity",
    "ExpectedInformation",
    "Following",
    "FrameRAM",
    "FullView",
    "GATCluster",
    "GlanceFocus",
    "GuidedRAM",
    "IterativePatchSelection",
    "KalmanRAM",
    "MaskRAM",
    "MaskedAutoencoder",
    "MeanPool",
    "MoveRAM",
    "MultiContextStack",
    "Normalised",
    "PatchDrop",
    "PatchSelection",
    "Player",
    "ProphetCaptioner",
    "ReSAN",
    "Row",
    "Saccader",
    "Scripted",
    "SelfDistilled",
    "Sequential",
    "ShowAttendTell",
    "SoftAgent",
    "SpreadRAM",
    "StackedCrossAttention",
    "StackedHourglass",
    "TellingInWords",
    "TemporalRAM",
    "Told",
    "TransformerCaptioner",
    "TwoLevel",
    "Variational",
    "VariationalDirichlet",
    "XLinearCaptioner",
    "ZoomRAM",
    "no_block",
]
