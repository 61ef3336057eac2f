"""Sharpness-aware minimisation: the gradient is taken a little uphill of the weights it is for."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from hardattn.estimators import Loss
from hardattn.training.fused import AdamW

TINY = torch.finfo(torch.float32).tiny


class SAM(AdamW):
    """AdamW's step by the gradient at w + rho g / |g|, where g is that at w.

    Foret et al. (2021, arXiv:2010.01412), whose step is SGD's; AdamW's is what other rows here
    are tuned for. `gradient` makes the two passes.
    """

    def __init__(self, weights: list[nn.Parameter], lr: float, rho: float, **options: Any):
        super().__init__(weights, lr, **options)
        self.rho = rho

    def gradient(
        self, look: Callable[[], Loss], learners: Iterable[nn.Module], generator: torch.Generator
    ) -> Loss:
        """Leave the gradient in the weights; return the loss at w.

        look: makes the loss, twice from the same random numbers, of `generator` and of torch's own:
        the second pass makes the draws of the first, by a policy that has moved a little. What
        learners keep beside weights (running statistics, baselines) is what it was for both
        passes, and moves on by the first alone. Where g is not finite, nothing is moved, so that
        the second pass finds the same.
        """
        kept = _kept(learners)
        noise = generator.get_state()
        devices = [generator.device] if generator.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            loss = self._pass(look)
        generator.set_state(noise)
        after = _kept(learners)
        weights = [weight for group in self.param_groups for weight in group["params"]]
        here = [weight.detach().clone() for weight in weights]
        with torch.no_grad():
            norm = nn.utils.get_total_norm([w.grad for w in weights if w.grad is not None])
            scale = self.rho / norm.clamp_min(TINY)
            for weight in weights:
                if weight.grad is not None:
                    weight += torch.where(norm.isfinite(), weight.grad * scale, 0.0)
        _restore(kept)
        self._pass(look)
        _restore(after)
        with torch.no_grad():
            # Not by going back the same way, which rounding would miss.
            for weight, before in zip(weights, here, strict=True):
                weight.copy_(before)
        return loss

    def _pass(self, look: Callable[[], Loss]) -> Loss:
        loss = look()
        self.zero_grad(set_to_none=True)
        loss.total.backward()
        return loss


def _kept(learners: Iterable[nn.Module]) -> list[tuple[nn.Module, dict[str, Any]]]:
    """A copy of what each keeps beside its weights."""
    kept = []
    for learner in learners:
        weights = dict(learner.named_parameters(remove_duplicate=False))
        state = learner.state_dict()
        rest = {name: value for name, value in state.items() if name not in weights}
        kept.append((learner, {name: _copied(value) for name, value in rest.items()}))
    return kept


def _restore(kept: list[tuple[nn.Module, dict[str, Any]]]) -> None:
    for learner, rest in kept:
        if rest:
            learner.load_state_dict(rest, strict=False)


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value
