"""Uncertainty-aware attention and learned hard regions: formulas for the weights, and truths."""

import itertools
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.retain import Retain
from hardattn.maps import Map, recorded
from hardattn.noise import dropout, noise_from, normal
from hardattn.stochastic.harmonious_regions import HarmoniousRegions
from hardattn.stochastic.uncertainty_aware import UncertaintyAware
from tests.support.blocks import read


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def harmonious(c: int) -> int:
    """Convolutions without biases, each with a norm: of the map, of the channels, of both."""
    units = max(8, c // 16)
    return (9 + 2 + 1 + 2) + 2 * c * units + 2 * (units + c) + c * c + 2 * c


# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    "harmonious_regions": lambda c, k: (
        (harmonious(c) + c * c + 2 * c)
        + linear(c, 2 * 4)
        + (9 * c * c + 2 * c + 4 * c * c + 2 * c)
        + linear(2 * c, k)
    ),
    "uncertainty_aware": lambda c, k: 2 * linear(c, c) + c + linear(c, 1) + linear(c, k),
}

CLASSES = 3


def build(head: type[nn.Module], channels: int, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return head(channels, CLASSES, **options).double().eval()


def features(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def maps_of(head: nn.Module, x: Tensor) -> list[Map]:
    with recorded(head) as maps:
        head(x)
    return maps


def drawn(head: nn.Module, x: Tensor, times: int) -> tuple[Tensor, list[Map]]:
    """What it says of one image in so many draws, and its maps, the draws for a batch."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad(), recorded(head) as maps, noise_from(generator, sampled=True):
        return head(x.expand(times, -1, -1, -1)), maps


def spreads(head: UncertaintyAware, x: Tensor) -> tuple[Tensor, Tensor]:
    """sigma of alpha and of beta."""
    return F.softplus(head.score_spread(x)), F.softplus(head.gate_spread(x))


def moments_are(sample: Tensor, mean: Tensor, deviation: Tensor) -> bool:
    """Whether Gaussian draws, along the first dimension, may have these moments (z-tests)."""
    count = len(sample)
    first = (sample.mean(0) - mean) / deviation * math.sqrt(count)
    second = (sample.var(0) / deviation**2 - 1) * math.sqrt(count / 2)
    return bool((first.abs() < 5).all() and (second.abs() < 5).all())


@torch.no_grad()
def noise_is_gaussian_and_squashed(head: UncertaintyAware, x: Tensor) -> bool:
    """Whether what is squashed has the moments that the linear maps say, place by place."""
    beta, alpha = drawn(head, x, 20_000)[1][-2:]
    logit, score = alpha.tensor[:, 0].log(), head.score(x).flatten()
    of_alpha, of_beta = spreads(head, x)
    # A softmax tells differences of logits only.
    variance = of_alpha.flatten() ** 2
    apart = (variance[1:] + variance[0]).sqrt()
    return moments_are(logit[:, 1:] - logit[:, :1], score[1:] - score[0], apart) and moments_are(
        beta.tensor.atanh(), head.gate(x)[0], of_beta[0]
    )


class TiedToStrength(UncertaintyAware):
    """Planted: beta's variance is that of a Bernoulli attention as strong."""

    def unsquashed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        score, gate = Retain.unsquashed(self, x)
        strength = torch.sigmoid(gate)
        score = score + spreads(self, x)[0] * normal(score)
        return score, gate + (strength * (1 - strength)).sqrt() * normal(gate)


class NoiseAfterSquashing(UncertaintyAware):
    """Planted: beta is tanh(mu) + sigma eps, kept inside of (-1, 1)."""

    def unsquashed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        score, gate = Retain.unsquashed(self, x)
        of_alpha, of_beta = spreads(self, x)
        beta = torch.tanh(gate) + of_beta * normal(gate)
        return score + of_alpha * normal(score), beta.clamp(-0.999, 0.999).atanh()


class OneNoiseForAllPlaces(UncertaintyAware):
    """Planted: all logits of an image move together, which a softmax does not see."""

    def unsquashed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        score, gate = Retain.unsquashed(self, x)
        of_alpha, of_beta = spreads(self, x)
        return score + of_alpha * normal(score[..., :1, :1]), gate + of_beta * normal(gate)


def test_noise_is_gaussian_before_it_is_squashed() -> None:
    x = features(1, 3, 2, 2)
    assert noise_is_gaussian_and_squashed(build(UncertaintyAware, 3, rate=0.0), x)


@pytest.mark.parametrize("wrong", [TiedToStrength, NoiseAfterSquashing, OneNoiseForAllPlaces])
def test_other_noise_is_caught(wrong: type[UncertaintyAware]) -> None:
    assert not noise_is_gaussian_and_squashed(build(wrong, 3, rate=0.0), features(1, 3, 2, 2))


def test_equally_strong_attention_may_be_sure_or_not() -> None:
    """mu reads the first channel, and sigma the second."""
    head = build(UncertaintyAware, 2, rate=0.0)
    with torch.no_grad():
        for layer, channel in [(head.score, 0), (head.score_spread, 1)]:
            layer.weight.zero_()[0, channel] = 1.0
        head.score_spread.bias.fill_(-1.0)
    x = torch.ones(2, 2, 1, 3, dtype=torch.float64)
    x[:, 1, 0] = torch.tensor([[-4.0, 0.0, 2.0], [2.0, 2.0, 2.0]])
    for image, unsure in zip(x, x[:, 1, 0], strict=True):
        _, (deviation, _, alpha) = drawn(head, image[None], 20_000)
        sigma = torch.log1p(torch.exp(unsure - 1))
        assert deviation.density is not None
        torch.testing.assert_close(deviation.density[0, 0], sigma)
        logit = alpha.tensor[:, 0].log()
        apart = (sigma[1:] ** 2 + sigma[0] ** 2).sqrt()
        assert moments_are(logit[:, 1:] - logit[:, :1], torch.zeros(2), apart)


def twin(head: UncertaintyAware, channels: int) -> Retain:
    """RETAIN with the same weights."""
    soft = build(Retain, channels)
    soft.load_state_dict({name: head.state_dict()[name] for name in soft.state_dict()})
    return soft


def test_plain_evaluation_goes_by_the_mean() -> None:
    head, x = build(UncertaintyAware, 5), features(2, 5, 3, 4)
    assert torch.equal(head(x), twin(head, 5)(x))
    assert [one.kind for one in maps_of(head, x)] == ["full gate", "pooled query"]


@pytest.mark.parametrize("rate, same", [(0.0, True), (0.25, False)])
def test_without_noise_and_dropout_it_is_retain(rate: float, same: bool) -> None:
    head, x = build(UncertaintyAware, 5, rate=rate), features(2, 5, 3, 4)
    with torch.no_grad():
        for layer in (head.score_spread, head.gate_spread):
            layer.weight.zero_()
            layer.bias.fill_(-1e3)
    assert torch.allclose(head.train()(x), twin(head, 5)(x)) == same


def predictive(head: UncertaintyAware, x: Tensor) -> Tensor:
    """E[softmax(logits)], (K,), for one channel and two places: the four nets that dropout leaves,
    with their probabilities, times Gauss-Hermite quadrature over alpha's one and beta's two noises.
    """
    node, weight = (torch.from_numpy(each) for each in np.polynomial.hermite_e.hermegauss(24))
    weight = weight / weight.sum()
    one, two, three = torch.meshgrid(node, node, node, indexing="ij")
    mass = weight[:, None, None] * weight[:, None] * weight
    nets = [(0.0, head.rate), (1 / (1 - head.rate), 1 - head.rate)]
    answer = torch.zeros(CLASSES, dtype=torch.float64)
    for (of_alpha, once), (of_beta, again) in itertools.product(nets, nets):
        left, right = x[0, 0, 0]
        score, sigma = head.score(of_alpha * x).flatten(), spreads(head, of_alpha * x)[0].flatten()
        share = torch.sigmoid(score[0] - score[1] + sigma.norm() * one)
        gate, sigma = head.gate(of_beta * x).flatten(), spreads(head, of_beta * x)[1].flatten()
        first, second = torch.tanh(gate[0] + sigma[0] * two), torch.tanh(gate[1] + sigma[1] * three)
        seen = share * first * left + (1 - share) * second * right
        said = head.classifier(seen[..., None]).softmax(-1)
        answer += once * again * (mass[..., None] * said).sum((0, 1, 2))
    return answer


class DropsAnewAtEachPlace(UncertaintyAware):
    """Planted: no one net is drawn for an image, but another one for each of its places."""

    def dropped(self, x: Tensor) -> Tensor:
        return dropout(x, self.rate, self)


class DropsTheSameForBoth(UncertaintyAware):
    """Planted: alpha and beta read the same channels."""

    def dropped(self, x: Tensor) -> Tensor:
        with noise_from(torch.Generator().manual_seed(1), sampled=True):
            return super().dropped(x)


@pytest.mark.parametrize(
    "kind, right",
    [(UncertaintyAware, True), (DropsAnewAtEachPlace, False), (DropsTheSameForBoth, False)],
)
@torch.no_grad()
def test_sampled_predictions_average_to_the_quadrature(
    kind: type[UncertaintyAware], right: bool
) -> None:
    head = build(kind, 1)
    for layer in (head.score, head.gate, head.classifier):
        layer.weight.mul_(4 / layer.weight.abs().max())
    x = torch.tensor([[[[1.5, -0.7]]]], dtype=torch.float64)
    exact = predictive(head, x)
    said = drawn(head, x, 100_000)[0].softmax(1)
    error = said.std(0) / math.sqrt(len(said))
    assert bool(((said.mean(0) - exact).abs() < 4 * error).all()) == right
    assert ((head(x).softmax(1)[0] - exact).abs() > 20 * error).any(), "its mean says the same"


def centred(*corners: tuple[int, int], size: tuple[int, int], whole: tuple[int, int]) -> Tensor:
    """theta of regions of `size` cells whose top left cells are these, in maps of `whole` cells."""
    theta = []
    for row, column in corners:
        theta += [(2 * column + size[1]) / whole[1] - 1, (2 * row + size[0]) / whole[0] - 1]
    return torch.tensor([theta], dtype=torch.float64)


@pytest.mark.parametrize("height, width", [(8, 5), (12, 12)])
def test_regions_start_as_stripes_that_tile_the_map(height: int, width: int) -> None:
    x, head = features(2, 16, height, width), build(HarmoniousRegions, 16)
    theta = maps_of(head, x)[-1]
    stripes = x.unflatten(2, (4, -1)).transpose(1, 2)
    close = partial(
        torch.testing.assert_close, rtol=0, atol=1e-5
    )  # the start is in single precision
    close(head.crops(x, theta.tensor), stripes)
    close(theta.density, torch.ones(2, height, width, dtype=torch.float64))


def test_one_region_of_scale_one_is_the_map_itself() -> None:
    x = features(2, 16, 7, 9)
    head = build(HarmoniousRegions, 16, regions=1, scale=(1.0, 1.0))
    torch.testing.assert_close(head.crops(x, torch.zeros(2, 2).double())[:, 0], x)


class ColumnsForRows(HarmoniousRegions):
    """Planted: y before x."""

    def points(self, theta: Tensor, height: int, width: int) -> Tensor:
        return super().points(theta.unflatten(1, (-1, 2)).flip(2).flatten(1), height, width)


@pytest.mark.parametrize("kind, right", [(HarmoniousRegions, True), (ColumnsForRows, False)])
def test_a_translation_by_whole_cells_is_a_slice(
    kind: type[HarmoniousRegions], right: bool
) -> None:
    x = features(1, 16, 8, 12)
    head = build(kind, 16, regions=2, scale=(0.25, 0.5))
    crops = head.crops(x, centred((3, 2), (0, 9), size=(4, 3), whole=(8, 12)))
    slices = torch.stack([x[:, :, 3:7, 2:5], x[:, :, 0:4, 9:12]], 1)
    assert torch.allclose(crops, slices) == right


def test_crops_against_a_loop() -> None:
    """At any places, also past the border, and with a scale that does not divide the map."""
    x, head = features(2, 16, 7, 9), build(HarmoniousRegions, 16, regions=3, scale=(0.5, 0.4))
    theta = torch.tanh(features(2, 6))
    crops = head.crops(x, theta)
    assert crops.shape == (2, 3, 16, 3, 5)
    for i, region, row, column in itertools.product(range(2), range(3), range(3), range(5)):
        across, down = theta[i, 2 * region : 2 * region + 2].tolist()
        at_row = (0.4 * (2 * row + 1 - 3) / 3 + down + 1) * 7 / 2 - 0.5
        at_column = (0.5 * (2 * column + 1 - 5) / 5 + across + 1) * 9 / 2 - 0.5
        value = crops[i, region, 11, row, column].item()
        assert value == pytest.approx(float(read(x[i, 11], at_row, at_column)), abs=1e-12)


def test_density_is_how_much_of_a_pixel_the_regions_read() -> None:
    x, head = features(2, 16, 7, 9).requires_grad_(), build(HarmoniousRegions, 16)
    nn.init.normal_(head.localise.weight)
    gate, theta = maps_of(head, x)
    assert [gate.block, theta.block] == ["soft", ""], "the regions come last"
    (reads,) = torch.autograd.grad(head.crops(x, theta.tensor.detach())[:, :, 0].sum(), x)
    torch.testing.assert_close(theta.density, reads[:, 0])


def test_the_answer_is_of_the_whole_and_of_its_parts_in_order() -> None:
    x, head = features(2, 16, 8, 6), build(HarmoniousRegions, 16)
    with torch.no_grad():
        head.classifier.bias.normal_()
        for i in range(2):
            image = x[i : i + 1]
            whole = head.whole(head.soft(image).mean((2, 3)))
            means = [head.local(image[:, :, 2 * t : 2 * t + 2]).mean((2, 3)) for t in range(4)]
            parts = head.parts(torch.cat(means, 1))
            answer = head.classifier.weight @ torch.cat([whole[0], parts[0]])
            torch.testing.assert_close(head(image)[0], answer + head.classifier.bias)
        torch.testing.assert_close(head(x), torch.cat([head(x[:1]), head(x[1:])]))


def test_the_gradient_of_the_answer_moves_the_regions() -> None:
    """Against finite differences, away from where bilinear reading has a kink."""
    x, head = features(2, 16, 7, 9), build(HarmoniousRegions, 16)
    bias = head.localise.bias
    with torch.no_grad():
        bias.add_(0.1 * features(8))
    target = features(2, CLASSES, seed=3)
    (slope,) = torch.autograd.grad((head(x) * target).sum(), bias)
    assert (slope != 0).all()
    with torch.no_grad():
        for i in range(8):
            sides = []
            for step in (1e-6, -2e-6):
                bias[i] += step
                sides.append((head(x) * target).sum())
            bias[i] += 1e-6
            torch.testing.assert_close((sides[0] - sides[1]) / 2e-6, slope[i], rtol=1e-5, atol=1e-8)
