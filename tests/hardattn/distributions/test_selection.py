"""Several cells at once: their distribution by enumeration, and the Jacobian of a choice."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn.distributions.selection import Subset, best, perturbed_top_k
from tests.support.selection import exact_choice

SIGMA, SAMPLES = 0.5, 200_000


def numbers(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_probabilities_of_all_draws(count: int, replacement: bool) -> None:
    """Each by the product of what was left to draw from; all together one."""
    logits = torch.randn(3, 4, generator=numbers(), dtype=torch.float64)
    places, share = Subset(logits, count, replacement), logits.softmax(1)
    orders: Any = itertools.product(range(4), repeat=count)
    if not replacement:
        orders = itertools.permutations(range(4), count)
    total = torch.zeros(3, dtype=torch.float64)
    for order in orders:
        wanted, left = torch.ones(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
        for cell in order:
            wanted = wanted * share[:, cell] / left
            left = left if replacement else left - share[:, cell]
        value = places.over(torch.tensor(order).expand(3, -1))
        found = places.log_prob(value).exp()
        assert torch.allclose(found, wanted, rtol=1e-6)
        total += found
    assert torch.allclose(total, torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("replacement", [False, True])
def test_draws_are_as_probable_as_they_say(replacement: bool) -> None:
    logits = torch.tensor([[0.0, 1.0, -1.0]])
    many = Subset(logits.expand(40_000, -1), 2, replacement)
    drawn = many.draw(numbers())
    assert torch.equal(many.draw(numbers()), drawn)
    seen, times = drawn.unique(dim=0, return_counts=True)
    assert len(seen) == (9 if replacement else 6)
    chance = Subset(logits.expand(len(seen), -1), 2, replacement).log_prob(seen).exp()
    error = (chance * (1 - chance) / len(drawn)).sqrt()
    assert ((times / len(drawn) - chance) / error).abs().max() < 4.5


def test_mode_mean_and_entropy() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0]])
    once, again = Subset(logits, 2), Subset(logits, 2, replacement=True)
    assert once.mode.view(2, 3).argmax(1).tolist() == [1, 2]
    assert again.mode.view(2, 3).argmax(1).tolist() == [1, 1]
    assert torch.allclose(again.mean.view(2, 3), logits.softmax(1).expand(2, -1))
    with pytest.raises(NotImplementedError, match="no closed form"):
        _ = once.mean
    one = torch.distributions.Categorical(logits=logits).entropy()
    assert torch.allclose(again.entropy(), 2 * one)
    # Without replacement a draw tells of the next: less is left to be uncertain of.
    orders = torch.tensor([*itertools.permutations(range(3), 2)])
    chance = Subset(logits.expand(6, -1), 2).log_prob(once.over(orders))
    assert -(chance.exp() * chance).sum() < once.entropy()[0]
    with pytest.raises(ValueError, match="not 4"):
        Subset(logits, 4)


Choice = Callable[[Tensor, int, Tensor, float], Tensor]


def jacobian(choose: Choice, scores: Tensor) -> Tensor:
    """(K, N, N) of one image's choice, by backpropagation."""
    count, cells = scores.shape[1] - 1, scores.shape[1]
    noise = torch.randn(1, SAMPLES, cells, generator=numbers(1), dtype=scores.dtype)
    scores = scores.clone().requires_grad_()
    mean = choose(scores, count, noise, SIGMA)[0]
    rows = [torch.autograd.grad(one, scores, retain_graph=True)[0][0] for one in mean.flatten()]
    return torch.stack(rows).view(count, cells, cells)


def numerical(scores: Tensor, step: float = 1e-4) -> Tensor:
    """The same by differences of exact means."""
    columns = []
    for n in range(scores.shape[1]):
        moved = torch.zeros_like(scores)
        moved[0, n] = step
        apart = exact_choice(scores + moved, SIGMA) - exact_choice(scores - moved, SIGMA)
        columns.append(apart[0] / (2 * step))
    return torch.stack(columns, -1)


class Transposed(torch.autograd.Function):
    """A planted bug: the Jacobian of each slot the other way round."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, count: int, noise: Tensor, sigma: float) -> Tensor:
        cells = best(scores[:, None] + sigma * noise, count).transpose(1, 2)
        ctx.save_for_backward(cells, noise)
        ctx.sigma = sigma
        mean = scores.new_zeros(len(scores), count, scores.shape[1])
        share = torch.full_like(cells, 1 / noise.shape[1], dtype=scores.dtype)
        return mean.scatter_add_(2, cells, share)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        cells, noise = ctx.saved_tensors
        back = torch.einsum("bkn,bsn->bks", gradients[0], noise) / ctx.sigma / noise.shape[1]
        found = torch.zeros_like(gradients[0]).scatter_add_(2, cells, back)
        return found.sum(1), None, None, None


SCORES = [[0.1, 0.4, -0.2], [0.3, -0.1, 0.2, 0.0]]


@pytest.mark.parametrize("scores", SCORES, ids=["2 of 3", "3 of 4"])
def test_a_choice_under_noise_and_its_jacobian_are_those_of_the_integral(
    scores: list[float],
) -> None:
    given = torch.tensor([scores], dtype=torch.float64)
    noise = torch.randn(1, SAMPLES, len(scores), generator=numbers(2), dtype=torch.float64)
    mean = perturbed_top_k(given, len(scores) - 1, noise, SIGMA)
    assert torch.allclose(mean, exact_choice(given, SIGMA), atol=5 / SAMPLES**0.5)
    wanted = numerical(given)
    assert wanted.abs().max() > 0.3
    tolerance = 5 / SIGMA / SAMPLES**0.5
    assert (jacobian(perturbed_top_k, given) - wanted).abs().max() < tolerance


@pytest.mark.parametrize("scores", SCORES, ids=["2 of 3", "3 of 4"])
def test_a_transposed_jacobian_is_caught(scores: list[float]) -> None:
    given = torch.tensor([scores], dtype=torch.float64)
    found, wanted = jacobian(Transposed.apply, given), numerical(given)
    assert (found.mT - wanted).abs().max() < 5 / SIGMA / SAMPLES**0.5
    assert (found - wanted).abs().max() > 0.2


def test_without_noise_the_best_in_order() -> None:
    scores = torch.tensor([[0.0, 3.0, 1.0, 2.0]])
    assert best(scores, 2).tolist() == [[1, 3]]
    mean = perturbed_top_k(scores, 2, torch.zeros(1, 5, 4), 1.0)
    assert torch.allclose(mean, torch.eye(4)[[1, 3]][None])
