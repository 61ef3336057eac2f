"""What learning costs: the operations of one update, counted as `cost` counts those of looking."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import flop_registry

from hardattn.evaluation.cost import FORMULAS, Operations
from hardattn.scenes import Scenes
from hardattn.world import World

aten = torch.ops.aten
# What goes back through an operation that `cost` has a formula for, as a multiple of going forward:
# a product has two factors to be gone back to, an interpolation its image and its places.
BACK: dict[Any, tuple[Any, int]] = {
    aten.mkldnn_rnn_layer_backward: (aten.mkldnn_rnn_layer, 2),
    aten.grid_sampler_2d_backward: (aten.grid_sampler_2d, 2),
    aten.upsample_bilinear2d_backward: (aten.upsample_bilinear2d, 1),
}


class TrainingCost(NamedTuple):
    """Of one scene in one update."""

    flops: int
    """Of looking, and of the gradient."""
    uncounted: int
    """The numbers that all other operations made, as `Operations.uncounted`."""


class Learning(Operations):
    """`Operations`, of the way back as well.

    What goes forward is remembered, as the same goes back and has the sizes that a formula asks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.forward: dict[Any, list[int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        operation, before = func._overloadpacket, self.total
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if operation in BACK and operation not in flop_registry:
            there, times = BACK[operation]
            # The last that went forward is the first that goes back.
            cost = self.forward.get(there) or [0]
            self.total += times * cost.pop()
        elif operation in FORMULAS and any(operation is there for there, _ in BACK.values()):
            self.forward.setdefault(operation, []).append(self.total - before)
        return out


def of_update(
    agent: Any, world: World, estimator: Callable[..., Any], scenes: Scenes
) -> TrainingCost:
    """What one update costs a scene: looking, loss and gradient, without the optimiser.

    The optimiser's few operations a weight are shared by a whole batch. The agent's gradients are
    as they were afterwards.

    Args:
        agent: In training mode or not, as it is.
        estimator: That it is trained by; what it returns has a `total`, which is descended.
        scenes: Several, as some norms need more than one; the cost is their mean.
    """
    learners = [one for one in (agent, estimator) if isinstance(one, torch.nn.Module)]
    weights = [weight for one in learners for weight in one.parameters() if weight.requires_grad]
    generator = torch.Generator(scenes.device).manual_seed(0)
    with Learning() as counter, torch.enable_grad():
        look: Callable[[], Any] | None = partial(estimator, agent, world, scenes, generator)
        while look is not None:  # some learn several times from the same looks
            loss = look()
            if weights and loss.total.requires_grad:  # not of estimators that need no gradient
                torch.autograd.grad(loss.total, weights, allow_unused=True)
            look = loss.again
    return TrainingCost(round(counter.total / len(scenes)), round(counter.uncounted / len(scenes)))
