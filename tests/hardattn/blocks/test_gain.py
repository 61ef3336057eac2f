"""Guided attention inference: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import charged, replaced
from tests.support.pooling_blocks import build, features, linear

# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    "gain": lambda c, k: linear(9 * c, c) + linear(c, k),
}


def test_the_map_of_gain_is_grad_cam_with_and_without_gradients() -> None:
    x, head = features().requires_grad_(), build("gain")
    answer = torch.tensor([2, 0])
    logits = head.classifier(F.relu(head.conv(x)).mean((2, 3)))
    torch.testing.assert_close(head(x), logits)
    (slope,) = torch.autograd.grad(logits[0, 2] + logits[1, 0], x)
    weight = slope.mean((2, 3))
    cam = F.relu(torch.einsum("bc,bchw->bhw", weight, x))
    torch.testing.assert_close(head.activation(x, answer)[:, 0], cam)
    with torch.no_grad():
        assert torch.equal(head.activation(x, answer), head.activation(x, answer).detach())
        torch.testing.assert_close(head.activation(x, answer)[:, 0], cam)


def gain_charge(head: nn.Module, x: Tensor) -> Tensor:
    with charged() as costs:
        head(x)
    return costs[0]


def test_the_gradient_of_gain_passes_through_its_grad_cam() -> None:
    """Against finite differences; with the map held fixed it is another one."""
    x, head = features(channels=4), build("gain", channels=4)
    weight = head.conv.weight
    (slope,) = torch.autograd.grad(gain_charge(head, x).sum(), weight)
    with replaced(head, lambda one: one.tensor.detach()):
        (cut,) = torch.autograd.grad(gain_charge(head, x).sum(), weight)
    found, eps = torch.zeros_like(slope).flatten(), 1e-6
    with torch.no_grad():
        flat = weight.view(-1)
        for i in range(len(flat)):
            sides = []
            for step in (eps, -2 * eps):
                flat[i] += step
                sides.append(gain_charge(head, x).sum())
            flat[i] += eps
            found[i] = (sides[0] - sides[1]) / (2 * eps)
    torch.testing.assert_close(slope.flatten(), found, rtol=1e-4, atol=1e-7)
    assert (cut - slope).abs().max() > 0.01 * slope.abs().max()


def test_gain_charges_what_is_left_of_its_answer() -> None:
    x = features()
    nothing, everything = (build("gain", threshold=t) for t in (1e3, -1e3))
    left = nothing(x).softmax(1).amax(1)
    torch.testing.assert_close(gain_charge(nothing, x), left)
    blank = everything(torch.zeros_like(x)).softmax(1)
    answer = everything(x).argmax(1)
    torch.testing.assert_close(gain_charge(everything, x), blank[torch.arange(2), answer])
    torch.testing.assert_close(gain_charge(build("gain", price=3.0, threshold=1e3), x), 3 * left)
