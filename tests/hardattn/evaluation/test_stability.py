"""How alike two evaluations are, on columns made by hand; layers drawn anew, one by one."""

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.stability import (
    cascade,
    changed,
    correlation,
    looks_correlation,
    map_correlation,
    moved,
    ranked,
)
from hardattn.maps import Map, strongest

NONE = torch.empty(0, 0, 0)


def columns(
    answers: list[int] | Tensor,
    location: Tensor | None = None,
    looks: list[int] | None = None,
    density: Tensor = NONE,
    activation: Tensor = NONE,
    target: Tensor | None = None,
) -> Columns:
    answer = torch.as_tensor(answers)
    answer = answer[:, None] if answer.dim() == 1 else answer
    location = torch.zeros(*answer.shape, 2) if location is None else location
    wide = location.shape[1]
    chosen = answer if answer.shape[1] == wide else answer.expand(-1, wide)
    belief = torch.nn.functional.one_hot(chosen, 5).float().log_softmax(-1)
    blank = torch.zeros(len(answer), wide)
    taken = torch.tensor(looks) if looks else torch.full((len(answer),), wide)
    none = torch.zeros(len(answer), dtype=torch.long)
    target = none if target is None else target
    return Columns(
        belief, location, blank.bool(), blank, taken, target, none, NONE, density, activation
    )


def test_changed_answers() -> None:
    assert changed(columns([0, 1, 2, 3]), columns([0, 1, 4, 2])) == 0.5
    assert changed(columns([1, 1]), columns([1, 1])) == 0


def test_a_sequence_has_changed_where_any_symbol_has() -> None:
    target = torch.zeros(3, 2, dtype=torch.long)
    one = columns(torch.tensor([[0, 1], [2, 2], [3, 0]]), target=target)
    other = columns(torch.tensor([[0, 1], [2, 1], [0, 3]]), target=target)
    assert changed(one, other) == pytest.approx(2 / 3)


def test_looks_move_in_pixels_the_first_and_those_not_taken_left_out() -> None:
    place = torch.zeros(2, 3, 2)
    other = place.clone()
    other[:, 0] = 1.0  # the world's own
    other[0, 1] = torch.tensor([0.5, 0.0])  # a quarter of 40 pixels across
    other[1, 1] = torch.tensor([0.6, 0.8])  # 12 pixels across, 8 down
    other[1, 2] = 9.0
    one, two = columns([0, 0], place, [2, 3]), columns([0, 0], other, [3, 2])
    assert moved(one, two, 20, 40) == pytest.approx((10 + (12**2 + 8**2) ** 0.5) / 2)
    assert moved(columns([0, 0]), columns([0, 0]), 20, 40) is None
    lost = torch.full_like(place, torch.nan)
    assert moved(columns([0, 0], lost), columns([0, 0], lost), 20, 40) is None


def test_ranks_and_correlations_are_those_of_scipy() -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.randint(6, (7, 20), generator=generator).double()  # with ties
    other = one + torch.randn(7, 20, generator=generator)
    for row in range(7):
        assert (ranked(one)[row] + 1).tolist() == stats.rankdata(one[row]).tolist()
        wanted = stats.pearsonr(one[row], other[row]).statistic
        assert correlation(one, other)[row].item() == pytest.approx(wanted)
        wanted = stats.spearmanr(one[row], other[row]).statistic
        found = correlation(ranked(one), ranked(other))[row].item()
        assert found == pytest.approx(wanted)


def test_maps_that_are_alike_opposite_and_flat() -> None:
    map = torch.tensor([[[1.0, 2.0], [3.0, 40.0]]])
    maps = [columns([0], density=density) for density in (map, map**3, -map, torch.ones(1, 2, 2))]
    assert map_correlation(maps[0], maps[0]) == pytest.approx(1)
    assert map_correlation(maps[0], maps[1], ranks=True) == pytest.approx(1)
    assert (map_correlation(maps[0], maps[1]) or 0) < 0.9999
    assert map_correlation(maps[0], maps[2]) == pytest.approx(-1)
    assert map_correlation(maps[0], maps[3]) == 0
    assert map_correlation(columns([0]), columns([0])) is None
    cam = columns([0], activation=map)
    assert map_correlation(cam, cam) == pytest.approx(1)


def test_looks_that_go_the_same_ways() -> None:
    generator = torch.Generator().manual_seed(0)
    place = torch.rand(400, 3, 2, generator=generator)
    bent = place**3
    other = torch.rand(400, 3, 2, generator=generator)
    answers = [0] * 400
    one = columns(answers, place)
    assert looks_correlation(one, columns(answers, bent)) == pytest.approx(1)
    assert abs(looks_correlation(one, columns(answers, other)) or 0) < 0.1
    assert looks_correlation(one, columns(answers, torch.zeros(400, 3, 2))) == 0
    half = torch.cat([place[:, :2], other[:, 2:]], 1)
    assert looks_correlation(one, columns(answers, half)) == pytest.approx(0.5, abs=0.06)
    # Looks that were not taken count for nothing.
    assert looks_correlation(one, columns(answers, half, [2] * 400)) == pytest.approx(1)
    assert looks_correlation(columns([0, 0], place[:2]), columns([0, 0], place[:2])) is None
    assert looks_correlation(columns([0] * 4), columns([0] * 4)) is None


def net(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    made = nn.Sequential(
        nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.BatchNorm1d(3)), nn.Linear(3, 1)
    )
    norm = made[2][0]
    assert isinstance(norm, nn.BatchNorm1d) and norm.running_mean is not None
    norm.running_mean.fill_(float(seed))
    return made


def test_layers_are_drawn_anew_from_the_last_one_by_one() -> None:
    agent, fresh = net(1), net(2)
    kept = {name: value.clone() for name, value in agent.state_dict().items()}
    done: list[str] = []
    for name, random in cascade(agent, fresh):
        done.append(name)
        assert random is not agent
        for key, value in random.state_dict().items():
            source = fresh if key.rpartition(".")[0] in done else agent
            assert torch.equal(value, source.state_dict()[key]), (name, key)
    assert done == ["3", "2.0", "0"]
    assert all(torch.equal(value, agent.state_dict()[name]) for name, value in kept.items())


def test_the_strongest_cells_are_kept() -> None:
    weights = torch.tensor([[[0.1, 0.5, 0.15, 0.25]]])
    one = Map("map", "pooled query", weights, (-1,), None)
    half = strongest(0.5)(one)
    assert half.tolist() == [[pytest.approx([0, 2 / 3, 0, 1 / 3])]]
    assert strongest(0.25)(one).tolist() == strongest(0.01)(one).tolist() == [[[0, 1, 0, 0]]]
    assert torch.allclose(strongest(1.0)(one), weights)


def test_the_strongest_of_gates_and_over_other_dimensions() -> None:
    gate = torch.tensor([0.2, 0.9, -0.95, 0.3]).view(1, 1, 2, 2)
    kept = strongest(0.5)(Map("map", "spatial gate", gate, (), None))
    assert kept.flatten().tolist() == pytest.approx([0, 0.9, -0.95, 0])
    codes = torch.tensor([[0.3, 0.6], [0.7, 0.4]]).view(1, 2, 1, 2)  # sums to one over codes
    kept = strongest(0.5)(Map("map", "codes", codes, (-3,), None))
    assert kept.tolist() == [[[[0.0, 1.0]], [[1.0, 0.0]]]]
    theta = torch.randn(1, 6)
    assert strongest(0.1)(Map("map", "geometric", theta, (), None)) is theta
    two = torch.tensor([[[[0.5, 0.5, 0.0]], [[0.2, 0.3, 0.5]]]])
    kept = strongest(1 / 3)(Map("map", "pairwise", two, (-1,), None))
    assert kept.shape == two.shape and (kept > 0).sum(-1).unique().tolist() == [1]


def test_a_map_of_nothing_stays_nothing() -> None:
    nothing = torch.zeros(1, 1, 4)
    kept = strongest(0.5)(Map("map", "pooled query", nothing, (-1,), None))
    assert torch.equal(kept, nothing)
