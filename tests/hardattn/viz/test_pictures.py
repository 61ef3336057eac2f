"""Pictures of paths, glimpses and maps: what is drawn is what was read."""

import numpy as np
import pytest
import torch

from hardattn.agents import RAM
from hardattn.evaluation.evaluate import evaluate
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.viz import pictures
from hardattn.world import World
from tests.support.runs import CLASSES, scenes


def test_path_picture_draws_what_the_retina_reads() -> None:
    image = torch.zeros(1, 16, 16, dtype=torch.uint8)
    place = torch.tensor([[-0.5, -0.5], [0.5, 0.5]])
    drawn = pictures.path_picture(image, place, 4, 1, side=320)
    assert drawn.shape == (320, 320, 3) and drawn.dtype == np.uint8
    # The look at pixel (12, 12) covers 10 to 14, which is 200 to 280 at 20 times the size.
    frame = np.array(pictures.colours(2)[1])
    close = np.abs(drawn.astype(int) - frame).sum(-1) < 60
    rows, across = np.nonzero(close)
    assert abs(across.max() - 280) <= 3 and abs(rows.max() - 280) <= 3
    assert close[201, 270] and close[270, 201] and not close[270, 190]


def test_path_picture_takes_any_image_and_no_looks() -> None:
    nowhere = torch.full((1, 2), torch.nan)
    image = torch.arange(3 * 6 * 12).view(3, 6, 12).to(torch.uint8)
    drawn = pictures.path_picture(image, nowhere, side=240)
    assert drawn.shape == (120, 240, 3)
    assert np.array_equal(drawn[10, 10], image[:, 0, 0].numpy())
    tall = pictures.path_picture(image, nowhere, caption="a rather long caption " * 5, side=240)
    assert tall.shape == (144, 240, 3)
    with pytest.raises(ValueError, match="uint8"):
        pictures.path_picture(image.float(), nowhere)


def test_colours_brighten() -> None:
    light = [np.dot(colour, (0.2126, 0.7152, 0.0722)) for colour in pictures.colours(7)]
    assert light == sorted(light) and len(set(light)) == 7


def test_sheet_and_glimpses() -> None:
    seen = scenes(5)
    world = World(Retina(4, 2), Classify(CLASSES), 3)
    agent = RAM((2, 4, 4), CLASSES, hidden=8, what=8, where=8)
    done = evaluate(agent, world, seen)
    drawn = pictures.sheet(seen, done, 4, 2, ["a", "b", "c", "d"], across=3, side=200)
    assert drawn.shape == (2 * (160 + 24) + 8, 3 * 200 + 2 * 8, 3)
    image = torch.full((1, 16, 16), 200, dtype=torch.uint8)
    strip = pictures.glimpses(image, torch.zeros(3, 2), Retina(4, 2), width=200)
    assert strip.shape == (64, 200, 3) and (strip[32, 32] == 200).all()
    edge = pictures.glimpses(image, torch.tensor([[-1.0, -1.0]]), Retina(4, 1), width=100)
    assert (edge[20, 20] == 0).all() and (edge[80, 80] == 200).all()


def test_glimpses_lay_odd_patches_where_they_were_read() -> None:
    """Of ten pixels a side the finest five begin at the third or the fourth."""
    sensor, found = Retina(5, 2), set()
    for x in (-0.05, 0.0, 0.05):
        place = torch.tensor([[x, 0.0]])
        (coarse, fine) = (sensor.corners(place, (24, 24))[0, scale].tolist() for scale in (1, 0))
        image = torch.zeros(1, 24, 24, dtype=torch.uint8)
        image[:, fine[1] : fine[1] + 5, fine[0] : fine[0] + 5] = 255
        strip = pictures.glimpses(image, place, sensor, width=112)  # a frame of 6 or 7, 10 a pixel
        frame = 112 // 16
        inner, middle = 112 - 2 * frame, 56
        left = frame + round(inner * (fine[0] - coarse[0]) / 10)
        white = (strip[middle, frame:-frame] == 255).all(1).nonzero()[0] + frame
        assert white[0] == left and len(white) == round(inner / 2)
        found.add(fine[0] - coarse[0])
    assert found == {2, 3}


def test_a_path_picture_and_the_retina_agree_on_ties() -> None:
    """A centre a rounding below a pixel's edge is taken for one on it, as the retina takes it."""
    image = torch.zeros(1, 20, 20, dtype=torch.uint8)
    for place in (0.2, 0.2 - 1e-6, 0.2 + 1e-6):
        at = torch.tensor([[place, place]])
        corner = Retina(3).corners(at, (20, 20))[0, 0].tolist()
        assert corner == [11, 11]
        drawn = pictures.path_picture(image, at, 3, 1).astype(int)
        exact = pictures.path_picture(image, torch.tensor([[0.2, 0.2]]), 3, 1)
        assert np.abs(drawn - exact).mean() < 0.5


def test_a_wrong_sequence_is_told_up_to_its_end_and_not_to_its_largest_symbol() -> None:
    true = [1, 4, -1]  # 4 is the end
    assert pictures.spoken([3, 1, 2], true) == "3 1 2"
    assert pictures.spoken([3, 4, 2], true) == "3" and pictures.spoken(true, true) == "1"
    assert pictures.spoken(2, 1, ("a", "b", "c")) == "c"
