import pytest
import torch

from hardattn.data import Split, memory, moments


def test_mean_and_spread_are_those_of_every_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.randint(256, (37, 3, 5, 7), dtype=torch.uint8)
    images[:, 1] = images[:, 1] // 4
    split = Split(images, torch.zeros(37, dtype=torch.int64))
    mean, spread = moments(split)
    told = images.double() / 255
    assert mean.shape == spread.shape == (3,)
    assert torch.allclose(mean, told.mean((0, 2, 3)), atol=1e-12)
    assert torch.allclose(spread, told.std((0, 2, 3), correction=0), atol=1e-12)
    # However few are read at a time.
    monkeypatch.setattr(memory, "at_once", lambda image: 5)
    assert all(map(torch.equal, moments(split), (mean, spread)))


def test_a_channel_that_is_all_alike_can_be_divided_by_its_spread() -> None:
    split = Split(torch.full((4, 1, 2, 2), 51, dtype=torch.uint8), torch.arange(4))
    assert [each.item() for each in moments(split)] == [pytest.approx(0.2), 1 / 255]
