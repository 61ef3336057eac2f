"""Each failure of attention made by hand, and attention in good health."""

import math

import pytest
import torch
from torch import Tensor

from hardattn.evaluation.evaluate import NOWHERE, Columns
from hardattn.evaluation.failure_modes import states
from tests.support.handmade import looking, mapped

N, SIDE = 40, 12
NAN = math.nan


def targets(seed: int = 0) -> Tensor:
    """(N, 1, 4) boxes of a third of a side, their centres near a corner, an edge or the middle."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(N, 2, generator=generator) * (2 - 2 / 3) - 1
    return torch.cat([corner, corner + 2 / 3], 1)[:, None]


def centres(box: Tensor) -> Tensor:
    return (box[:, 0, :2] + box[:, 0, 2:]) / 2


def paths(*places: Tensor, box: Tensor | None = None) -> Columns:
    """First looks anywhere, then these places, (N, 2) or (2,) each."""
    first = 2 * torch.rand(N, 2, generator=torch.Generator().manual_seed(9)) - 1
    rows = [first, *(place.expand(N, 2) for place in places)]
    return looking(torch.stack(rows, 1), box=targets() if box is None else box)


def blobs(place: Tensor, width: float = 0.2) -> Tensor:
    """(N, SIDE, SIDE) distributions about (N, 2) or (2,) places."""
    at = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1
    x, y = place.expand(N, 2).unbind(1)
    across = (-((at - x[:, None]) ** 2) / (2 * width**2)).exp()
    down = (-((at - y[:, None]) ** 2) / (2 * width**2)).exp()
    map = down[:, :, None] * across[:, None]
    return map / map.sum((1, 2), keepdim=True)


def near(place: Tensor, seed: int, by: float = 0.02) -> Tensor:
    return place + by * torch.randn(N, 2, generator=torch.Generator().manual_seed(seed))


FIRST = paths().location[:, 0]
CENTRE, ELSEWHERE = torch.zeros(2), torch.tensor([0.6, -0.6])
AT = centres(targets())
# The other side of the image, and there is no target there.
OTHER = -AT.sign() * 0.7
HEALTHY = {
    "looks": paths(near(AT / 2, 1), near(AT, 2), near(AT, 3)),
    "one look": paths(near(AT, 1)),
    "a distribution": mapped(blobs(AT), targets()),
    "a broad one": mapped(blobs(AT, 0.5), targets()),
    "gates": mapped(0.2 + 20 * blobs(AT), targets()),
    "a mask": mapped((blobs(AT) > 0.005).float(), targets()),
}
ILL: dict[str, dict[str, Columns]] = {
    "dead": {
        "stays": paths(FIRST, FIRST, FIRST),
        "shut": mapped(1e-4 * torch.rand(N, SIDE, SIDE), targets()),
        "zero": mapped(torch.zeros(N, SIDE, SIDE), targets()),
    },
    "saturated": {
        "edges": paths(OTHER.sign(), AT.sign() * torch.tensor([1.0, 0.3])),
        "open": mapped(1 - 0.005 * torch.rand(N, SIDE, SIDE), targets()),
    },
    "uniform": {
        "distribution": mapped(torch.full((N, SIDE, SIDE), 1 / SIDE**2), targets()),
        "gates": mapped(0.5 + 0.02 * torch.rand(N, SIDE, SIDE), targets()),
    },
    "collapsed": {
        "looks": paths(near(ELSEWHERE, 1), near(-ELSEWHERE, 2), near(ELSEWHERE, 3)),
        "map": mapped(blobs(near(ELSEWHERE, 1, 0.005)), targets()),
    },
    "centre_biased": {
        "looks": paths(near(CENTRE, 1, 0.08), near(CENTRE, 2, 0.08), near(CENTRE, 3, 0.08)),
        "map": mapped(blobs(near(CENTRE, 1, 0.06), 0.15), targets()),
    },
    "captured": {
        "looks": paths(near(OTHER / 2, 1), near(OTHER, 2), near(OTHER, 3)),
        "map": mapped(blobs(OTHER), targets()),
    },
}
CASES = [(state, name) for state, kinds in ILL.items() for name in kinds]


@pytest.mark.parametrize("name", list(HEALTHY))
def test_health_is_not_noticed(name: str) -> None:
    for state, share in states(HEALTHY[name]).items():
        assert share is None or share <= 0.05, state


@pytest.mark.parametrize("state, name", CASES)
def test_each_failure_is_noticed_and_no_other(state: str, name: str) -> None:
    found = states(ILL[state][name])
    shares = {each: share for each, share in found.items() if share is not None}
    assert shares[state] >= 0.95
    others = {each: share for each, share in shares.items() if each != state}
    if state == "centre_biased":
        del others["collapsed"]  # as near to each other as that they may well be
    assert max(others.values()) <= 0.05, others


def halved(ill: Columns, well: Columns) -> Columns:
    """The first half of the images of one, the second of the other."""
    pairs = zip(ill, well, strict=True)
    return Columns(*(torch.cat([one[: N // 2], other[N // 2 :]]) for one, other in pairs))


@pytest.mark.parametrize("state", ["dead", "saturated", "captured"])
def test_half_of_the_images_are_half(state: str) -> None:
    for ill in ILL[state].values():
        well = HEALTHY["a distribution" if ill.density.numel() else "looks"]
        if ill.location.shape == well.location.shape:
            assert states(halved(ill, well))[state] == 0.5


def test_what_only_half_of_the_images_share_is_not_collapsed() -> None:
    ill, well = ILL["collapsed"], HEALTHY
    assert states(halved(ill["looks"], well["looks"]))["collapsed"] == 0.0
    assert states(halved(ill["map"], well["a distribution"]))["collapsed"] == 0.0


def test_where_targets_stay_looking_at_one_place_is_no_symptom() -> None:
    still = torch.tensor([0.3, -0.9, 0.9, -0.3]).expand(N, 1, 4)
    for kind, made in ILL["collapsed"].items():
        found = states(made._replace(box=still))
        assert found["collapsed"] is None, kind
    whole = torch.tensor([-1.0, -1.0, 1.0, 1.0]).expand(N, 1, 4)
    for made in ILL["centre_biased"].values():
        found = states(made._replace(box=whole))
        assert found["centre_biased"] is found["collapsed"] is None


def test_without_a_target_nothing_captures() -> None:
    nowhere = torch.full((N, 1, 4), NAN)
    for made in (*ILL["captured"].values(), *ILL["centre_biased"].values()):
        for box in (nowhere, NOWHERE):
            found = states(made._replace(box=box))
            assert found["captured"] is found["centre_biased"] is found["collapsed"] is None
            assert found["dead"] == found["saturated"] == 0.0


def test_what_was_not_chosen_shows_nothing() -> None:
    nothing = states(looking(torch.zeros(N, 1, 2), box=targets()))
    assert set(nothing.values()) == {None}
    assert set(states(looking(torch.full((N, 1, 2), NAN), box=targets())).values()) == {None}
    stopped = ILL["dead"]["stays"]._replace(looks=torch.tensor([1] * (N - 2) + [2, 4]))
    assert states(stopped)["dead"] == 1.0  # of the two that chose a look
    assert states(stopped)["captured"] == 0.0  # of the one that chose two


def test_a_distribution_over_many_cells_is_not_dead() -> None:
    fine = mapped(torch.full((3, 60, 60), 1 / 3600), targets()[:3])
    assert states(fine)["dead"] == 0.0 and states(fine)["uniform"] == 1.0
