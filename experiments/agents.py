"""The agents of recipes that look at places, as frozen dataclasses; each builds its agent."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from experiments.config import at_least, choose, finite, positive

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Ram:
    """RAM (Mnih et al. 2014), or its observer under a scripted control."""

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

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import RAM

        agent = RAM(glimpse, world.task.classes, **options_of(self))
        return scripted(agent, self.script, world)


@dataclass(frozen=True)
class Dram:
    """DRAM (Ba et al. 2015)."""

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

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import DRAM

        options = options_of(self) | {"context": world.context_shape(image)}
        return scripted(DRAM(glimpse, world.task.classes, **options), self.script, world)


@dataclass(frozen=True)
class Edram:
    """EDRAM (Ablavatski et al. 2017)."""

    hidden: int = 256
    features: int = 256
    """Units of the glimpse's product of what and where."""
    filters: int = 16
    """Channels of the first of three convolutions."""
    script: str | None = None
    """random, centre or raster look instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "hidden", "features", "filters")

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape through an affine sensor."""
        from hardattn.agents import EDRAM

        context = world.context_shape(image)
        options = options_of(self) | {"zoom": world.sensor.cover, "context": context}
        return scripted(EDRAM(glimpse, world.task.classes, **options), self.script, world)


@dataclass(frozen=True)
class Mram:
    """MRAM (Pan et al. 2025)."""

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

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import MRAM

        return scripted(MRAM(glimpse, world.task.classes, **options_of(self)), self.script, world)


@dataclass(frozen=True)
class DtRam:
    """DT-RAM (Li et al. 2017): learns when to stop."""

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
    price: float = 0.05
    """Charged for every look taken."""
    script: str | None = None
    """random, centre or raster look instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "hidden", "what", "where")
        at_least(self, 0, "price")
        positive(self, "std")

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import DTRAM

        return scripted(DTRAM(glimpse, world.task.classes, **options_of(self)), self.script, world)


@dataclass(frozen=True)
class DrawReader:
    """DRAW's reader as a classifier (Gregor et al. 2015); sensor filterbank, pathwise."""

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

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import DrawReader as Agent

        return scripted(Agent(glimpse, world.task.classes, **options_of(self)), self.script, world)


@dataclass(frozen=True)
class ZoomRam(Ram):
    """RAM that also chooses how wide to look; sensor zoom."""

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import ZoomRAM

        return scripted(
            ZoomRAM(glimpse, world.task.classes, **options_of(self)), self.script, world
        )


@dataclass(frozen=True)
class SpreadRam(Ram):
    """RAM whose policy learns its spread as well; std is the spread at first."""

    floor: float = 0.03
    """The least spread."""

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import SpreadRAM

        options = options_of(self)
        return scripted(SpreadRAM(glimpse, world.task.classes, **options), self.script, world)


@dataclass(frozen=True)
class GuidedRam(Ram):
    """RAM with a guide that sees the label, for variational_sampled and wake_sleep."""

    guide_std: float | None = None
    """Standard deviation of the guide; by default the policy's."""

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import GuidedRAM

        options = options_of(self)
        return scripted(GuidedRAM(glimpse, world.task.classes, **options), self.script, world)


@dataclass(frozen=True)
class TemporalRam(Ram):
    """RAM whose answer attends over its looks."""

    attention: int = 64
    """Units that score a look."""

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import TemporalRAM

        options = options_of(self) | {"looks": world.looks}
        return scripted(TemporalRAM(glimpse, world.task.classes, **options), self.script, world)


@dataclass(frozen=True)
class KalmanRam:
    """RAM whose memory is a Kalman filter over glimpses (Liu et al. 2020)."""

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

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import KalmanRAM

        return scripted(
            KalmanRAM(glimpse, world.task.classes, **options_of(self)), self.script, world
        )


@dataclass(frozen=True)
class GlanceFocus:
    """GFNet (Wang et al. 2020): a coarse glance, then crops."""

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

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape and a coarse view."""
        from hardattn.agents import GlanceFocus as Agent

        options = options_of(self) | {"context": world.context_shape(image)}
        return scripted(Agent(glimpse, world.task.classes, **options), self.script, world)


def options_of(config: Any) -> dict[str, Any]:
    """What the agent itself takes: every field but the script."""
    return {key: value for key, value in dataclasses.asdict(config).items() if key != "script"}


def scripted(agent: Any, script: str | None, world: Any) -> Any:
    """The agent, or its observer under a scripted control."""
    from hardattn.agents import SCRIPTS, Scripted

    if script is None:
        return agent
    choose("script", SCRIPTS, script)
    sensor = None if world.sensor.places == 2 else world.sensor
    return Scripted(agent, script, world.looks, sensor)
