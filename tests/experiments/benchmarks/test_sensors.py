"""The benchmark of sensors compares ways to see the same."""

import torch

from hardattn.data import Split
from hardattn.experiments.benchmarks import sensors
from hardattn.scenes import cluttered
from hardattn.sensors import Retina


def test_every_way_sees_the_same() -> None:
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (20, 1, 28, 28), generator=draw).to(torch.uint8)
    split, index = Split(images, torch.arange(20) % 10), torch.arange(7)
    for canvas, size, scales, pieces in ((28, 8, 1, 0), (60, 12, 3, 4)):
        scenes = cluttered(split, index, draw, canvas=canvas, distractors=pieces)
        # In the middle of pixels, where samples between them are the pixels themselves.
        corner = torch.randint(canvas + 1, (2, 7, 2), generator=draw)
        places = 2 * corner / canvas - 1
        ways = sensors.looking(Retina(size, scales), scenes, places)
        seen = {name: look() for name, look in ways.items()}
        first = seen.pop("by index")
        for name, other in seen.items():
            torch.testing.assert_close(other, first, atol=2e-4, rtol=1e-4, msg=name)


def test_every_case_is_measured_in_every_way_that_it_allows() -> None:
    rows = sensors.glimpses(((28, 8, 1, 0), (200, 8, 1, 2)), batch=3, count=1, least=0.0)
    assert [(row["canvas"], row["way"]) for row in rows] == [
        (28, "by index"),
        (28, "grid_sample"),
        (28, "an image at a time"),
        (200, "by index"),
        (200, "an image at a time"),
    ]
    assert all(row["value"] > 0 and row["limit"] > 0 for row in rows)
    assert rows[2]["ratio"] == rows[4]["ratio"] == 1
