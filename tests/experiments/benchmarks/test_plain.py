"""The RAM that others are compared with learns, and sees and is as large as ours."""

import torch

from hardattn.agents import RAM
from hardattn.data import load
from hardattn.experiments.benchmarks import plain
from hardattn.experiments.benchmarks.plain import Images, PlainRAM, PlainTraining, cut
from hardattn.sensors import Retina


def test_its_glimpses_are_ours() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (9, 1, 28, 28), generator=generator).to(torch.uint8)
    # Within a pixel's edges both take the same window; between two they may differ by a pixel.
    corner = torch.randint(28, (9, 2), generator=generator)
    places = (corner + 0.25) / 14 - 1
    retina = Retina(plain.SIZE)
    ours = retina.look(retina.open(images), places)
    torch.testing.assert_close(cut(images.float() / 255, places), ours.flatten(1))


def test_it_is_as_large_as_ours() -> None:
    """But for one bias of two: the features of what and where are summed, as those of the core."""
    ours = sum(weight.numel() for weight in RAM((1, 8, 8), 10).parameters())
    its = sum(weight.numel() for weight in PlainRAM().parameters())
    assert abs(its - ours) <= 2 * plain.HIDDEN


def test_images_come_normalised_one_by_one() -> None:
    images = torch.full((3, 1, 28, 28), 255, dtype=torch.uint8)
    image, label = Images(images, torch.tensor([4, 5, 6]))[1]
    assert image.shape == (1, 28, 28) and label == 5
    torch.testing.assert_close(image, torch.full_like(image, (1 - plain.MEAN) / plain.SPREAD))


def test_it_learns() -> None:
    digits = load("digits").train
    small = torch.nn.functional.pad(digits.images[:64], (10, 10, 10, 10))
    training = PlainTraining(small, digits.labels[:64], batch=64)
    for group in training.optimizer.param_groups:
        group["lr"] = 3e-3
    for _ in range(120):
        training.update()
    assert sum(training.accuracies[-5:]) > sum(training.accuracies[:5]) + 100
    assert 0 <= training.measure() <= 100
