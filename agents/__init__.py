"""Who looks: `AGENTS[name](glimpse_shape, classes, ...)`, and `Scripted`, the control of any."""

from collections.abc import Callable
from typing import Any

from .dram import DRAM
from .dt_ram import DTRAM
from .edram import EDRAM
from .full_view import NETS, FullView
from .gat_cluster import GATCluster
from .gaussian import DrawReader, SpreadRAM, ZoomRAM
from .glance_focus import GlanceFocus
from .guided import GuidedRAM
from .kalman import KalmanRAM
from .move import MoveRAM
from .mram import MRAM
from .player import Player
from .ram import RAM
from .resan import ReSAN
from .s3ta import Sequential
from .scal import SCAL
from .scripted import PATH, SCRIPTS, Following, Scripted
from .show_attend_tell import ShowAttendTell
from .soft import BACKBONES, MeanPool, SoftAgent, no_block
from .temporal import TemporalRAM
from .variational import Variational, VariationalDirichlet

AGENTS: dict[str, Callable[..., Any]] = {
    "ram": RAM,
    "dram": DRAM,
    "edram": EDRAM,
    "dt_ram": DTRAM,
    "mram": MRAM,
    "show_attend_tell": ShowAttendTell,
    "variational": Variational,
    "variational_dirichlet": VariationalDirichlet,
    "sequential": Sequential,
    "scal": SCAL,
    "draw": DrawReader,
    "zoom_ram": ZoomRAM,
    "spread_ram": SpreadRAM,
    "move_ram": MoveRAM,
    "player": Player,
    "guided_ram": GuidedRAM,
    "glance_focus": GlanceFocus,
    "temporal": TemporalRAM,
    "kalman": KalmanRAM,
    "full_view": FullView,
    "soft": SoftAgent,
    "reinforced": ReSAN,
    "gat_cluster": GATCluster,
}

# Those that see everything at once: there is no looking that a script could replace.
SEE_ALL = ("full_view", "soft", "gat_cluster")

# Why `torch.export` cannot take the step of an agent.
NOT_EXPORTED: dict[str, str] = {
    "reinforced": "how many tokens it keeps depends on its masks, and a graph has fixed shapes",
}

__all__ = [
    "AGENTS",
    "BACKBONES",
    "DRAM",
    "DTRAM",
    "EDRAM",
    "MRAM",
    "NETS",
    "NOT_EXPORTED",
    "PATH",
    "RAM",
    "SCAL",
    "SCRIPTS",
    "SEE_ALL",
    "DrawReader",
    "Following",
    "FullView",
    "GATCluster",
    "GlanceFocus",
    "GuidedRAM",
    "KalmanRAM",
    "MeanPool",
    "MoveRAM",
    "Player",
    "ReSAN",
    "Scripted",
    "Sequential",
    "ShowAttendTell",
    "SoftAgent",
    "SpreadRAM",
    "TemporalRAM",
    "Variational",
    "VariationalDirichlet",
    "ZoomRAM",
    "no_block",
]
