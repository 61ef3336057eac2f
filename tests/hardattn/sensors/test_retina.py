"""The retina equals a slow one, at every place."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, strategies as st
from torch import Tensor

from hardattn.sensors import Retina
from tests.support.sensors import ALONG, FUZZ, patch, pictures, place_of

SIZES = [(7, 5), (4, 9), (6, 6), (1, 3)]


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
