"""The agents of recipes that see the whole image, as frozen dataclasses; each builds its agent."""

from dataclasses import dataclass
from typing import Any, Literal

from .agents import Looking, Shape
from .recipe import at_least, bind, choose


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
class ShowAttendTell(Looking):
    """Show, attend and tell (Xu et al. 2015): soft or hard by the draw alone."""

    row = "show_attend_tell"
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

    def told(self, world: Any, image: Shape) -> dict[str, Any]:
        return {"context": image, "looks": world.looks}


@dataclass(frozen=True)
class Variational(Looking):
    """Variational attention (Deng et al. 2018): one alignment, and a posterior given the label."""

    row = "variational"
    features: int = 64
    """Width of the feature of a cell."""
    hidden: int = 128
    script: str | None = None
    """random, centre or raster attend instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "features", "hidden")

    def told(self, world: Any, image: Shape) -> dict[str, Any]:
        return {"context": image}


@dataclass(frozen=True)
class VariationalDirichlet(Variational):
    """Variational attention with relaxed alignment: weights of all cells, drawn."""

    row = "variational_dirichlet"


@dataclass(frozen=True)
class Reinforced(Looking):
    """ReSAN (Shen et al. 2018): selects tokens, and attends between these alone."""

    row = "reinforced"
    features: int = 64
    """Width of a token."""
    hidden: int = 128
    groups: int = 8
    """Of features that share a score."""
    sparsity: float = 1.0
    """Charged for all tokens in both masks."""
    prior: float = 0.9
    """Probability of a token's selection, to begin with."""
    share: float | None = None
    """Of the tokens, which a script selects."""
    script: str | None = None
    """random, centre or raster select instead of the agent."""

    def __post_init__(self) -> None:
        at_least(self, 1, "features", "hidden", "groups")
        at_least(self, 0, "sparsity")

    def told(self, world: Any, image: Shape) -> dict[str, Any]:
        return {"context": image, "grid": (world.sensor.rows, world.sensor.columns)}


@dataclass(frozen=True)
class Sequential(Looking):
    """S3TA (Zoran et al. 2020): the soft twin of RAM."""

    row = "sequential"
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

    def told(self, world: Any, image: Shape) -> dict[str, Any]:
        return {"context": image}


@dataclass(frozen=True)
class Scal(Looking):
    """SCAL (Chen et al. 2019): attention that a critic judges in training."""

    row = "scal"
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

    def told(self, world: Any, image: Shape) -> dict[str, Any]:
        return {"context": image}


@dataclass(frozen=True)
class Soft:
    """One look at everything, by a backbone with blocks of soft attention."""

    block: str = "none"
    """A row of hardattn.attention.BLOCKS, after each unit of the backbone; or none."""
    head: str = "mean"
    """A row of hardattn.attention.HEADS; or mean, the class activation of Zhou et al. (2016)."""
    backbone: str = "cnn"
    """cnn or vit."""
    width: int = 32
    """Channels of the backbone."""
    weights: int | None = None
    """Make the hidden layers of its units as wide as brings the net nearest to so many weights."""
    bases: int | None = None
    """What places are rebuilt from (em_attention)."""

    def __post_init__(self) -> None:
        at_least(self, 8, "width")
        at_least(self, 1, "weights", "bases")

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for images of that shape."""
        import torch

        from hardattn.agents import BACKBONES, MeanPool, SoftAgent, no_block
        from hardattn.attention import BLOCKS, HEADS

        within: dict[str, Any] = {"none": no_block}
        within |= {name: row.make for name, row in BLOCKS.items()}
        heads: dict[str, Any] = {"mean": MeanPool}
        heads |= {name: row.make for name, row in HEADS.items()}
        choose("backbone", BACKBONES, self.backbone)
        options: dict[str, Any] = {
            "backbone": self.backbone,
            "block": bind("block", within, self.block, self, ("bases",)),
            "head": choose("head", heads, self.head),
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


@dataclass(frozen=True)
class GatCluster:
    """GATCluster (Niu et al. 2020): Gaussian attention that clusters without labels."""

    backbone: str = "cnn"
    """cnn or vit."""
    width: int = 32
    """Channels of the backbone."""

    def __post_init__(self) -> None:
        at_least(self, 8, "width")

    def build(self, glimpse: Shape, world: Any, image: Shape) -> Any:
        """The agent, for images of that shape."""
        from hardattn.agents import BACKBONES, GATCluster

        choose("backbone", BACKBONES, self.backbone)
        classes = world.task.classes
        return GATCluster(glimpse, classes, backbone=self.backbone, width=self.width)
