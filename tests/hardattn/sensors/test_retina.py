import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings, strategies as st
from torch import Tensor

from hardattn.sensors import SENSORS, GaussianWindow, Retina, Whole

SIZES = [(7, 5), (4, 9), (6, 6), (1, 3)]
EXAMPLES = {
    "retina": dict(size=5, scales=3),
    "gaussian_window": dict(size=4, stride=1.5),
    "affine": dict(size=4),
    "crop": dict(size=4, cover=0.4),
    "cells": dict(rows=2, columns=3),
    "patches": dict(rows=2, columns=3),
    "pairs": dict(rows=2, columns=3),
    "filterbank": dict(size=4),
    "zoom": dict(size=4),
}
FUZZ = settings(max_examples=80, deadline=None, derandomize=True)
ALONG = st.one_of(st.sampled_from([-1.0, 1.0]), st.floats(-1, 1, width=32))


def pictures(count: int, channels: int, height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, channels, height, width), generator=generator).byte()


def place_of(centre: Tensor, height: int, width: int) -> Tensor:
    """(B, 2) centres (x, y) in pixels -> places."""
    return 2 * centre.float() / torch.tensor([width, height]) - 1


def patch(image: np.ndarray, left: int, top: int, size: int, square: int) -> np.ndarray:
    """The slow reference: pad with zeros, cut, average squares. (C, H, W) -> (C, size, size)."""
    channels, height, width = image.shape
    margin = 2 * size * square + 2
    padded = np.zeros((channels, height + 2 * margin, width + 2 * margin))
    padded[:, margin : margin + height, margin : margin + width] = image / 255
    out = np.zeros((channels, size, size))
    for row in range(size):
        for column in range(size):
            y, x = margin + top + row * square, margin + left + column * square
            out[:, row, column] = padded[:, y : y + square, x : x + square].mean((1, 2))
    return out


def slow_look(image: np.ndarray, centre: tuple[int, int], size: int, scales: int) -> np.ndarray:
    """The retina at an integer centre (x, y): whole numbers only, ties to the right and below."""
    patches = []
    for s in range(scales):
        side = size * 2**s
        left, top = ((2 * c - side + 1) // 2 for c in centre)
        patches.append(patch(image, left, top, size, 2**s))
    return np.concatenate(patches)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", range(1, 9))
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_retina_equals_the_slow_one_at_every_integer_centre(height, width, size, channels):
    centres = torch.cartesian_prod(torch.arange(width + 1), torch.arange(height + 1))
    if channels == 3:  # the corners, and every third of the others
        keep = torch.arange(len(centres)) % 3 == 0
        keep[[0, height, -1 - height, -1]] = True
        centres = centres[keep]
    images = pictures(len(centres), channels, height, width, seed=size)
    wanted = [
        slow_look(image, tuple(centre), size, 4)
        for image, centre in zip(images.numpy(), centres.tolist(), strict=True)
    ]
    for scales in (1, 2, 3, 4):
        retina = Retina(size, scales)
        seen = retina.look(retina.open(images), place_of(centres, height, width))
        some = np.stack(wanted)[:, : scales * channels]
        np.testing.assert_allclose(seen.numpy(), some, rtol=0, atol=1e-6)


def test_retina_with_five_scales_of_one_pixel():
    """Sums of 16 x 16 white pixels do not fit int16."""
    images = pictures(30, 2, 11, 14).clamp(min=250)
    centres = torch.stack([torch.arange(30) % 15, torch.arange(30) % 12], 1)
    retina = Retina(1, 5)
    seen = retina.look(retina.open(images), place_of(centres, 11, 14))
    for row, centre in enumerate(centres.tolist()):
        wanted = slow_look(images[row].numpy(), tuple(centre), 1, 5)
        np.testing.assert_allclose(seen[row].numpy(), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("length", [3, 28, 60, 100, 999])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_ties_of_odd_sizes_do_not_depend_on_rounding(size, length):
    """float32 puts 2c/W - 1 now above, now below the tie; a retina that asks it misses by one."""
    columns = torch.arange(length)
    images = torch.stack([columns % 256, columns // 256]).byte()[None, :, None]
    places = place_of(torch.stack([columns, torch.zeros_like(columns)], 1), 1, length)
    retina = Retina(size)
    view = retina.open(images.expand(length, -1, -1, -1))
    seen = (retina.look(view, places)[:, :, size // 2, size // 2] * 255).round()
    assert torch.equal(seen[:, 0] + 256 * seen[:, 1], columns.float())


@FUZZ
@given(
    x=ALONG, y=ALONG, size=st.integers(1, 8), scales=st.integers(1, 4), shape=st.sampled_from(SIZES)
)
def test_retina_off_centre_is_the_retina_of_the_nearest_edge(x, y, size, scales, shape):
    height, width = shape
    image = pictures(1, 1, height, width)
    retina = Retina(size, scales)
    seen = retina.look(retina.open(image), torch.tensor([[x, y]], dtype=torch.float32))[0]
    for s in range(scales):
        side = size * 2**s
        edges = []
        for along, length in ((x, width), (y, height)):
            exact = (along + 1) / 2 * length - side / 2
            below = exact + 0.5 - math.floor(exact + 0.5)
            assume(1e-3 < below < 1 - 1e-3 or exact + 0.5 == round(exact + 0.5))
            edges.append(math.floor(exact + 0.5))
        wanted = patch(image[0].numpy(), *edges, size, 2**s)
        np.testing.assert_allclose(seen[s : s + 1].numpy(), wanted, rtol=0, atol=1e-6)


def test_retina_off_centre_by_hand():
    image = torch.arange(1, 11, dtype=torch.uint8).view(1, 1, 1, 10)
    retina = Retina(2)
    view = retina.open(image)

    def upper(centre: float) -> list[int]:
        place = torch.tensor([[centre / 5 - 1, 1.0]])
        return (retina.look(view, place)[0, 0, 0] * 255).round().int().tolist()

    assert upper(4.0) == [4, 5]
    assert upper(4.4) == [4, 5]
    assert upper(4.5) == [5, 6]  # halfway goes right
    assert upper(4.6) == [5, 6]
    assert upper(0.0) == [0, 1]
    assert upper(10.0) == [10, 0]


@pytest.mark.parametrize("scales", [1, 3])
def test_int64_indices_see_the_same(monkeypatch, scales):
    dtypes = []
    select = torch.Tensor.index_select

    def spy(self: Tensor, dim: int, index: Tensor) -> Tensor:
        dtypes.append(index.dtype)
        return select(self, dim, index)

    monkeypatch.setattr(torch.Tensor, "index_select", spy)
    images, places = pictures(5, 3, 9, 7), torch.linspace(-1, 1, 10).view(5, 2)
    retina = Retina(4, scales)
    view = retina.open(images)
    narrow = retina.look(view, places)
    monkeypatch.setattr("hardattn.sensors.retina.INT32_LIMIT", view.sums.numel() - 1)
    wide = retina.look(view, places)
    assert dtypes == [torch.int32, torch.int64]
    assert torch.equal(narrow, wide)


@pytest.mark.parametrize("scales", [1, 3])
def test_retina_off_the_image_sees_nothing_and_nobody_else(scales):
    """Worlds keep places inside; without them an index must still not reach the next image."""
    lost = [[2.5, 0.0], [0.0, -9.0], [1e30, 1e30], [-math.inf, 0.0], [0.0, math.nan]]
    images = torch.full((len(lost), 2, 6, 9), 255, dtype=torch.uint8)
    retina = Retina(2, scales)
    seen = retina.look(retina.open(images), torch.tensor(lost))
    assert not seen[2:].any()
    assert not seen[:2, :2].any()


def test_retina_gives_no_gradient_to_the_place():
    place = torch.zeros(2, 2, requires_grad=True)
    retina = Retina(4, 2)
    assert not retina.look(retina.open(pictures(2, 1, 8, 8)), place).requires_grad


@pytest.mark.parametrize("scales", [1, 2])
def test_retina_reads_images_of_any_strides(scales):
    images, places = pictures(4, 3, 6, 9), torch.linspace(-1, 1, 8).view(4, 2)
    retina = Retina(3, scales)
    wanted = retina.look(retina.open(images), places)
    odd = [
        images.to(memory_format=torch.channels_last),
        torch.cat([images, images], 3)[..., 9:],
        images.transpose(2, 3).contiguous().transpose(2, 3),
    ]
    for same in odd:
        assert torch.equal(retina.look(retina.open(same), places), wanted)


@pytest.mark.parametrize("size, scales", [(0, 1), (3, 0)])
def test_retina_refuses_nothing_to_see(size, scales):
    with pytest.raises(ValueError, match="at least 1"):
        Retina(size, scales)


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


def test_what_shows_everything_is_the_image():
    images = pictures(3, 2, 5, 7)
    shown = [name for name in SENSORS if SENSORS[name](**EXAMPLES.get(name, {})).everything]
    assert shown == ["whole"]
    whole = Whole()
    for place in (torch.zeros(3, 2), torch.ones(3, 2)):
        assert torch.equal(whole.look(whole.open(images), place), images / 255)


@pytest.mark.parametrize("name", SENSORS)
@FUZZ
@given(
    places=st.lists(st.tuples(ALONG, ALONG), min_size=1, max_size=4),
    shape=st.sampled_from([(1, 2, 3), (3, 6, 3), (1, 8, 9), (3, 12, 6), (1, 10, 12)]),
    seed=st.integers(0, 3),
)
def test_every_sensor(name, places, shape, seed):
    """Shapes and pixels as promised, values in [0, 1], rows independent, input left alone."""
    sensor = SENSORS[name](**EXAMPLES.get(name, {}))
    images = pictures(len(places), *shape, seed)
    images[0] = 255
    before, where = images.clone(), sensor.at(torch.tensor(places, dtype=torch.float32))
    assert where.shape == (len(places), sensor.places)
    kept = where.clone()
    seen = sensor.look(sensor.open(images), where)
    assert torch.equal(images, before)
    assert torch.equal(where, kept)
    assert seen.shape == (len(places), *sensor.shape(shape))
    assert seen[0].numel() == shape[0] * sensor.pixels(shape)
    assert seen.dtype == torch.float32
    assert seen.min() >= 0
    assert seen.max() <= 1 + 1e-6
    for row in range(len(places)):
        alone = sensor.look(sensor.open(images[row : row + 1]), where[row : row + 1])
        assert torch.allclose(alone[0], seen[row], atol=1e-6)


@pytest.mark.parametrize("name", SENSORS)
def test_half_precision_places_do_not_blur(name):
    """bfloat16 counts no further than 256: pixel arithmetic in it would look elsewhere."""
    sensor = SENSORS[name](**EXAMPLES.get(name, {}))
    view = sensor.open(pictures(4, 1, 300, 303))
    place = sensor.at(torch.tensor([[0.3, 0.7], [-1, 1], [0.9, -0.9], [0.01, 0.5]]).bfloat16())
    assert torch.equal(sensor.look(view, place), sensor.look(view, place.float()))


@pytest.mark.parametrize("name", SENSORS)
def test_points_and_places(name):
    """A point's place lies there, to within a cell; places are bounded, NaN included."""
    sensor = SENSORS[name](**EXAMPLES.get(name, {}))
    point = torch.tensor([[-1.0, 1.0], [0.3, -0.2], [1.0, 1.0], [0.0, 0.0]])
    place = sensor.at(point)
    near = 0.51 if name in ("cells", "patches", "pairs") else 1e-6
    assert (sensor.point(place) - point).abs().max() <= near
    assert torch.equal(sensor.bound(place), place)
    wild = torch.full_like(place, torch.nan)
    wild[1], wild[2] = 1e30, -torch.inf
    bounded = sensor.bound(wild)
    assert bounded.isfinite().all()
    assert bounded.abs().max() <= 1
    sensor.look(sensor.open(pictures(4, 1, 6, 6)), bounded)


def test_cells_show_the_patch_that_was_chosen_or_the_mean():
    images = pictures(2, 3, 4, 9)
    cells = SENSORS["cells"](2, 3)
    view = cells.open(images)
    for n in range(6):
        seen = cells.look(view, torch.eye(6)[[n, n]])
        row, column = divmod(n, 3)
        patch = images[:, :, 2 * row : 2 * row + 2, 3 * column : 3 * column + 3]
        assert torch.allclose(seen, patch / 255)
        assert torch.allclose(cells.at(cells.point(torch.eye(6)[[n]])), torch.eye(6)[[n]])
    mean = cells.look(view, torch.full((2, 6), 1 / 6))
    assert torch.allclose(mean.mean((2, 3)), (images / 255.0).mean((2, 3)), atol=1e-6)


def test_patches_blank_what_the_mask_leaves_out():
    images = pictures(1, 2, 4, 6)
    patches = SENSORS["patches"](2, 2)
    seen = patches.look(patches.open(images), torch.tensor([[1.0, 0.0, 0.0, 0.5]]))
    wanted = images / 255.0
    wanted[:, :, :2, 3:] = 0
    wanted[:, :, 2:, :3] = 0
    wanted[:, :, 2:, 3:] *= 0.5
    assert torch.allclose(seen, wanted)
    with pytest.raises(ValueError, match="does not divide"):
        patches.open(pictures(1, 1, 5, 6))


def test_upright_affine_glimpse_is_a_crop():
    images = pictures(3, 2, 8, 8)
    affine = SENSORS["affine"](4, cover=0.5)
    middle = affine.look(affine.open(images), affine.at(torch.zeros(3, 2)))
    assert torch.allclose(middle, images[:, :, 2:6, 2:6] / 255, atol=1e-6)
    place = affine.at(torch.tensor([[0.1, -0.3]])).double().requires_grad_()
    view = images[:1].double()
    assert torch.autograd.gradcheck(lambda p: affine.look(view, p), place + 0.013)


def test_pairs_show_what_is_in_either_mask():
    images, pairs = pictures(1, 2, 4, 6), SENSORS["pairs"](2, 2)
    place = torch.tensor([[1.0, 0.0, 0.0, 0.5, 1.0, 0.0, 0.5, 0.5]])
    union = torch.tensor([[1.0, 0.0, 0.5, 0.75]])
    patches = SENSORS["patches"](2, 2)
    wanted = patches.look(patches.open(images), union)
    assert torch.allclose(pairs.look(pairs.open(images), place), wanted)
    assert torch.equal(pairs.density(place), union.view(1, 2, 2))
    assert torch.allclose(pairs.point(place), patches.point(union))
    assert torch.equal(pairs.at(torch.tensor([[0.5, -0.5]])), pairs.over(torch.eye(4)[[1]]))
    assert torch.equal(pairs.density(pairs.over(torch.eye(4))), torch.eye(4).view(4, 2, 2))


@pytest.mark.parametrize("name", ["cells", "patches", "pairs"])
def test_grids_are_differentiable_in_the_weights(name):
    sensor = SENSORS[name](2, 3)
    view = sensor.open(pictures(2, 1, 4, 6)).double()
    weights = torch.rand(2, sensor.places, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: sensor.look(view, w), weights)


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


@pytest.mark.parametrize("name", SENSORS)
def test_says_whether_a_gradient_passes(name):
    sensor = SENSORS[name](**EXAMPLES.get(name, {}))
    place = sensor.at(torch.full((1, 2), 0.1)).requires_grad_()
    seen = sensor.look(sensor.open(pictures(1, 1, 6, 6)), place)
    passes = seen.requires_grad and torch.autograd.grad(seen.sum(), place)[0].abs().sum() > 0
    assert passes == (sensor.differentiable and not sensor.everything)
