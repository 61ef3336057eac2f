"""Bayesian attention modules: formulas for the weights, and truths."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Gamma, LogNormal, Weibull

from hardattn.blocks.multi_head import MultiHead
from hardattn.maps import charged, recorded
from hardattn.noise import noise_from
from hardattn.stochastic import bayesian
from hardattn.stochastic.bayesian import (
    EULER,
    BayesianAttention,
    BayesianLogNormal,
    BayesianWeibull,
    annealed,
    kl_log_normal,
    kl_weibull_gamma,
)

# Those of multi-head attention, and the prior's net on keys of C / 4: 10 units, biased, and w.
WEIGHTS: dict[str, Callable[..., int]] = {
    "bayesian_log_normal": lambda c: 4 * c * c + 2 * c + (c // 4) * 10 + 10 + 10,
    "bayesian_weibull": lambda c: 4 * c * c + 2 * c + (c // 4) * 10 + 10 + 10,
}
BOTH = (BayesianWeibull, BayesianLogNormal)
Divergence = Callable[..., Tensor]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def f64(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def normals(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def made(kind: type[BayesianAttention], **options: Any) -> BayesianAttention:
    """16 channels, four heads, float64, evaluation, no weight at its start."""
    torch.manual_seed(0)
    block = kind(16, **options).double().eval()
    with torch.no_grad():
        for weight in block.parameters():
            weight.add_(0.3 * normals(*weight.shape, seed=weight.numel()))
    return block


def twin(block: BayesianAttention) -> MultiHead:
    """The soft layer with the same weights."""
    soft = MultiHead(16).double().eval()
    soft.load_state_dict({name: block.state_dict()[name] for name in soft.state_dict()})
    return soft


def z_score(samples: Tensor, expected: Tensor | float) -> Tensor:
    """How many standard errors their mean, over the first dimension, is off."""
    error = samples.std(0) / math.sqrt(len(samples))
    return ((samples.mean(0) - expected) / error).abs()


def monte_carlo(q: Distribution, p: Distribution, seed: int) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        x = q.sample((200_000,))
    return q.log_prob(x) - p.log_prob(x)


def weibull_is_right(divergence: Divergence) -> bool:
    """Whether it agrees with Monte Carlo for several Weibull and Gamma distributions."""
    settings = [(1.0, 1.0, 1.0, 1.0), (10.0, 0.7, 2.5, 3.0), (2.0, 0.1, 0.4, 4.0)]
    for seed, (k, scale, alpha, beta) in enumerate(settings):
        found = divergence(k, f64(scale).log(), f64(alpha).log(), beta)
        q, p = Weibull(f64(scale), f64(k)), Gamma(f64(alpha), f64(beta))
        samples = monte_carlo(q, p, seed)
        exact = samples.std() < 1e-9  # q = p: every sample is zero
        if not (abs(found) < 1e-9 if exact else z_score(samples, found) < 4).all():
            return False
    return True


def log_normal_is_right(divergence: Divergence) -> bool:
    settings = [(0.3, 0.5, -0.2, 1.1), (-2.0, 1.5, -1.0, 0.7), (0.4, 0.3, 0.1, 0.3)]
    for seed, (mean, std, prior_mean, prior_std) in enumerate(settings):
        found = divergence(f64(mean), std, f64(prior_mean), prior_std)
        q, p = LogNormal(f64(mean), f64(std)), LogNormal(f64(prior_mean), f64(prior_std))
        if not (z_score(monte_carlo(q, p, seed), found) < 4).all():
            return False
    return True


def without_normal_constant(k: float, log_scale: Tensor, log_alpha: Tensor, beta: float) -> Tensor:
    return kl_weibull_gamma(k, log_scale, log_alpha, beta) - torch.lgamma(log_alpha.exp())


def without_what_has_no_gradient(
    k: float, log_scale: Tensor, log_alpha: Tensor, beta: float
) -> Tensor:
    return kl_weibull_gamma(k, log_scale, log_alpha, beta) - math.log(k) + EULER + 1


def with_a_scale_for_the_rate(
    k: float, log_scale: Tensor, log_alpha: Tensor, beta: float
) -> Tensor:
    return kl_weibull_gamma(k, log_scale, log_alpha, 1 / beta)


def in_circulation(k: float, log_scale: Tensor, log_alpha: Tensor, beta: float) -> Tensor:
    """What passes for the paper's formula where it is registered with torch.distributions."""
    mean, alpha = math.gamma(1 + 1 / k) * log_scale.exp(), log_alpha.exp()
    entropic = EULER / k - log_scale - math.log(k) + (alpha - 1) / k * (EULER + log_scale)
    return (entropic + beta * mean - alpha).clamp_min(0)


def of_the_same_variance(mean: Tensor, std: float, prior_mean: Tensor, prior_std: float) -> Tensor:
    return (mean - prior_mean).square() / (2 * prior_std**2)


def the_other_way_round(mean: Tensor, std: float, prior_mean: Tensor, prior_std: float) -> Tensor:
    return kl_log_normal(prior_mean, prior_std, mean, std)


def test_the_divergences_are_what_monte_carlo_finds() -> None:
    assert weibull_is_right(kl_weibull_gamma)
    assert log_normal_is_right(kl_log_normal)


@pytest.mark.parametrize(
    "wrong",
    [
        without_normal_constant,
        without_what_has_no_gradient,
        with_a_scale_for_the_rate,
        in_circulation,
    ],
)
def test_a_wrong_divergence_from_gamma_is_caught(wrong: Divergence) -> None:
    assert not weibull_is_right(wrong)


@pytest.mark.parametrize("wrong", [of_the_same_variance, the_other_way_round])
def test_a_wrong_divergence_from_log_normal_is_caught(wrong: Divergence) -> None:
    assert not log_normal_is_right(wrong)


def test_nothing_diverges_from_itself() -> None:
    scale = f64(0.01, 1, 30)
    # Weibull(1, s) and Gamma(1, 1 / s) are both the exponential distribution.
    for s in scale:
        assert abs(kl_weibull_gamma(1.0, s.log(), f64(0), 1 / s.item())) < 1e-12
    assert (kl_log_normal(scale.log(), 0.3, scale.log(), 0.3).abs() < 1e-12).all()
    assert in_circulation(1.0, f64(0), f64(0), 1.0).item() == pytest.approx(EULER)


def test_the_divergence_is_linear_in_the_mean_and_in_the_log_scale() -> None:
    log_scale, log_alpha = normals(4, 7, 5), normals(4, 1, 5, seed=2)
    mean = math.gamma(1 + 1 / 3) * log_scale.exp().mean(1, keepdim=True)
    averaged = kl_weibull_gamma(3.0, log_scale.mean(1, keepdim=True), log_alpha, 2.0, mean)
    each = kl_weibull_gamma(3.0, log_scale, log_alpha, 2.0)
    torch.testing.assert_close(averaged, each.mean(1, keepdim=True))


def test_the_schedule_is_a_sigmoid_of_updates() -> None:
    updates = torch.tensor([0, 150, 200, 250, 100_000])
    expected = torch.tensor([1 / (1 + math.e**4), 1 / (1 + math.e), 0.5, math.e / (1 + math.e), 1])
    torch.testing.assert_close(annealed(updates, 0.02, 200), expected)


@pytest.mark.parametrize("kind", BOTH)
def test_evaluation_is_the_soft_layer(kind: type[BayesianAttention]) -> None:
    block, x = made(kind), normals(2, 16, 5, 4)
    assert torch.equal(block(x), twin(block)(x))


@pytest.mark.parametrize(("kind", "quiet"), [(BayesianWeibull, "k"), (BayesianLogNormal, "std")])
def test_without_noise_training_is_the_soft_layer(
    kind: type[BayesianAttention], quiet: str
) -> None:
    x = normals(2, 16, 5, 4)
    block = made(kind, **{quiet: 1e12 if quiet == "k" else 1e-12}).train()
    torch.testing.assert_close(block(x), twin(block)(x), rtol=1e-9, atol=1e-9)
    noisy = made(kind).train()
    assert not torch.allclose(noisy(x), twin(noisy)(x), rtol=1e-3)


@pytest.mark.parametrize("kind", BOTH)
def test_the_same_noise_in_the_equations_makes_the_same_weights(
    kind: type[BayesianAttention],
) -> None:
    """The equations are of S, where the layer works on its logarithm."""
    option = {"k": 3.0} if kind is BayesianWeibull else {"std": 0.6}
    block, x = made(kind, **option), normals(2, 16, 3, 4)
    with recorded(block) as soft:
        block(x)
    with recorded(block) as drawn, noise_from(seeded(7), sampled=True):
        block(x)
    mean = soft[0].tensor
    if kind is BayesianWeibull:
        u = torch.rand(mean.shape, generator=seeded(7), dtype=torch.float64)
        unnormalised = mean / math.gamma(1 + 1 / 3) * (-(1 - u).log()) ** (1 / 3)
    else:
        e = torch.randn(mean.shape, generator=seeded(7), dtype=torch.float64)
        unnormalised = (mean.log() - 0.6**2 / 2 + 0.6 * e).exp()
    expected = unnormalised / unnormalised.sum(-1, keepdim=True)
    torch.testing.assert_close(drawn[0].tensor, expected)
    assert mean.shape == (2, 4, 12, 12)


def drawn_many(block: BayesianAttention, log_mean: Tensor, count: int = 100_000) -> Tensor:
    """log S for every key, (count, N)."""
    with noise_from(seeded(5), sampled=True):
        return block.draw(log_mean.expand(count, 1, 1, -1))[:, 0, 0]


def test_the_mean_of_s_is_the_soft_weight() -> None:
    log_mean = f64(0.05, 0.2, 0.75).log()
    for k in (1.0, 4.0, 10.0):
        s = (drawn_many(made(BayesianWeibull, k=k), log_mean) - math.lgamma(1 + 1 / k)).exp()
        assert (z_score(s, log_mean.exp()) < 4).all()
    for std in (0.1, 1.0):
        s = (drawn_many(made(BayesianLogNormal, std=std), log_mean) - std**2 / 2).exp()
        assert (z_score(s, log_mean.exp()) < 4).all()


def test_the_logarithm_of_s_has_the_variance_that_it_says() -> None:
    log_mean = f64(0.05, 0.2, 0.75).log()
    weibull = drawn_many(made(BayesianWeibull, k=4.0), log_mean)
    torch.testing.assert_close(weibull.std(0), f64(*[math.pi / 6**0.5 / 4] * 3), rtol=0.02, atol=0)
    normal = drawn_many(made(BayesianLogNormal, std=0.7), log_mean)
    torch.testing.assert_close(normal.std(0), f64(0.7, 0.7, 0.7), rtol=0.02, atol=0)


@pytest.mark.parametrize("kind", BOTH)
def test_the_gradient_through_a_draw_is_that_of_the_mean(kind: type[BayesianAttention]) -> None:
    """Of two keys, W_1 = sigmoid(difference + noise): the derivative of its mean by quadrature.

    The noise is the difference of two log S: logistic, scaled by 1 / k, or normal.
    """
    log_mean = f64(0.3, 0.7).log()
    grid = torch.linspace(-40, 40, 80_001, dtype=torch.float64)
    if kind is BayesianWeibull:
        block, noise = made(kind, k=2.0), grid / 2
        density = torch.sigmoid(grid) * torch.sigmoid(-grid)
    else:
        block, noise = made(kind, std=0.8), grid * 0.8 * 2**0.5
        density = (-(grid**2) / 2).exp() / math.sqrt(2 * math.pi)
    inside = torch.sigmoid(log_mean[0] - log_mean[1] + noise)
    expected = torch.trapezoid(inside * (1 - inside) * density, grid)
    leaf = log_mean.expand(100_000, 1, 1, 2).clone().requires_grad_()
    with noise_from(seeded(3), sampled=True):
        block.draw(leaf).softmax(-1)[..., 0].sum().backward()
    assert leaf.grad is not None
    assert (z_score(leaf.grad[:, 0, 0], torch.stack([expected, -expected])) < 4).all()


def prior_by_hand(block: BayesianAttention, key: Tensor) -> Tensor:
    """The prior's mean for one image's and one head's keys, (N, d) -> (N,)."""
    first, last = block.prior[0], block.prior[2]
    assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
    hidden = (key @ first.weight.T + first.bias).clamp_min(0)
    return (hidden @ last.weight[0]).softmax(0)


@pytest.mark.parametrize("kind", BOTH)
def test_the_charge_is_the_mean_divergence_from_a_prior_that_knows_the_keys(
    kind: type[BayesianAttention],
) -> None:
    block = made(kind, price=0.3, rate=0.5, midpoint=2).train()
    query, key = normals(2, 4, 6, 4), normals(2, 4, 6, 4, seed=2)
    with charged() as costs:
        for _ in range(4):
            block.weights(query, key)
    soft = MultiHead.weights(block, query, key)
    for image in range(2):
        total = 0.0
        for head in range(4):
            prior = prior_by_hand(block, key[image, head])
            for i in range(6):
                mean = soft[image, head, i]
                if kind is BayesianWeibull:
                    log_scale = mean.log() - math.lgamma(1 + 1 / 10)
                    each = kl_weibull_gamma(10.0, log_scale, (6 * prior).log(), 6.0)
                else:
                    each = kl_log_normal(mean.log() - 0.5, 1.0, prior.log() - 0.5, 1.0)
                total += each.sum().item() / (4 * 6 * 6)
        for t, cost in enumerate(costs):
            share = 1 / (1 + math.exp(-0.5 * (t - 2)))
            assert cost[image].item() == pytest.approx(0.3 * share * total, rel=1e-6)


@pytest.mark.parametrize("kind", BOTH)
def test_updates_are_counted_in_training_only_and_kept(kind: type[BayesianAttention]) -> None:
    block, x = made(kind), normals(1, 16, 3, 3)
    with charged() as costs:
        block(x)
        with noise_from(seeded(0), sampled=True):
            block(x)
    assert block.updates == 0 and not costs
    block.train()
    for _ in range(3):
        block(x)
    assert block.state_dict()["updates"] == 3
    block.updates += 300
    block.to(torch.bfloat16)(x.to(torch.bfloat16))
    assert block.updates == 304, "half precision cannot count so far"


@pytest.mark.parametrize("kind", BOTH)
def test_the_divergence_reaches_the_prior_the_keys_and_the_queries(
    kind: type[BayesianAttention],
) -> None:
    block = made(kind).train()
    with charged() as costs:
        block(normals(2, 16, 3, 4))
    costs[0].sum().backward()
    for weight in block.prior.parameters():
        assert weight.grad is not None and (weight.grad != 0).any()
    assert block.project.weight.grad is not None and block.out.weight.grad is None
    query, key, value = block.project.weight.grad.chunk(3)
    assert (query != 0).any() and (key != 0).any() and not (value != 0).any()


def test_the_prior_learns_where_everybody_looks() -> None:
    block = made(BayesianLogNormal, hidden=32).train()
    key = normals(1, 1, 5, 4)
    log_mean = normals(1, 1, 1, 5, seed=4).log_softmax(-1).expand(1, 1, 5, 5)
    learner = torch.optim.Adam(block.prior.parameters(), lr=0.05)
    for _ in range(150):
        log_prior = block.prior(key).transpose(2, 3).log_softmax(-1)
        divergence = block.divergence(log_mean, log_prior).mean()
        learner.zero_grad()
        divergence.backward()
        learner.step()
    assert 0 <= divergence < 1e-3
    torch.testing.assert_close(log_prior.exp(), log_mean[:, :, :1].exp(), rtol=0.1, atol=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", BOTH)
def test_training_is_finite_where_weights_underflow(
    kind: type[BayesianAttention], dtype: torch.dtype
) -> None:
    block = made(kind).to(dtype).train()
    query, key = 60 * normals(2, 4, 9, 4), 60 * normals(2, 4, 9, 4, seed=2)
    query, key = query.to(dtype).requires_grad_(), key.to(dtype)
    assert (MultiHead.weights(block, query, key) == 0).any()
    assert (block.prior(key).softmax(2) == 0).any()
    with charged() as costs:
        weights = block.weights(query, key)
    (costs[0].sum() + weights[..., 0].sum()).backward()
    assert weights.isfinite().all() and costs[0].isfinite().all()
    for each in (query, *block.prior.parameters()):
        assert each.grad is not None and each.grad.isfinite().all()


def test_a_uniform_number_that_is_zero_is_no_infinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bayesian, "uniform", torch.zeros_like)
    log_mean = f64(0.3, 0.7).log().expand(1, 1, 1, 2)
    log_s = made(BayesianWeibull).draw(log_mean)
    assert log_s.isfinite().all() and (log_s < log_mean).all()
    torch.testing.assert_close(log_s.softmax(-1), log_mean.exp())


def test_a_distribution_without_width_is_refused() -> None:
    for options in ({"k": 0.0}, {"concentration": -1.0}):
        with pytest.raises(ValueError, match="k and concentration"):
            BayesianWeibull(16, **options)
    for options in ({"std": 0.0}, {"prior_std": math.nan}):
        with pytest.raises(ValueError, match="std and prior_std"):
            BayesianLogNormal(16, **options)
