"""Ink is told from paper under any light that falls off evenly."""

import numpy as np
import pytest
from PIL import Image

from hardattn.data import load
from hardattn.experiments.studies.look import load as agent_of
from hardattn.looking.look import look_at
from hardattn.looking.paper import ink, threshold

Light = tuple[int, int, float, int]
LIGHTS: list[Light] = [(255, 0, 0.0, 0), (200, 60, 5.0, 0), (170, 70, 8.0, 40), (150, 60, 8.0, 60)]


def photo(drawn: np.ndarray, light: Light) -> np.ndarray:
    """Ink on paper: shades of both, noise, and by how much light falls off to either side."""
    paper, dark, noise, tilt = light
    falls = np.linspace(-1, 1, drawn.shape[1])[None] + np.linspace(-1, 1, drawn.shape[0])[:, None]
    made = (paper + tilt * falls / 2) * (1 - drawn) + dark * drawn
    made += np.random.default_rng(0).normal(0, noise, drawn.shape)
    return made.clip(0, 255).astype(np.uint8)


def test_a_threshold_lies_between_two_classes() -> None:
    drawn = np.random.default_rng(0)
    values = np.concatenate([drawn.normal(0, 1, 900), drawn.normal(20, 1, 100)])
    # The best cut by exhaustion, over the cuts between neighbours.
    ordered = np.sort(values)
    apart = [
        n * (1000 - n) * (ordered[:n].mean() - ordered[n:].mean()) ** 2 for n in range(1, 1000)
    ]
    assert int(np.argmax(apart)) + 1 == 900
    assert ordered[899] <= threshold(values) <= ordered[900]


@pytest.mark.parametrize("light", LIGHTS)
def test_ink_is_white_and_paper_black_whatever_the_light(
    light: tuple[int, int, float, int],
) -> None:
    drawn = np.zeros((60, 80))
    drawn[20:40, 30:36] = 1.0
    found = ink(photo(drawn, light))
    assert found.dtype == np.uint8 and found.shape == drawn.shape
    assert np.median(found[drawn == 1]) > 200 and (found[drawn == 0] == 0).mean() > 0.99


@pytest.mark.parametrize("shade", [0, 130, 255])
def test_paper_without_ink_is_black(shade: int) -> None:
    assert not ink(np.full((9, 7), shade, np.uint8)).any()


def test_digits_on_grey_paper_are_read_and_their_negatives_are_not() -> None:
    subject, digits = agent_of("ram-digits"), load("digits").test
    read = {"ink": 0, "negative": 0}
    for image, label in zip(digits.images[:30, 0].numpy(), digits.labels[:30], strict=True):
        large = Image.fromarray(image).resize((48, 48), Image.Resampling.BICUBIC)
        taken = photo(np.pad(np.asarray(large) / 255, 48), LIGHTS[2])
        for name, shown in (("ink", ink(taken)), ("negative", 255 - taken)):
            answer, _ = look_at(subject, shown, saliency=False).best(1)[0]
            read[name] += answer == str(int(label))
    assert read["ink"] >= 27 and read["negative"] <= 15
