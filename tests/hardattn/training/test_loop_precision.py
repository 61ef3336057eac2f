"""Training in half precision: products are in bf16, and all that is drawn or weighed is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn.distributions import Gaussian, IndependentBernoulli, full
from hardattn.episode import episode, linear
from hardattn.estimators import Loss
from hardattn.training.loop import Training, in_bf16
from tests.support.training import begun, left, same

CPU = torch.device("cpu")


def losses(run: Training) -> list[Loss]:
    """Those of the updates to come, in the list as they come."""
    found: list[Loss] = []
    inner: Callable[..., Loss] = run.estimator

    def noted(*given: Any) -> Loss:
        found.append(inner(*given))
        return found[-1]

    run.estimator = noted
    return found


def test_single_precision_is_what_there_is_by_default(tmp_path: Path) -> None:
    one, two = begun(tmp_path), begun(tmp_path, precision="float32")
    for _ in range(3):
        one.update(), two.update()
    assert same(left(one), left(two))


@pytest.mark.parametrize("name", ["learned_baseline", "ppo"])
def test_in_half_precision_products_alone_are_half(tmp_path: Path, name: str) -> None:
    """What was drawn, its density, losses and gradients are float32, and near those in float32."""
    runs = begun(tmp_path, name), begun(tmp_path, name, precision="bf16")
    found = [losses(run) for run in runs]
    for run in runs:
        run.update()
    exact, half = (each[0] for each in found)
    assert {each.dtype for each in half.path} == {torch.float32} == {half.total.dtype}
    assert not torch.equal(exact.path.logits, half.path.logits)
    assert torch.allclose(exact.path.logits, half.path.logits, atol=0.02)
    gradients = [
        torch.cat([one.grad.flatten() for one in run.weights if one.grad is not None])
        for run in runs
    ]
    assert {one.dtype for one in runs[1].weights} == {torch.float32} == {gradients[1].dtype}
    assert torch.cosine_similarity(*gradients, dim=0) > 0.95  # of the last of several epochs


def test_it_is_a_function_of_its_seed(tmp_path: Path) -> None:
    one, two = (begun(tmp_path, precision="bf16") for _ in range(2))
    for _ in range(3):
        one.update(), two.update()
    assert same(left(one), left(two))


def test_weights_that_uses_share_have_the_gradient_of_those_that_they_do_not() -> None:
    torch.manual_seed(0)
    layer, other = nn.Linear(5, 4), nn.Linear(3, 4)
    x, y = torch.randn(6, 5, requires_grad=True), torch.randn(6, 3)

    def looked() -> Loss:
        state = linear((x, layer), (y, other)).relu()
        for _ in range(2):
            state = linear((x * state.sum(), layer), (y, other)).relu()
        return state.float().square().mean()  # type: ignore[return-value]

    def shared() -> Loss:
        with episode(3):
            return looked()

    found: list[tuple[Tensor, ...]] = []
    for look in (looked, shared):
        total: Any = in_bf16(look, CPU)()
        found.append(torch.autograd.grad(total, [*layer.parameters(), *other.parameters(), x]))
    for apart, together in zip(*found, strict=True):
        assert together.dtype == torch.float32
        assert torch.cosine_similarity(apart.flatten(), together.flatten(), dim=0) > 0.999


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_distributions_are_of_single_precision_at_least(kind: torch.dtype) -> None:
    half = torch.randn(3, 2).to(kind)
    assert full(half).dtype == torch.float32 and full(half.double()).dtype == torch.float64
    generator = torch.Generator().manual_seed(0)
    for one in (Gaussian(half, half.exp()), IndependentBernoulli(half)):
        value = one.draw(generator)
        assert value.dtype == one.log_prob(value).dtype == one.entropy().dtype == torch.float32
