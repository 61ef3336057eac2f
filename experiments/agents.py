"""The agents of recipes, as frozen dataclasses of plain values; each builds its agent."""

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

        agent = RAM(glimpse, world.task.classes, **_options(self))
        return _scripted(agent, self.script, world)


@dataclass(frozen=True)
class FullView:
    """A classifier that sees everything at once."""

    net: str = "cnn"
    """mlp, conv_2014 or cnn."""

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn import agents

        choose("net", agents.NETS, self.net)
        return agents.FullView(glimpse, world.task.classes, net=self.net)


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

        options = _options(self) | {"context": world.context_shape(image)}
        return _scripted(DRAM(glimpse, world.task.classes, **options), self.script, world)


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
        options = _options(self) | {"zoom": world.sensor.cover, "context": context}
        return _scripted(EDRAM(glimpse, world.task.classes, **options), self.script, world)


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

        return _scripted(MRAM(glimpse, world.task.classes, **_options(self)), self.script, world)


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

        return _scripted(DTRAM(glimpse, world.task.classes, **_options(self)), self.script, world)


@dataclass(frozen=True)
class ShowAttendTell:
    """Show, attend and tell (Xu et al. 2015): soft or hard by the draw alone."""

    features: int = 64
    """Width of the feature of a cell."""
    hidden: int = 128
    doubly: float = 0.0
    """Price of the doubly stochastic penalty."""
    script: str | None = None
    """random, centre or raster attend instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "features", "hidden")
        at_least(self, 0, "doubly")

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, over the cells of the world's grid."""
        from hardattn.agents import ShowAttendTell as Agent

        options = _options(self) | {"context": image, "looks": world.looks}
        return _scripted(Agent(glimpse, world.task.classes, **options), self.script, world)


@dataclass(frozen=True)
class Variational:
    """Variational attention (Deng et al. 2018): one alignment, and a posterior given the label."""

    features: int = 64
    """Width of the feature of a cell."""
    hidden: int = 128
    script: str | None = None
    """random, centre or raster attend instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "features", "hidden")

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, over the cells of the world's grid."""
        from hardattn.agents import Variational as Agent

        options = _options(self) | {"context": image}
        return _scripted(Agent(glimpse, world.task.classes, **options), self.script, world)


@dataclass(frozen=True)
class Sequential:
    """S3TA (Zoran et al. 2020): the soft twin of RAM."""

    core: Literal["rnn", "gru", "lstm"] = "lstm"
    hidden: int = 256
    keys: int = 8
    """Channels that are asked."""
    values: int = 120
    """Channels that answer."""
    frequencies: int = 4
    """Of the spatial basis; it has (2 * frequencies)^2 channels."""
    script: str | None = None
    """random, centre or raster attend instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "hidden", "keys", "values", "frequencies")

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, over the cells of the world's grid."""
        from hardattn.agents import Sequential as Agent

        options = _options(self) | {"context": image}
        return _scripted(Agent(glimpse, world.task.classes, **options), self.script, world)


@dataclass(frozen=True)
class Scal:
    """SCAL (Chen et al. 2019): attention that a critic judges in training."""

    attention: Literal["spatial", "channel", "both"] = "spatial"
    features: int = 64
    """Width of the feature of a cell."""
    hidden: int = 128
    reduction: int = 16
    """Of the channel gate's middle layer."""
    script: str | None = None
    """random, centre or raster attend instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "features", "hidden", "reduction")

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, over the cells of the world's grid."""
        from hardattn.agents import SCAL

        options = _options(self) | {"context": image}
        return _scripted(SCAL(glimpse, world.task.classes, **options), self.script, world)


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

        return _scripted(Agent(glimpse, world.task.classes, **_options(self)), self.script, world)


@dataclass(frozen=True)
class ZoomRam(Ram):
    """RAM that also chooses how wide to look; sensor zoom."""

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import ZoomRAM

        return _scripted(ZoomRAM(glimpse, world.task.classes, **_options(self)), self.script, world)


@dataclass(frozen=True)
class SpreadRam(Ram):
    """RAM whose policy learns its spread as well; std is the spread at first."""

    floor: float = 0.03
    """The least spread."""

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import SpreadRAM

        options = _options(self)
        return _scripted(SpreadRAM(glimpse, world.task.classes, **options), self.script, world)


@dataclass(frozen=True)
class GuidedRam(Ram):
    """RAM with a guide that sees the label, for variational_sampled and wake_sleep."""

    guide_std: float | None = None
    """Standard deviation of the guide; by default the policy's."""

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import GuidedRAM

        options = _options(self)
        return _scripted(GuidedRAM(glimpse, world.task.classes, **options), self.script, world)


@dataclass(frozen=True)
class TemporalRam(Ram):
    """RAM whose answer attends over its looks."""

    attention: int = 64
    """Units that score a look."""

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for glimpses of that shape."""
        from hardattn.agents import TemporalRAM

        options = _options(self) | {"looks": world.looks}
        return _scripted(TemporalRAM(glimpse, world.task.classes, **options), self.script, world)


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

        return _scripted(
            KalmanRAM(glimpse, world.task.classes, **_options(self)), self.script, world
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

        options = _options(self) | {"context": world.context_shape(image)}
        return _scripted(Agent(glimpse, world.task.classes, **options), self.script, world)


@dataclass(frozen=True)
class Soft:
    """One look at everything, by a backbone with blocks of soft attention."""

    block: str = "none"
    """A row of hardattn.blocks.BLOCKS after each unit of the backbone; or none."""
    head: str = "mean"
    """A row of hardattn.blocks.HEADS; or mean, the class activation of Zhou et al. (2016)."""
    backbone: str = "cnn"
    """cnn or vit."""
    width: int = 32
    """Channels of the backbone."""
    weights: int | None = None
    """Make the hidden layers of its units as wide as brings the net nearest to so many weights."""

    def __post_init__(self) -> None:
        at_least(self, 8, "width")
        at_least(self, 1, "weights")

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for images of that shape."""
        import torch

        from hardattn.agents import BACKBONES, MeanPool, SoftAgent, no_block
        from hardattn.blocks import BLOCKS, HEADS

        choose("backbone", BACKBONES, self.backbone)
        options: dict[str, Any] = {
            "backbone": self.backbone,
            "block": choose("block", {"none": no_block, **BLOCKS}, self.block),
            "head": choose("head", {"mean": MeanPool, **HEADS}, self.head),
            "width": self.width,
        }
        if self.weights is not None:
            with torch.random.fork_rng(devices=[]):
                one, two = (
                    SoftAgent(glimpse, world.task.classes, middle=middle, **options)
                    for middle in (1, 2)
                )
            # Weights are linear in the width of the hidden layers.
            least, more = (sum(w.numel() for w in net.parameters()) for net in (one, two))
            options["middle"] = max(1, 1 + round((self.weights - least) / (more - least)))
        return SoftAgent(glimpse, world.task.classes, **options)


def _options(config: Any) -> dict[str, Any]:
    """What the agent itself takes: every field but the script."""
    return {key: value for key, value in dataclasses.asdict(config).items() if key != "script"}


def _scripted(agent: Any, script: str | None, world: Any) -> Any:
    """The agent, or its observer under a scripted control."""
    from hardattn.agents import SCRIPTS, Scripted

    if script is None:
        return agent
    choose("script", SCRIPTS, script)
    sensor = None if world.sensor.places == 2 else world.sensor
    return Scripted(agent, script, world.looks, sensor)
