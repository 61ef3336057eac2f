"""Other people's networks: what features they give, and blocks of attention put into them.

A network is any module or function; from timm, from torchvision, or of one's own. `Trunk` makes a
feature map of it whatever it returns, and `insert` puts blocks where their family belongs, so that
their maps are recorded by the names of where they stand.
"""

import inspect
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

Made = nn.Module | Callable[..., nn.Module]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation of its channels
# Of residual units, as timm and torchvision call them, the norms that their branches end with; the
# first that a unit has.
BRANCH_ENDS = ("bn3", "bn2", "norm3", "norm2")
POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


class Normalise(nn.Module):
    """Images in [0, 1] -> less a mean, over a deviation, a channel each; grey becomes three of
    them.

    What a pretrained network expects: `nn.Sequential(Normalise(*IMAGENET), network)`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std


class Trunk(nn.Module):
    """A network up to its last feature map: (B, C, H, W) -> (B, channels, h, w).

    net: a module, or a function that makes one, of the shape of an image if it takes anything. It
    may return a map; several, of which the last counts (a list, or a dict); or tokens, (B, N, D),
    of which a square number are places, row by row, and those before are left out. One that returns
    logits is asked for its features instead, as timm and torchvision name them, or is cut at its
    global pooling. shape: (C, H, W), of an image. frozen: its weights and statistics stay.

    Raises ValueError where there is no feature map.
    """

    def __init__(self, net: Made, shape: Sequence[int], frozen: bool = False):
        super().__init__()
        self.net = made(net, shape)
        self.frozen = frozen
        self.context: nn.Module = nn.Identity()  # a block behind the last feature map
        self.ask = ""
        blank = torch.zeros(2, *shape)
        for ask, cut in self._ways():
            self.ask = ask
            found = _tried(partial(self._map, cut, blank), cut)
            if found is not None:
                self.net = cut
                break
        else:
            raise ValueError(
                f"{type(self.net).__name__}: no feature map, (B, C, h, w), comes out of it for "
                f"images of {tuple(shape)}; give a module that ends before its pooling"
            )
        self.channels = found.shape[1]
        if frozen:
            self.requires_grad_(False)
        self.train(self.training)

    def _ways(self) -> list[tuple[str, nn.Module]]:
        """How features may be had: of the whole, by what it calls so, or of all before its pool."""
        net = self.net
        ways = [("", net)]
        if callable(getattr(net, "forward_features", None)):
            ways.append(("forward_features", net))
        if isinstance(getattr(net, "features", None), nn.Module):
            ways.append(("features", net))
        before: list[tuple[str, nn.Module]] = []
        for name, child in net.named_children():
            if isinstance(child, POOLS) or name in ("avgpool", "global_pool"):
                ways.append(("", nn.Sequential(OrderedDict(before)) if before else net))
                break
            before.append((name, child))
        return ways

    def _map(self, net: nn.Module, image: Tensor) -> Tensor:
        call: Callable[[Tensor], Any] = getattr(net, self.ask) if self.ask else net
        return feature_map(call(image))

    def train(self, mode: bool = True) -> "Trunk":
        """As of any module; but one that is frozen stays in evaluation, and blocks in it do not."""
        super().train(mode and not self.frozen)
        self.context.train(mode)
        for part in self.modules() if self.frozen else ():
            if isinstance(part, Placed):
                part.block.train(mode)
        return self

    def forward(self, image: Tensor) -> Tensor:
        return self.context(self._map(self.net, image))


class Encoder(nn.Module):
    """A network of one's own for what a glimpse shows: g = relu(Lin(net(glimpse)) +
    Lin(relu(Lin(place)))).

    As `nn.layers.GlimpseNet`, whose first part it replaces. net: as in `Trunk`; of a map the mean
    over places counts, of anything else all numbers. (B, ...) glimpses, (B, P) places ->
    (B, features).
    """

    def __init__(
        self,
        net: Made,
        glimpse: Sequence[int],
        places: int = 2,
        where: int = 128,
        features: int = 256,
    ):
        super().__init__()
        self.net = made(net, glimpse)
        wide = _tried(lambda: self._seen(torch.zeros(2, *glimpse)), self.net)
        if wide is None:
            raise ValueError(
                f"{type(self.net).__name__}: it takes no glimpses of {tuple(glimpse)}, or gives no "
                "numbers, (B, ...), for them"
            )
        self.where = nn.Linear(places, where)
        self.from_what = nn.Linear(wide.shape[1], features)
        self.from_where = nn.Linear(where, features)

    def _seen(self, glimpse: Tensor) -> Tensor:
        out = self.net(glimpse)
        if not isinstance(out, Tensor):
            out = feature_map(out)
        return out.mean((2, 3)) if out.dim() == 4 else out.flatten(1)

    def forward(self, glimpse: Tensor, place: Tensor) -> Tensor:
        where = self.where(place).relu()
        return (self.from_what(self._seen(glimpse)) + self.from_where(where)).relu()


class Placed(nn.Module):
    """A part of a network, and a block of attention behind it."""

    def __init__(self, before: nn.Module, block: nn.Module):
        super().__init__()
        self.before, self.block = before, block

    def forward(self, x: Tensor) -> Tensor:
        return self.block(self.before(x))


def made(net: Made, shape: Sequence[int]) -> nn.Module:
    """A module as it is; else what a function makes: of the shape if it takes it, or of nothing."""
    if isinstance(net, nn.Module):
        return net
    takes = [
        each
        for each in inspect.signature(net).parameters.values()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        and each.default is each.empty
    ]
    built = net(tuple(shape)) if takes else net()
    if not isinstance(built, nn.Module):
        raise ValueError(f"{net!r} makes a {type(built).__name__}, which is no module")
    return built


def own(net: str | Made) -> Made:
    """A network that somebody brings; of its name alone nothing is known here."""
    if isinstance(net, str):
        raise ValueError(f"{net!r}: give the module itself, or a function that makes it")
    return net


def feature_map(out: Any) -> Tensor:
    """(B, C, h, w) of whatever a network returns: see `Trunk`. Raises ValueError."""
    if isinstance(out, Mapping):
        out = list(out.values())
    if isinstance(out, list | tuple) and out:
        out = out[-1]
    if isinstance(out, Tensor) and out.dim() == 4:
        return out
    if isinstance(out, Tensor) and out.dim() == 3:
        side = math.isqrt(out.shape[1])
        return out[:, out.shape[1] - side**2 :].mT.unflatten(2, (side, side))
    raise ValueError("no feature map")


def insert(
    net: nn.Module, block: Callable[[int], nn.Module], shape: Sequence[int], at: str = ""
) -> list[str]:
    """Put a block behind parts of a network, each made for its channels; the names where they
    stand.

    at: names of the parts, with * and ? for any, as "layer*.*.bn2"; by default the ends of the
    branches of residual units, where gates belong (Hu et al. 2018, Woo et al. 2018), or of one that
    has none, the end of each stage: the last part before a map becomes smaller, and the last one.
    shape: (C, H, W), of an image. The maps of the blocks are recorded under these names. Raises
    ValueError where nothing is called so, or gives no feature map.
    """
    sizes = _sizes(net, shape)
    if at:
        names = [name for name in sizes if fnmatchcase(name, at)]
    else:
        names = _branch_ends(net, sizes) or _stage_ends(net, sizes)
    if not names:
        raise ValueError(
            f"no part that is called {at or 'anything'!r} gives a feature map; there are "
            f"{', '.join([*sizes][:12]) or 'none'}"
        )
    for name in names:
        part = net.get_submodule(name)
        put = Placed(part, block(sizes[name][0])).train(part.training)
        where, _, last = name.rpartition(".")
        setattr(net.get_submodule(where), last, put)
    return [f"{name}.block" for name in names]


def _sizes(net: nn.Module, shape: Sequence[int]) -> dict[str, tuple[int, int, int]]:
    """(C, h, w) of every part that gives a feature map, by its name, in the order they run."""
    sizes: dict[str, tuple[int, int, int]] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(part: nn.Module, given: Any, out: Any) -> None:
            if isinstance(out, Tensor) and out.dim() == 4 and min(out.shape[2:]) > 1:
                sizes[name] = (out.shape[1], out.shape[2], out.shape[3])

        return hook

    handles = [part.register_forward_hook(keep(name)) for name, part in net.named_modules() if name]
    try:
        _tried(lambda: net(torch.zeros(2, *shape)), net)
    finally:
        for handle in handles:
            handle.remove()
    return sizes


def _branch_ends(net: nn.Module, sizes: Mapping[str, Any]) -> list[str]:
    """The last norm of each residual unit, which is a part with two convolutions or more."""
    found = []
    for name, part in net.named_modules():
        children = dict(part.named_children())
        ends = [each for each in BRANCH_ENDS if each in children]
        if "conv2" in children and ends and f"{name}.{ends[0]}" in sizes:
            found.append(f"{name}.{ends[0]}")
    return found


def _stage_ends(net: nn.Module, sizes: Mapping[str, tuple[int, int, int]]) -> list[str]:
    """Of the outermost parts that are several, the last of each size."""
    parts: dict[str, list[str]] = {}
    for name in sizes:
        parts.setdefault(name.rpartition(".")[0], []).append(name)
    outermost = sorted(parts, key=lambda name: name.count(".") + bool(name))
    several = next((parts[name] for name in outermost if len(parts[name]) > 1), [*sizes][-1:])
    return list({sizes[name][1:]: name for name in several}.values())


def _tried(run: Callable[[], Any], net: nn.Module) -> Any:
    """What it returns, without a trace in the network or in random numbers; None where it fails."""
    training = net.training
    net.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return run()
    except (ValueError, RuntimeError, TypeError, IndexError):
        return None
    finally:
        net.train(training)
