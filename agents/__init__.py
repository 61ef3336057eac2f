"""Who looks: `AGENTS[name](glimpse_shape, classes, ...)`, and `Scripted`, the control of any."""

from collections.abc import Callable
from typing import Any

from .full_view import NETS, FullView
from .ram import RAM
from .scripted import SCRIPTS, Scripted

AGENTS: dict[str, Callable[..., Any]] = {"ram": RAM, "full_view": FullView}

__all__ = ["AGENTS", "NETS", "RAM", "SCRIPTS", "FullView", "Scripted"]
