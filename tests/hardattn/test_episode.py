"""One product for all looks: the gradients of an agent that knows nothing of it."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hardattn.agents import RAM
from hardattn.data import Dataset, Split
from hardattn.episode import affine, episode, linear
from hardattn.estimators import ESTIMATORS
from hardattn.problem import problem
from hardattn.sensors import Retina
from hardattn.training.loop import Training
from hardattn.training.options import TrainOptions


def pixels(count: int = 256) -> Dataset:
    """Images of 28x28 that are noise."""
    images = torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    split = Split(images.to(torch.uint8), torch.arange(count) % 10)
    return Dataset("noise", split, split, split, tuple("0123456789"))


class Recurrent(nn.Module):
    """h' = tanh(W x + U h + V h), twice the same input; and a read-out of every state."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.h, self.v, self.out = (nn.Linear(5, 5, dtype=torch.float64) for _ in range(4))

    def forward(self, inputs: Tensor, rows: list[int]) -> list[Tensor]:
        h, outputs = inputs.new_zeros(rows[0], 5), []
        for x, many in zip(inputs, rows, strict=True):
            h = h.repeat_interleave(many // len(h), 0)
            h = torch.tanh(linear((x[:many], self.x), (h, self.h), (h, self.v)))
            outputs.append(linear((h, self.out)))
        return outputs

    def plain(self, inputs: Tensor, rows: list[int]) -> list[Tensor]:
        h, outputs = inputs.new_zeros(rows[0], 5), []
        for x, many in zip(inputs, rows, strict=True):
            h = h.repeat_interleave(many // len(h), 0)
            h = torch.tanh(self.x(x[:many]) + self.h(h) + self.v(h))
            outputs.append(self.out(h))
        return outputs


def squares(outputs: list[Tensor]) -> Tensor:
    return torch.cat([each.flatten() for each in outputs]).square().sum()


# Rows at each look: as many as ever; and where draws branch.
ROWS = {"alike": [4] * 5, "branching": [2, 4, 8, 8, 8], "a look": [4]}


@pytest.mark.parametrize("looks", [5, 2, 1])
@pytest.mark.parametrize("name", ROWS)
def test_gradients_are_those_of_each_use_added_up(name: str, looks: int) -> None:
    """Also of more uses than looks, and where the loss hangs on some of them alone."""
    torch.manual_seed(0)
    net, rows = Recurrent(), ROWS[name]
    inputs = torch.randn(len(rows), 8, 5, dtype=torch.float64, requires_grad=True)
    wanted = [*net.parameters(), inputs]
    for chosen in (slice(None), slice(0, 1), slice(-1, None)):
        with episode(looks):
            shared = net(inputs, rows)
        plain = net.plain(inputs, rows)
        for one, other in zip(shared, plain, strict=True):
            assert torch.allclose(one, other, atol=1e-12)
        ours, theirs = (
            torch.autograd.grad(squares(made[chosen]), wanted) for made in (shared, plain)
        )
        for one, other in zip(ours, theirs, strict=True):
            assert torch.allclose(one, other, atol=1e-10)


def test_a_gradient_of_something_else_disturbs_nothing() -> None:
    torch.manual_seed(0)
    net, rows = Recurrent(), ROWS["alike"]
    inputs = torch.randn(5, 4, 5, dtype=torch.float64, requires_grad=True)
    with episode(5):
        made = net(inputs, rows)
    torch.autograd.grad(made[1].sum(), inputs, retain_graph=True)
    loss = squares(made)
    first = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
    again = torch.autograd.grad(loss, list(net.parameters()))
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    plain = squares(net.plain(inputs, rows))
    for one, other in zip(first, torch.autograd.grad(plain, list(net.parameters())), strict=True):
        assert torch.allclose(one, other, atol=1e-10)


def test_apart_from_a_rollout_and_without_gradient_it_is_the_sum_to_the_bit() -> None:
    torch.manual_seed(0)
    x, y, one, other = torch.randn(3, 4), torch.randn(3, 2), nn.Linear(4, 6), nn.Linear(2, 6)
    alone = linear((x, one), (y, other))
    assert torch.allclose(alone, one(x) + other(y), atol=1e-6)
    with episode(3), torch.no_grad():
        assert torch.equal(linear((x, one), (y, other)), alone)
    with episode(3):
        assert torch.equal(linear((x, one), (y, other)), alone)
    frozen = one.weight.detach(), one.bias.detach()
    with episode(3):
        assert not affine((x, *frozen)).requires_grad


class Kernels(TorchDispatchMode):
    """Counts operations that are no views."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        views = {"detach", "alias", "_unsafe_view", "lift_fresh", "unbind"}
        name = func.overloadpacket.__name__
        if not func.is_view and name not in views:
            self.count[name] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("longest, most", [(float("inf"), 400), (1.0, 406)])
def test_an_update_of_ram_is_few_kernels(tmp_path: Path, longest: float, most: int) -> None:
    """Scenes, six looks, loss, gradient, norm, guard, step and metrics; clipping costs six."""
    data = pixels()
    of = problem("plain", Retina(8), data.classes, (1, 28, 28), looks=6)
    options = TrainOptions(images=10_000, batch_size=128, max_grad_norm=longest)
    estimator = ESTIMATORS["learned_baseline"].make
    run = Training(RAM((1, 8, 8), 10), of, estimator, data, tmp_path, options, 0)
    run.update()
    with Kernels() as kernels:
        run.update()
    assert kernels.count["_fused_adam_"] == 1 and kernels.count["mm"] > 10
    assert kernels.count.total() <= most, kernels.count.most_common()
