from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hardattn.data.fit import Ask, stacked
from hardattn.data.idx import DataError
from hardattn.data.images import Record, in_folder, pixels, stack
from tests.support.pictures import COLOUR, COLOUR_ALPHA, GREY, GREY_ALPHA, deep_png

WHITE = 255
# Three by two, no two pixels alike and no symmetry.
PICTURE = np.array([[0, 50, 100], [150, 200, 250]], np.uint8)


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> Record:
    """An image as a file, opened anew each time."""
    file = BytesIO()
    image.save(file, form, **options)
    return held(file.getvalue())


def held(content: bytes) -> Record:
    return Record("it", lambda: Image.open(BytesIO(content)))


TURNED = {
    1: PICTURE,
    2: PICTURE[:, ::-1],
    3: PICTURE[::-1, ::-1],
    4: PICTURE[::-1],
    5: PICTURE.T,
    6: np.rot90(PICTURE, -1),  # stored lying on its left side: a viewer turns it clockwise
    7: PICTURE[::-1, ::-1].T,
    8: np.rot90(PICTURE),
}


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG", "16 bits", "16 bits, colour"])
@pytest.mark.parametrize("orientation", TURNED)
def test_an_image_stands_as_a_viewer_shows_it(form: str, orientation: int) -> None:
    if form.startswith("16"):
        colour = form.endswith("colour")
        values = (PICTURE.astype(int) * 257)[..., None].repeat(3 if colour else 1, -1)
        kind = COLOUR if colour else GREY
        array = pixels(held(deep_png(values, kind, orientation=orientation)))
    else:
        image = Image.fromarray(PICTURE.repeat(8, 0).repeat(8, 1))
        exif = image.getexif()
        exif[0x0112] = orientation
        options = {"lossless": True} if form == "WEBP" else {}
        array = pixels(saved(image, form, exif=exif, **options))[4::8, 4::8]
    grey = array if array.ndim == 2 else array[..., 0]
    assert grey.shape == TURNED[orientation].shape
    assert np.abs(grey.astype(int) - TURNED[orientation]).max() <= (3 if form == "JPEG" else 0)


def drawing(mode: str) -> Image.Image:
    """A black line on nothing: transparent, and black where one forgets that it is."""
    image = Image.new("RGBA", (4, 3), (0, 0, 0, 0))
    for x in range(4):
        image.putpixel((x, 1), (0, 0, 0, 255))
    return image if mode == "RGBA" else image.convert(mode)


def by_colour(mode: str, ground: Any) -> tuple[Image.Image, dict[str, Any]]:
    """The same, where one value or colour stands for transparent."""
    image = Image.new(mode, (4, 3), ground)
    for x in range(4):
        image.putpixel((x, 1), 0 if isinstance(ground, int) else (0, 0, 0))
    return image, {"transparency": ground}


def palette(alpha: bytes | int) -> tuple[Image.Image, dict[str, Any]]:
    image = Image.new("P", (4, 3), 1)
    image.putpalette([0, 0, 0, 0, 0, 0])
    for x in range(4):
        image.putpixel((x, 1), 0)
    return image, {"transparency": alpha}


TRANSPARENT: dict[str, Callable[[], Record]] = {
    "RGBA": lambda: saved(drawing("RGBA")),
    "RGBA, WebP": lambda: saved(drawing("RGBA"), "WEBP", lossless=True, exact=True),
    "RGBA, TIFF": lambda: saved(drawing("RGBA"), "TIFF"),
    "LA": lambda: saved(drawing("LA")),
    "grey, one value": lambda: saved(by_colour("L", 7)[0], **by_colour("L", 7)[1]),
    "two values, one": lambda: saved(by_colour("1", 1)[0], **by_colour("1", 1)[1]),
    "colour, one colour": lambda: saved(
        by_colour("RGB", (7, 8, 9))[0], **by_colour("RGB", (7, 8, 9))[1]
    ),
    "palette": lambda: saved(palette(b"\xff\x00")[0], **palette(b"\xff\x00")[1]),
    "palette, one colour": lambda: saved(palette(1)[0], **palette(1)[1]),
    "GIF": lambda: saved(palette(1)[0], "GIF", **palette(1)[1]),
    "16 bits": lambda: held(deep_png(deep_drawing(2), GREY_ALPHA)),
    "16 bits, colour": lambda: held(deep_png(deep_drawing(4), COLOUR_ALPHA)),
    "16 bits, one value": lambda: held(deep_png(deep_clear(1), GREY, clear=[7])),
    "16 bits, one colour": lambda: held(deep_png(deep_clear(3), COLOUR, clear=[7, 7, 7])),
}


def deep_drawing(channels: int) -> np.ndarray:
    values = np.zeros((3, 4, channels), int)
    values[1, :, -1] = 65535
    return values


def deep_clear(channels: int) -> np.ndarray:
    values = np.full((3, 4, channels), 7)
    values[1] = 0
    return values


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_what_is_transparent_is_white(kind: str) -> None:
    array = pixels(TRANSPARENT[kind]())
    assert (array.ndim == 3) == ("RGBA" in kind or ("colour" in kind and "palette" not in kind))
    assert (array[1] == 0).all() and (array[::2] == WHITE).all()


def test_half_transparent_is_half_white() -> None:
    image = Image.new("RGBA", (1, 1), (100, 0, 255, 51))  # a fifth
    assert pixels(saved(image)).tolist() == [[[224, 204, 255]]]
    deep = np.array([[[100 * 257, 0, 65535, 51 * 257]]])
    assert pixels(held(deep_png(deep, COLOUR_ALPHA))).tolist() == [[[224, 204, 255]]]


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("kind, channels", [(GREY, 1), (COLOUR, 3), (GREY_ALPHA, 2), (6, 4)])
def test_sixteen_bits_are_scaled(kind: int, channels: int, interlaced: bool) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (9, 11, channels))
    values[0, 0] = 200  # its high byte is 0
    if kind in (GREY_ALPHA, COLOUR_ALPHA):
        values[..., -1] = 65535
        exact = values[..., :-1] / 257
    else:
        exact = values / 257
    array = pixels(held(deep_png(values, kind, interlaced=interlaced)))
    assert array.ndim == (2 if kind in (GREY, GREY_ALPHA) else 3)
    assert np.abs(array.reshape(exact.shape) - exact).max() <= 0.5
    assert (array[0, 0] == 1).all()


@pytest.mark.parametrize("form, options", [("TIFF", {}), ("PPM", {}), ("TIFF", {"tiff_lzw": 1})])
def test_sixteen_bits_of_grey_in_other_files(form: str, options: dict[str, Any]) -> None:
    values = np.array([[0, 200, 25700], [257, 65535, 128]], np.uint16)
    compression = {"compression": "tiff_lzw"} if options else {}
    array = pixels(saved(Image.fromarray(values), form, **compression))
    assert array.tolist() == [[0, 1, 100], [1, 255, 0]]


def test_sixteen_bits_of_colour_in_a_ppm() -> None:
    values = np.array([[[0, 200, 25700], [257, 65535, 128]]], ">u2")
    assert pixels(held(b"P6 2 1 65535\n" + values.tobytes())).tolist() == [
        [[0, 1, 100], [1, 255, 0]]
    ]


def test_a_palette_of_greys_is_grey() -> None:
    image = Image.fromarray(PICTURE)
    for form in ("PNG", "GIF", "BMP"):
        array = pixels(saved(image.convert("P"), form))
        assert np.array_equal(array, PICTURE)
    colours = Image.new("P", (3, 2), 1)
    colours.putpalette([0, 0, 0, 10, 20, 30])
    assert pixels(saved(colours)).shape == (2, 3, 3)
    # A colour image is not looked into: grey pixels are not a promise.
    assert pixels(saved(image.convert("RGB"))).shape == (2, 3, 3)


def test_content_is_of_what_is_seen() -> None:
    image = Image.fromarray(PICTURE)
    same = [
        saved(image),
        saved(image, "BMP"),
        saved(image.convert("P"), "GIF"),
        saved(image.convert("RGB"), "WEBP", lossless=True),
        held(deep_png(PICTURE.astype(int)[..., None] * 257, GREY)),
    ]
    others = [
        saved(Image.fromarray(PICTURE.T)),
        saved(Image.fromarray(PICTURE.reshape(3, 2))),
        saved(Image.fromarray(PICTURE ^ 1)),
    ]
    images, content, _, _ = stacked(same + others, Ask((5, 6)))
    assert images.shape == (8, 3, 5, 6) and content.dtype == np.uint64
    assert len(set(content[:5].tolist())) == 1 and len(set(content.tolist())) == 4
    _, again = stack(same)
    assert again.tolist() == content[:5].tolist()


def test_more_than_sixteen_bits_are_refused(tmp_path: Path) -> None:
    for number, kind in enumerate((np.int32, np.float32)):
        path = tmp_path / f"{number}.tif"
        Image.fromarray(np.full((2, 2), 70_000, kind)).save(path)
        with pytest.raises(DataError, match=r"^\S+\.tif: .*save it with 8") as caught:
            pixels(in_folder(path))
        assert "\n" not in str(caught.value)
