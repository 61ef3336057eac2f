"""Windows that are read by filters and by grids: equal to slow ones, and differentiable."""

import math

import numpy as np
import pytest
import torch

from hardattn.sensors import SENSORS, GaussianWindow
from tests.support.sensors import pictures, place_of


@pytest.mark.parametrize("stride, sigma", [(1.0, 0.5), (1.7, 1.3), (0.4, 0.1)])
@pytest.mark.parametrize("size", [1, 3, 4])
def test_gaussian_window_equals_the_slow_one(size, stride, sigma):
    channels, height, width = 2, 5, 8
    images = pictures(3, channels, height, width)
    places = torch.tensor([[0.1, -0.3], [1.0, -1.0], [-0.77, 0.9]])
    window = GaussianWindow(size, stride, sigma)
    seen = window.look(window.open(images), places)

    def bank(along: float, length: int) -> list[list[float]]:
        rows = []
        for step in range(size):
            at = (along + 1) / 2 * length + (step - (size - 1) / 2) * stride
            row = [math.exp(-((c + 0.5 - at) ** 2 / (2 * sigma**2))) for c in range(length)]
            rows.append([value / sum(row) for value in row])
        return rows

    wanted = np.zeros((3, channels, size, size))
    for b, (x, y) in enumerate(places.tolist()):
        down, across = bank(y, height), bank(x, width)
        for c in range(channels):
            for i in range(size):
                for j in range(size):
                    for r in range(height):
                        for k in range(width):
                            pixel = images[b, c, r, k].item() / 255
                            wanted[b, c, i, j] += down[i][r] * across[j][k] * pixel
    np.testing.assert_allclose(seen.numpy(), wanted, rtol=0, atol=2e-6)


def test_gaussian_filters_sum_to_one_even_off_the_image():
    window = GaussianWindow(7, stride=5.0, sigma=0.3)
    white = window.open(torch.full((5, 1, 6, 11), 255, dtype=torch.uint8))
    places = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0], [-1.0, 1.0], [0.3, -0.8]])
    assert torch.allclose(window.look(white, places), torch.ones(5, 1, 7, 7), atol=1e-5)


def test_narrow_gaussian_on_a_pixel_reads_that_pixel():
    images = pictures(35, 2, 5, 7)
    pixels = torch.cartesian_prod(torch.arange(7), torch.arange(5))
    window = GaussianWindow(1, sigma=0.01)
    seen = window.look(window.open(images), place_of(pixels + 0.5, 5, 7))[:, :, 0, 0]
    wanted = images[torch.arange(35), :, pixels[:, 1], pixels[:, 0]] / 255.0
    assert torch.allclose(seen, wanted, atol=1e-6)


def test_gaussian_window_gradient_by_finite_differences():
    images = pictures(3, 2, 6, 5).double() / 255
    places = torch.tensor([[0.2, -0.4], [1.0, -1.0], [-0.6, 0.7]], dtype=torch.float64)
    window = GaussianWindow(3, stride=1.3, sigma=0.8)
    assert torch.autograd.gradcheck(lambda p: window.look(images, p), places.requires_grad_())


@pytest.mark.parametrize("stride, sigma", [(0.0, 1.0), (1.0, 0.0), (1.0, -1.0)])
def test_gaussian_window_refuses(stride, sigma):
    with pytest.raises(ValueError, match="positive"):
        GaussianWindow(3, stride, sigma)


def test_upright_affine_glimpse_is_a_crop():
    images = pictures(3, 2, 8, 8)
    affine = SENSORS["affine"](4, cover=0.5)
    middle = affine.look(affine.open(images), affine.at(torch.zeros(3, 2)))
    assert torch.allclose(middle, images[:, :, 2:6, 2:6] / 255, atol=1e-6)
    place = affine.at(torch.tensor([[0.1, -0.3]])).double().requires_grad_()
    view = images[:1].double()
    assert torch.autograd.gradcheck(lambda p: affine.look(view, p), place + 0.013)


def slow_filters(along: float, length: int, size: int, stride: float, sigma: float) -> np.ndarray:
    """(size, length), as DRAW has them, but for where pixels lie; one number at a time."""
    bank = np.zeros((size, length))
    for i in range(size):
        mean = (along + 1) / 2 * length + (i - size / 2 + 0.5) * stride
        for a in range(length):
            bank[i, a] = math.exp(-((a + 0.5 - mean) ** 2) / (2 * sigma**2))
    return bank / bank.sum(1, keepdims=True)


def test_filterbank_equals_the_slow_one() -> None:
    images = pictures(3, 2, 7, 11)
    places = torch.tensor(
        [[0.1, -0.4, 0.2, -0.8, 0.1], [-0.9, 1.0, -0.3, 0.0, -0.5], [0.5, 0.5, 0.9, 0.3, 0.0]]
    )
    sensor = SENSORS["filterbank"](3)
    seen = sensor.look(sensor.open(images), places)
    for b, (x, y, *logs) in enumerate(places.double().tolist()):
        variance, share, gamma = (math.exp(4 * value) for value in logs)
        stride, sigma = (11 - 1) / (3 - 1) * share, variance**0.5
        rows, columns = (slow_filters(at, n, 3, stride, sigma) for at, n in ((y, 7), (x, 11)))
        wanted = gamma * np.einsum("ih,chw,jw->cij", rows, images[b].numpy() / 255, columns)
        np.testing.assert_allclose(seen[b].numpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["filterbank", "zoom"])
def test_filterbanks_are_differentiable_in_every_number(name: str) -> None:
    sensor = SENSORS[name](3)
    view = sensor.open(pictures(2, 1, 6, 8)).double()
    generator = torch.Generator().manual_seed(0)
    place = 0.15 * torch.randn(2, sensor.places, generator=generator).double()
    assert torch.autograd.gradcheck(lambda p: sensor.look(view, p), place.requires_grad_())
    sensor.look(view, place).pow(2).sum().backward()
    assert (place.grad.abs() > 1e-4).all()


def test_a_zoom_is_a_gaussian_window_of_its_width() -> None:
    images, zoom = pictures(4, 2, 12, 12), SENSORS["zoom"](4)
    point = torch.tensor([[-0.5, 0.2], [0.0, 0.0], [1.0, -1.0], [0.3, 0.3]])
    for width in (0.15, 1 / 3, 1.0):
        place = torch.cat([point, torch.full((4, 1), 1 + math.log(width))], 1)
        stride = width * 12 / 4
        window = GaussianWindow(4, stride, stride / 2)
        seen, wanted = (
            one.look(one.open(images), at) for one, at in ((zoom, place), (window, point))
        )
        assert torch.allclose(seen, wanted, atol=1e-5)
    assert torch.allclose(zoom.at(point)[:, 2], torch.tensor(1 + math.log(0.4)))
