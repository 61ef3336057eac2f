"""Where the trainings of a sweep run."""

import pytest

from hardattn.experiments.sweeps import capacity, places
from hardattn.experiments.sweeps.parallel import Here
from hardattn.experiments.sweeps.places import place_for


@pytest.mark.parametrize(
    "device, gpus, workers, count",
    [
        ("cpu", ["0", "1", "2"], None, 5),
        ("auto", ["0", "1", "2"], None, 3),
        ("auto", [], None, 5),
        ("cuda", ["0", "1", "2"], 7, 7),
    ],
)
def test_here_there_is_one_a_gpu_or_one_a_core(
    monkeypatch: pytest.MonkeyPatch, device: str, gpus: list[str], workers: int | None, count: int
) -> None:
    monkeypatch.setattr(capacity, "gpus", lambda: gpus)
    monkeypatch.setattr(capacity, "cores", lambda: 5)
    with place_for("here", device, workers) as (place, many):
        assert isinstance(place, Here) and place.own and many == count
        assert place.free.qsize() == count


def test_a_cluster_is_left_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings that still run there end with who began them."""
    left = []

    class Cluster:
        """A stand-in: test_on_ray has a real one, in minutes."""

        def __init__(self, address: str):
            self.address = address

        def workers(self, device: str) -> int:
            return 4

        def leave(self) -> None:
            left.append(self.address)

    monkeypatch.setattr(places, "OnRay", Cluster)
    with pytest.raises(KeyboardInterrupt), place_for("ray", "cpu") as (_, many):
        assert many == 4 and not left
        raise KeyboardInterrupt
    assert left == ["ray"]
