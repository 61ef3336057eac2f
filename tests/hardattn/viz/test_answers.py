"""Masks, key points, frames and numbers lie where they belong, in their colours."""

import numpy as np
import pytest

from hardattn.viz.answers import BAR, STRENGTH, TEN, class_colour, framed, masked, numbered, pointed
from hardattn.viz.pictures import INK, PAPER, RIGHT, WRONG, path_picture


def test_colours_of_classes_differ() -> None:
    many = [class_colour(number) for number in range(1, 31)]
    assert len(set(many)) == 30 and tuple(many[:10]) == TEN
    assert all(0 <= part <= 255 for colour in many for part in colour)


def test_a_mask_colours_its_squares_and_nothing_else() -> None:
    image = np.full((1, 7, 9), 100, np.uint8)  # the last row and column are of no square
    answer = np.zeros((3, 4), int)
    answer[1, 2], answer[0, 0] = 3, -1
    drawn = masked(image, answer, 2)
    assert drawn.shape == (3, 7, 9) and (image == 100).all()
    coloured = (drawn != 100).any(0)
    assert coloured[2:4, 4:6].all() and coloured.sum() == 4
    wanted = (1 - STRENGTH) * 100 + STRENGTH * np.array(class_colour(3))
    assert np.abs(drawn[:, 2, 4] - wanted).max() <= 0.5


def test_a_point_is_a_disc_at_the_answer_and_a_ring_at_the_truth() -> None:
    picture = np.zeros((200, 400, 3), np.uint8)
    drawn = pointed(picture, [[5.0, 5.0], [np.nan, np.nan]], [[15.0, 5.0], [10.0, 8.0]], (10, 20))
    colour = np.array(class_colour(1))
    assert (drawn[100, 100] == colour).all()  # the disc is full
    assert (drawn[100, 200] == colour).all()  # the line between both
    assert (drawn[160, 200] == 0).all() and drawn[145:175, 185:215].any()  # a ring is hollow
    assert not drawn[:60].any()


@pytest.mark.parametrize("right", [True, False])
def test_a_frame_has_the_colour_of_right_or_wrong(right: bool) -> None:
    drawn = framed(np.zeros((100, 100, 3), np.uint8), (2, 2, 8, 8), (10, 10), right)
    colour = RIGHT if right else WRONG
    assert (drawn[20, 50] == colour).all() and (drawn[50, 20] == colour).all()
    assert not drawn[40:60, 40:60].any() and not drawn[:15].any()


def test_frames_are_numbered_and_those_looked_at_are_dark() -> None:
    strip = np.zeros((20, 120, 3), np.uint8)
    drawn = numbered(strip, 4, np.array([False, True, False, False]))
    assert drawn.shape == (20 + BAR, 120, 3)
    below = drawn[21:24]
    assert (below[:, 35:55] == INK).all() and (below[:, 5:25] == PAPER).all()
    assert (drawn[20:, 5:25] != 255).any()  # the number
    assert (drawn[10, 30] == PAPER).all() and not drawn[10, 15].any()  # a line between frames


def test_discs_on_a_strip_are_as_small_as_it_is_narrow() -> None:
    place = np.array([[0.0, 0.0]])
    strip, square = (
        path_picture(np.zeros((1, height, 60), np.uint8), place, side=300) for height in (10, 60)
    )
    wide, narrow = ((picture > 0).any((0, 2)).sum() for picture in (square, strip))
    assert wide / narrow == pytest.approx(3, rel=0.15)
