"""The agents of recipes that look at places, as frozen dataclasses; each builds its agent."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from .recipe import at_least, choose, finite, positive

Shape = tuple[int, ...]


class Looking:
    """Builds the agent that the fields of a subclass describe, or its observer under a script."""

    row: ClassVar[str]  # of hardattn.agents.AGENTS
    script: str | None

    def told(self, world: Any, image: Shape) -> dict[str, Any]:
        """What the agent takes beside the fields."""
        return {}

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import AGENTS, PATH, SCRIPTS, Scripted

        fields = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}  # type: ignore[arg-type]
        del fields["script"]
        share = fields.pop("share", None)
        options = fields | self.told(world, image)
        agent = AGENTS[self.row].make(glimpse, world.task.classes, **options)
        if self.script is None:
            return agent
        if not self.script.startswith(PATH):
            choose("script", SCRIPTS, self.script)
        sensor = None if world.sensor.places == 2 else world.sensor
        return Scripted(agent, self.script, world.looks, sensor, share)


@dataclass(frozen=True)
class Ram(Looking):
    """RAM (Mnih et al. 2014), or its observer under a scripted control."""

    row = "ram"
    core: Literal["rnn", "gru", "lstm"] = "rnn"
    hidden: int = 256
    what: int = 128
    """Units between the glimpse and the features."""
    where: int = 128
    """Units between the place and the features."""
    std: float = 0.17
    """Standard deviation of the Gaussian policy, in half-sides of the image."""
    joint: bool = False
    """Let the policy's gradient train the core as well."""
    script: str | None = None
    """random, centre, raster or oracle look instead of the locator."""

    def __post_init__(self) -> None:
        at_least(self, 1, "hidden", "what", "where")
        positive(self, "std")
        finite(self, "std")


@dataclass(frozen=True)
class Dram(Looking):
    """DRAM (Ba et al. 2015)."""

    row = "dram"
    hidden: int = 256
    features: int = 256
    """Units of the glimpse's product of what and where."""
    filters: int = 16
    """Channels of the first of three convolutions."""
    std: float = 0.17
    """Standard deviation of the Gaussian policy, in half-sides of the image."""
    balance: float = 1.0
    """What the policy's gradient is multiplied by below the emission (the paper's lambda)."""
    script: str | None = None
    """random, centre or raster look instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "hidden", "features", "filters")
        positive(self, "std")

    def told(self, world: Any, image: Shape) -> dict[str, Any]:
        return {"context": world.context_shape(image)}


@dataclass(frozen=True)
class Edram(Looking):
    """EDRAM (Ablavatski et al. 2017)."""

    row = "edram"
    hidden: int = 256
    features: int = 256
    """Units of the glimpse's product of what and where."""
    filters: int = 16
    """Channels of the first of three convolutions."""
    script: str | None = None
    """random, centre or raster look instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "hidden", "features", "filters")

    def told(self, world: Any, image: Shape) -> dict[str, Any]:
        return {"context": world.context_shape(image), "zoom": world.sensor.cover}


@dataclass(frozen=True)
class Mram(Looking):
    """MRAM (Pan et al. 2025)."""

    row = "mram"
    hidden: int = 256
    what: int = 128
    """Units between the glimpse and the features."""
    where: int = 128
    """Units between the place and the features."""
    std: float = 0.05
    """Standard deviation of the Gaussian policy, in half-sides of the image."""
    joint: bool = False
    """Let the policy's gradient train the core as well."""
    script: str | None = None
    """random, centre or raster look instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "hidden", "what", "where")
        positive(self, "std")


@dataclass(frozen=True)
class DtRam(Ram):
    """DT-RAM (Li et al. 2017): learns when to stop."""

    row = "dt_ram"
    price: float = 0.05
    """Charged for every look taken."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "price")


@dataclass(frozen=True)
class DrawReader(Looking):
    """DRAW's reader as a classifier (Gregor et al. 2015); sensor filterbank, pathwise."""

    row = "draw"
    core: Literal["rnn", "gru", "lstm"] = "lstm"
    hidden: int = 256
    what: int = 128
    """Units between the glimpse and the features."""
    where: int = 128
    """Units between the place and the features."""
    script: str | None = None
    """random, centre, raster or oracle look instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "hidden", "what", "where")


@dataclass(frozen=True)
class ZoomRam(Ram):
    """RAM that also chooses how wide to look; sensor zoom."""

    row = "zoom_ram"


@dataclass(frozen=True)
class SpreadRam(Ram):
    """RAM whose policy learns its spread as well; std is the spread at first."""

    row = "spread_ram"
    floor: float = 0.03
    """The least spread."""


@dataclass(frozen=True)
class MoveRam(Ram):
    """RAM that says how far to move, and sees contrast; for problems with a reach."""

    row = "move_ram"

    def told(self, world: Any, image: Shape) -> dict[str, Any]:
        return {} if world.reach is None else {"reach": world.reach}


@dataclass(frozen=True)
class Player(Ram):
    """RAM that acts as well as looks; scene catch."""

    row = "player"
    joint: bool = True
    """Let what was won train the core; nothing else does."""


@dataclass(frozen=True)
class GuidedRam(Ram):
    """RAM with a guide that sees the label, for variational_sampled and wake_sleep."""

    row = "guided_ram"
    guide_std: float | None = None
    """Standard deviation of the guide; by default the policy's."""


@dataclass(frozen=True)
class TemporalRam(Ram):
    """RAM whose answer attends over its looks."""

    row = "temporal"
    attention: int = 64
    """Units that score a look."""

    def told(self, world: Any, image: Shape) -> dict[str, Any]:
        return {"looks": world.looks}


@dataclass(frozen=True)
class KalmanRam(Looking):
    """RAM whose memory is a Kalman filter over glimpses (Liu et al. 2020)."""

    row = "kalman"
    hidden: int = 256
    what: int = 128
    """Units between the glimpse and the features."""
    where: int = 128
    """Units between the place and the features."""
    std: float = 0.17
    """Standard deviation of the Gaussian policy, in half-sides of the image."""
    joint: bool = False
    """Let the policy's gradient train the memory as well."""
    script: str | None = None
    """random, centre or raster look instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "hidden", "what", "where")
        positive(self, "std")


@dataclass(frozen=True)
class GlanceFocus(Looking):
    """GFNet (Wang et al. 2020): a coarse glance, then crops."""

    row = "glance_focus"
    hidden: int = 256
    features: int = 128
    """Units of what a glance or a crop says."""
    std: float = 0.2
    """Standard deviation of the Gaussian policy, in half-sides of the image."""
    threshold: float | None = None
    """Stop looking, in use, once this sure."""
    script: str | None = None
    """random, centre or raster look instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "hidden", "features")
        positive(self, "std")

    def told(self, world: Any, image: Shape) -> dict[str, Any]:
        return {"context": world.context_shape(image)}
