"""What looking costs, in units that no machine changes."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from hardattn.rollout import Agent, Draw, greedy, rollout
from hardattn.scenes import Scenes
from hardattn.world import World


def _lstm(sequence: Tensor, above: Tensor, before: Tensor, *rest: Any, **named: Any) -> int:
    """Of a layer of nn.LSTM on the CPU, for which torch has none: (T, B, F), two of its weights."""
    steps, batch = sequence.shape[:2]
    return 2 * steps * batch * (above.numel() + before.numel())


FORMULAS: dict[Any, Any] = {torch.ops.aten.mkldnn_rnn_layer: _lstm}


class Operations(TorchDispatchMode):
    """Adds up what torch's own formulas say of every operation inside, and ours where it has none.

    torch's FlopCounterMode also says in which module, which fails where a module differentiates.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        operation = func._overloadpacket
        formula = flop_registry.get(operation) or FORMULAS.get(operation)
        if formula is not None:
            self.total += int(formula(*args, **kwargs, out_val=out))
        return out


def flops(agent: Agent, world: World, scenes: Scenes, draw: Draw = greedy) -> int:
    """Floating-point operations for one image, as torch counts them: two for a product and its
    sum, in matrix products and convolutions; everything else (elementwise, sampling, sorting) is
    not counted. scenes: any; the first is looked at.
    """
    with torch.no_grad(), Operations() as counter:
        rollout(agent, world, scenes.slice(0, 1), draw)
    return counter.total
