"""Where the trainings of a sweep run: on this machine, or on those of a Ray cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from . import capacity
from .on_ray import OnRay
from .parallel import Here, Place


@contextmanager
def place_for(on: str, device: str, workers: int | None = None) -> Iterator[tuple[Place, int]]:
    """The place, and how many trainings it takes at a time; a cluster is left in the end.

    on: "here", or an address as `OnRay` takes it. device: that of the trainings. workers: how many,
    if somebody says; else one a GPU, or where there is none one a core that may be used.
    """
    if on == "here":
        gpus = capacity.gpus() if device in ("auto", "cuda") else []
        count = workers or len(gpus) or capacity.cores()
        yield Here(count, gpus), count
        return
    place = OnRay(on)
    try:
        yield place, workers or place.workers(device)
    finally:
        place.leave()
