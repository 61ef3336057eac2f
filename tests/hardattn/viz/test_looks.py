"""Panels, frames and animations of looks at a picture."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hardattn
from hardattn.looking.look import Looked, look_at, subject_of
from hardattn.viz.looks import frames, gif, look, panel, png, sheet_of, text
from hardattn.viz.pictures import colours
from tests.support.agents import EVERYONE, SIDE, TOLD, build

PICTURE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


def looked(who: str, saliency: bool = False) -> Looked:
    agent, world = build(who)
    one = subject_of(agent, world, (1, SIDE, SIDE), tuple("0123456789"), who)
    return look_at(one, PICTURE, saliency=saliency)


def has(picture: Any, colour: tuple[int, int, int]) -> bool:
    return bool((picture == np.array(colour, np.uint8)).all(-1).any())


@pytest.mark.parametrize("who", [who for who in EVERYONE if who not in TOLD])
def test_whoever_looks_is_drawn(who: str) -> None:
    one = looked(who)
    film = frames([one])
    assert len(film) == one.looks and len({each.shape for each in film}) == 1
    assert all(each.dtype == np.uint8 and each.ndim == 3 for each in film)
    assert np.array_equal(film[-1], sheet_of([one]))
    # The colour of a look comes with it, and stays.
    ink = colours(one.looks)
    for number, picture in enumerate(film, 1):
        assert all(has(picture, colour) for colour in ink[:number])
        assert not any(has(picture, colour) for colour in ink[number:])


def test_an_animation_has_a_frame_a_look() -> None:
    one = looked("ram gru")
    film = Image.open(BytesIO(gif(frames([one]))))
    assert (film.format, film.n_frames, film.info["loop"]) == ("GIF", 3, 0)  # type: ignore[attr-defined]
    film.seek(2)
    shown = np.asarray(film.convert("RGB")).astype(int)
    assert np.abs(shown - sheet_of([one])).mean() < 3


def test_a_file_of_it_holds_the_same_pixels() -> None:
    picture = panel(looked("backbone cnn", saliency=True))
    assert np.array_equal(np.asarray(Image.open(BytesIO(png(picture)))), picture)


def test_one_function_draws_and_tells() -> None:
    agent, world = build("ram gru")
    told = {"world": world, "shape": (1, SIDE, SIDE), "answers": "0123456789"}
    picture, columns = hardattn.look(agent, PICTURE, saliency=False, **told)
    assert picture.ndim == 3 and columns.location.shape == (1, 3, 2)
    other = subject_of(*build("net cnn"), (1, SIDE, SIDE))
    both, _ = look(agent, PICTURE, against=other, saliency=False, **told)
    assert both.shape[0] > picture.shape[0]


def test_text_that_is_too_long_is_cut() -> None:
    long, short = text("a very long line " * 9, 100), text("short", 100)
    assert long.shape == short.shape == (20, 100, 3) and (short[:, 60:] == 255).all()
