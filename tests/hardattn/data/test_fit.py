"""Pictures made to fit: what is seen of them, and where boxes are then."""

import numpy as np
import pytest

from hardattn.data.fit import FITS, SAID, Ask, fitted, stacked
from hardattn.data.idx import DataError
from hardattn.data.images import Record

SIZES = [(40, 60), (60, 40), (48, 48), (17, 90), (200, 130), (8, 5)]


def marked(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Black with a white rectangle in its middle, and the box of that in pixels."""
    height, width = size
    top, left = height // 4, width // 4
    low, right = height - top, width - left
    picture = np.zeros(size, np.uint8)
    picture[top:low, left:right] = 255
    return picture, np.array([[left, top, right, low]], float)


@pytest.mark.parametrize("how", FITS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("wanted", [(48, 48), (32, 64)])
def test_a_box_stays_around_what_it_was_around(
    how: str, size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    picture, box = marked(size)
    made, window = fitted(picture, wanted, how)
    assert made.shape == wanted and made.dtype == np.uint8
    (x0, y0, x1, y1) = (window.boxes(box, wanted)[0] + 1) / 2 * np.array([*wanted[::-1]] * 2)
    rows, columns = np.nonzero(made > 127)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(np.array(found) - [x0, y0, x1, y1]).max() <= 1.01


@pytest.mark.parametrize("how", FITS)
def test_what_has_the_size_wanted_is_as_it_was(how: str) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (12, 9, 3), np.uint8)
    made, window = fitted(picture, (12, 9), how)
    assert np.array_equal(made, picture) and tuple(window) == (1, 1, 0, 0)


def test_each_shows_what_it_says() -> None:
    picture = np.full((20, 40), 200, np.uint8)
    seen = {how: (fitted(picture, (40, 40), how)[0] > 0).mean() for how in FITS}
    assert seen == {"letterbox": 0.5, "crop": 1.0, "squash": 1.0, "pad": 0.5}
    assert SAID.keys() == FITS.keys()


def test_padding_keeps_the_pixels_and_cropping_the_middle() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (10, 14), np.uint8)
    assert np.array_equal(fitted(picture, (16, 20), "pad")[0][3:13, 3:17], picture)
    assert np.array_equal(fitted(picture, (10, 10), "crop")[0], picture[:, 2:12])
    assert np.array_equal(fitted(picture, (6, 8), "pad")[0], picture[2:8, 3:11])


def test_a_box_outside_is_there_no_more() -> None:
    _, window = fitted(np.zeros((10, 40), np.uint8), (10, 10), "crop")
    gone, cut = window.boxes(np.array([[0, 0, 8, 10], [10, 2, 20, 6.0]]), (10, 10))
    assert np.isnan(gone).all() and cut.tolist() == pytest.approx([-1, -0.6, 0, 0.2])


def test_more_than_there_is_memory_for_is_refused_before_it_is_read() -> None:
    def opened() -> object:
        raise AssertionError("it was read")

    with pytest.raises(DataError, match=r"GiB of memory, and .* is free: choose a smaller size"):
        stacked([Record("", opened)] * 1000, Ask((10**6, 10**6)))
