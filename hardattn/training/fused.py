"""Adam, AdamW and SGD of torch whose step is one fused kernel, called straight.

Torch's own `step` imports its compiler, which takes seconds, and groups weights by device and dtype
at every step. States and their names are torch's.
"""

import inspect
from typing import Any

import torch
from torch import Tensor, nn


class _Straight(torch.optim.Optimizer):
    """What the three have in common: nothing that asks for the compiler."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for weight in group["params"]:
                weight.grad = None

    def pace(self, lr: float) -> None:
        """Set the learning rate: on a GPU in a tensor, which a captured step reads."""
        for group in self.param_groups:
            device = group["params"][0].device
            if device.type == "cpu":
                group["lr"] = lr
            elif isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = torch.full((), lr, dtype=torch.float32, device=device)

    def descend(self, void: Tensor) -> None:
        """A step by the gradients of the weights that have one, unless `void`, (), is 1."""
        raise NotImplementedError


class Adam(_Straight, torch.optim.Adam):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980); the penalty on weights is in the gradient."""

    kernel = staticmethod(torch._fused_adam_)

    @torch.no_grad()
    def descend(self, void: Tensor) -> None:
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            states = [self.state[weight] or self._begun(weight) for weight in weights]
            steps = [state["step"] for state in states]
            torch._foreach_add_(steps, 1)
            beta1, beta2 = group["betas"]
            self.kernel(
                weights,
                [weight.grad for weight in weights],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                steps,
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
                found_inf=void,
            )
            torch._foreach_sub_(steps, [void] * len(steps))

    def _begun(self, weight: nn.Parameter) -> dict[str, Any]:
        """The state of a weight that has its first gradient."""
        state = self.state[weight]
        state["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
        state["exp_avg"] = torch.zeros_like(weight)
        state["exp_avg_sq"] = torch.zeros_like(weight)
        return state


class AdamW(Adam):
    """Adam with the penalty on weights apart from the gradient (arXiv:1711.05101)."""

    kernel = staticmethod(torch._fused_adamw_)


class SGD(_Straight, torch.optim.SGD):
    """Stochastic gradient descent with momentum, whose buffers are there from the start.

    A fused step makes those of all weights at once, or of none: but under a curriculum of looks
    some weights have their first gradient later.
    """

    def __init__(self, weights: list[nn.Parameter], lr: float, **options: Any):
        super().__init__(weights, lr, **options)
        for weight in weights:
            self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)

    @torch.no_grad()
    def descend(self, void: Tensor) -> None:
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            torch._fused_sgd_(
                weights,
                [weight.grad for weight in weights],
                [self.state[weight]["momentum_buffer"] for weight in weights],
                weight_decay=group["weight_decay"],
                momentum=group["momentum"],
                lr=group["lr"],
                dampening=0.0,
                nesterov=False,
                maximize=False,
                is_first_step=False,
                found_inf=void,
            )
