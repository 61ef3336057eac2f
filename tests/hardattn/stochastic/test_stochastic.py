"""What is true of attention as a random variable, beside what tests/test_blocks.py asks of all."""

import math

import pytest
import torch
from torch import Tensor, nn

from hardattn.attention import BLOCKS, HEADS
from hardattn.maps import charged, recorded
from hardattn.noise import drawing, dropout, noise_from, normal, uniform
from tests.hardattn.blocks.test_blocks import awake, build, images

ROWS = {f"block {name}": row for name, row in BLOCKS.items()}
ROWS |= {f"head {name}": row for name, row in HEADS.items()}
EVERYONE = [who for who, row in ROWS.items() if row.family == "stochastic"]
RANDOM = [who for who in EVERYONE if not ROWS[who].deterministic]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sampled(layer: nn.Module, x: Tensor, seed: int) -> Tensor:
    """What it says in a sampled evaluation."""
    with noise_from(seeded(seed), sampled=True):
        return layer(x)


@pytest.mark.parametrize("who", RANDOM)
def test_a_sampled_evaluation_is_a_function_of_its_generator(who: str) -> None:
    layer, x = awake(build(who)), images()
    before = torch.get_rng_state()
    first = sampled(layer, x, 1)
    assert torch.equal(sampled(layer, x, 1), first)
    assert not torch.allclose(sampled(layer, x, 2), first)
    assert not torch.allclose(layer(x), first), "it goes by its mean where nothing is sampled"
    assert torch.equal(torch.get_rng_state(), before), "noise came from the global generator"


@pytest.mark.parametrize("who", RANDOM)
def test_training_draws_from_the_generator_that_it_is_handed(who: str) -> None:
    layer, x = awake(build(who)), images(count=6)
    state = {name: value.clone() for name, value in layer.state_dict().items()}

    def trained(seed: int) -> Tensor:
        layer.load_state_dict(state)
        layer.train()
        with noise_from(seeded(seed)):
            return layer(x)

    before = torch.get_rng_state()
    first = trained(1)
    assert torch.equal(trained(1), first)
    assert not torch.allclose(trained(2), first)
    assert torch.equal(torch.get_rng_state(), before), "noise came from the global generator"


@pytest.mark.parametrize("who", sorted(set(EVERYONE) - set(RANDOM)))
def test_who_is_declared_deterministic_draws_nothing(who: str) -> None:
    layer, x = awake(build(who)), images()
    assert torch.equal(sampled(layer, x, 1), layer(x))


@pytest.mark.parametrize("who", EVERYONE)
def test_what_is_charged_is_a_price_an_image_and_finite(who: str) -> None:
    layer, x = awake(build(who)).train(), images(count=6)
    with charged() as costs, noise_from(seeded(0)):
        layer(x)
    for cost in costs:
        assert cost.shape == (6,) and cost.isfinite().all()


@pytest.mark.parametrize("who", RANDOM)
def test_a_drawn_map_is_what_is_emitted(who: str) -> None:
    layer, x = awake(build(who)), images()
    with recorded(layer) as one, noise_from(seeded(1), sampled=True):
        layer(x)
    with recorded(layer) as other, noise_from(seeded(2), sampled=True):
        layer(x)
    assert any(not torch.allclose(a.tensor, b.tensor) for a, b in zip(one, other, strict=True))


def test_noise_has_the_distribution_that_it_says() -> None:
    like = torch.empty(200_000, dtype=torch.float64)
    with noise_from(seeded(0)):
        u, z = uniform(like), normal(like)
    assert u.min() >= 0 and u.max() < 1
    error = 4 / math.sqrt(len(like))
    assert abs(u.mean() - 0.5) < error and abs(u.var() - 1 / 12) < error
    assert abs(z.mean()) < error and abs(z.var() - 1) < 2 * error


def test_dropout_keeps_the_mean_and_stops_in_evaluation() -> None:
    layer, x = nn.Identity(), torch.ones(200_000, dtype=torch.float64)
    with noise_from(seeded(0)):
        y = dropout(x, 0.25, layer.train())
        assert torch.equal(dropout(x, 0.25, layer.eval()), x)
    assert abs((y == 0).double().mean() - 0.25) < 0.005
    assert abs(y.mean() - 1) < 0.005
    with noise_from(seeded(0), sampled=True):
        assert torch.equal(dropout(x, 0.25, layer), y)
        assert torch.equal(dropout(x, 0.0, layer), x)


def test_noise_is_nested_and_leaves_nothing_behind() -> None:
    layer = nn.Identity().eval()
    with noise_from(seeded(0), sampled=True):
        with noise_from(seeded(1)):
            assert not drawing(layer)
        assert drawing(layer)
    assert not drawing(layer) and drawing(layer.train())
    with pytest.raises(RuntimeError), noise_from(seeded(0), sampled=True):
        raise RuntimeError
    assert not drawing(layer.eval())
