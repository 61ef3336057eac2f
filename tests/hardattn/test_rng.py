"""Numbers that are a function of a row's key: as they are defined, and as random as they look."""

import pytest
import torch
from scipy import stats

from hardattn.problem import SCENES
from hardattn.rng import CounterRNG, apart, below, mix, mixed, shuffled, uniform
from tests.support.scenes import CANVASES, make_split

CPU = torch.device("cpu")


def slow(key: int, count: int) -> list[int]:
    """SplitMix64 (Steele et al. 2014) from the state `key`, in Python's integers."""
    whole, found = 2**64 - 1, []
    for _ in range(count):
        key = (key + 0x9E3779B97F4A7C15) & whole
        value = ((key ^ key >> 30) * 0xBF58476D1CE4E5B9) & whole
        value = ((value ^ value >> 27) * 0x94D049BB133111EB) & whole
        found.append(value ^ value >> 31)
    return found


def test_each_row_is_splitmix() -> None:
    # The published vector of the reference implementation.
    assert slow(1234567, 2) == [6457827717110365317, 3203168211198807973]
    keys = [1234567, 0, -5, 2**62]
    stream = CounterRNG(torch.tensor(keys))
    drawn = torch.cat([stream.bits(4, 2, 3).flatten(1), stream.bits(4, 1), stream.bits(4, 30)], 1)
    for key, row in zip(keys, drawn.tolist(), strict=True):
        assert [each % 2**64 for each in row] == slow(key % 2**64, 37)


def test_seeds_that_are_apart_are_mixed_and_have_none_in_common() -> None:
    for seed in (0, 1, 7, 2**31, 2**63 - 1, 2**63, 2**64 - 1):
        wanted = [mix(seed, number) for number in range(1, 5)]
        assert apart(seed, 5) == [seed, *wanted] and apart(seed, 1) == [seed]
        assert apart(seed + 2**64, 5)[1:] == wanted
    every = [each for seed in range(100) for each in apart(seed, 300)]
    assert len(set(every)) == len(every) and min(every) >= 0


def test_a_row_knows_of_no_other() -> None:
    keys = mixed(torch.arange(9))
    many, alone = CounterRNG(keys), CounterRNG(keys[4:5])
    for shape in ((2,), (), (5, 3)):
        assert torch.equal(many.bits(9, *shape)[4], alone.bits(1, *shape)[0])


def test_draws_are_uniform() -> None:
    keys = mixed(torch.arange(20_000))
    stream = CounterRNG(keys)
    counts = below(7, (20_000, 5), stream, CPU).flatten().bincount()
    assert len(counts) == 7 and stats.chisquare(counts.numpy()).pvalue > 1e-3
    numbers = uniform(-1.0, 3.0, (20_000, 2), stream, CPU)
    assert numbers.dtype == torch.float32 and numbers.min() >= -1 and numbers.max() < 3
    for column in numbers.double().T:
        assert stats.kstest(column.numpy(), stats.uniform(-1, 4).cdf).pvalue > 1e-3
    assert abs(torch.corrcoef(numbers.T)[0, 1]) < 0.03
    top = below(2**31, (20_000, 1), stream, CPU)
    assert top.min() >= 0 and top.max() < 2**31 and (top >= 2**30).double().mean().sub(0.5) < 0.02


def test_episodes_of_one_environment_and_neighbours_do_not_resemble_each_other() -> None:
    """Keys as environments have them: a start each, and an odd constant times the number."""
    from hardattn.envs.episodes import EPISODE
    from hardattn.rng import STEP

    start = mixed(torch.arange(200) + STEP)
    key = (start[:, None] + torch.arange(200) * EPISODE).flatten()
    drawn = uniform(0.0, 1.0, (len(key), 3), CounterRNG(key), CPU).view(200, 200, 3).double()
    across = torch.corrcoef(torch.stack([drawn[:, :-1].flatten(), drawn[:, 1:].flatten()]))
    beside = torch.corrcoef(torch.stack([drawn[:-1].flatten(), drawn[1:].flatten()]))
    within = torch.corrcoef(drawn.view(-1, 3).T)
    for found in (across[0, 1], beside[0, 1], within[0, 1], within[1, 2]):
        assert abs(found) < 0.02
    assert CounterRNG(key).bits(len(key), 3).flatten().unique().numel() == 3 * len(key)


def test_without_streams_it_is_torch() -> None:
    one, other = (torch.Generator().manual_seed(3) for _ in range(2))
    assert torch.equal(below(9, (4, 2), one, CPU), torch.randint(9, (4, 2), generator=other))
    wanted = torch.empty(5, 2).uniform_(-1, 1, generator=other)
    assert torch.equal(uniform(-1.0, 1.0, (5, 2), one, CPU), wanted)


@pytest.mark.parametrize("name", SCENES)
def test_scenes_of_streams_depend_on_nothing_but_their_own(name: str) -> None:
    split, make = make_split(), SCENES[name].make
    keys, index = mixed(torch.arange(12)), torch.arange(12) % 9
    many = make(split, index, CounterRNG(keys), **CANVASES[name])
    few = make(split, index[3:6], CounterRNG(keys[3:6]), **CANVASES[name])
    for whole, part in zip(many, few, strict=True):
        if len(whole):
            assert torch.equal(whole[3:6].nan_to_num(9), part.nan_to_num(9))
    other = make(split, index, CounterRNG(keys + 1), **CANVASES[name])
    assert name == "plain" or not torch.equal(many.image, other.image)


def test_every_image_once_an_epoch() -> None:
    count, batch = 20, 7
    row = torch.cat([shuffled(count, update, batch, 5) for update in range(count)])
    epochs = row.view(batch, count)
    assert all(epoch.sort().values.tolist() == list(range(count)) for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == batch


def test_a_batch_may_be_larger_than_the_dataset() -> None:
    index = shuffled(20, 1, 50, 0)
    assert len(index) == 50
    row = torch.cat([shuffled(20, 0, 50, 0), index])
    assert all(part.sort().values.tolist() == list(range(20)) for part in row.split(20))


def test_the_order_depends_on_the_seed_and_on_nothing_else() -> None:
    one = shuffled(100, 3, 32, 0)
    torch.manual_seed(9)
    assert torch.equal(one, shuffled(100, 3, 32, 0))
    assert not torch.equal(one, shuffled(100, 3, 32, 1))


def test_seeds_are_distinct() -> None:
    seeds = {mix(a, b, c) for a in range(12) for b in range(3000) for c in (1, 2, 3)}
    assert len(seeds) == 12 * 3000 * 3
    assert min(seeds) >= 0 and max(seeds) < 2**63
    assert mix(1, 2) != mix(2, 1) and mix(1) != mix(1, 0)
