"""Swapped paths against values by hand, for every kind of place; and planted bugs."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents import Player, Scripted, SoftAgent
from hardattn.attention import BLOCKS
from hardattn.data import Split, load
from hardattn.distributions import Delta
from hardattn.evaluation import swap
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import error
from hardattn.evaluation.scanpath import hit
from hardattn.evaluation.swap import SWAPS, Meaningless, Own, own_looks, partners, paths, swapped
from hardattn.experiments.build import agent as agent_of, built
from hardattn.experiments.measure import controlled
from hardattn.experiments.recipe import ProblemOptions, Spec
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.studies.policy_gain.measure import followed, swapped_columns
from hardattn.maps import CONTROLS
from hardattn.rollout import DRAWS, Decision, greedy
from hardattn.scenes import Scenes, fixed_scenes, plain
from hardattn.sensors import Cells, Retina, Whole
from hardattn.tasks import Classify
from hardattn.world import Observation, World

DRAWN = torch.Generator


class Reader(nn.Module):
    """Looks where it is told that the target is, and reads its brightness without error.

    One that saw nothing but darkness says class 0.
    """

    def __init__(self, cells: int = 4):
        super().__init__()
        self.cells = Cells(1, cells)

    def start(self, context: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(len(context)), self.cells.at(context)

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        brightest, goal = state
        brightest = torch.maximum(brightest, seen.glimpse.flatten(1).amax(1))
        logits = torch.stack([torch.full_like(brightest, 0.6), brightest], 1)
        nought = torch.zeros_like(brightest)
        return (brightest, goal), Decision(Delta(goal), logits, nought, nought)


def pointers(times: int) -> tuple[World, Scenes]:
    """Four cells in a row, one of them lit, by 100 (class 0) or 200 (class 1): all eight scenes."""
    cell, target = torch.arange(8 * times) % 4, torch.arange(8 * times) // 4 % 2
    image = torch.zeros(8 * times, 1, 1, 4, dtype=torch.uint8)
    image[torch.arange(8 * times), 0, 0, cell] = (100 * (1 + target)).to(torch.uint8)
    left = cell / 2 - 1
    box = torch.stack([left, -torch.ones_like(left), left + 0.5, torch.ones_like(left)], 1)
    scenes = Scenes(image, target, box[:, None], torch.arange(8 * times))
    return World(Cells(1, 4), Classify(2), 2, first="centre", context="target"), scenes


def errors(times: int = 500) -> tuple[dict[str, float], dict[str, str]]:
    world, scenes = pointers(times)
    columns, left_out = swapped_columns(Reader(), world, scenes, greedy)
    return {name: error(one) for name, one in columns.items()}, left_out


def test_the_gain_that_an_agent_must_have() -> None:
    """By enumeration. The first look, of the centre, sees the third cell; a swap sees one more.

    Wrong are the scenes of class 1, one half, whose cell was not seen.
    """
    found, left_out = errors()
    assert found["own"] == found["oracle"] == 0
    assert found["centre"] == pytest.approx(1 / 2 * 3 / 4)  # the third once more
    assert found["raster"] == pytest.approx(1 / 2 * 2 / 4)  # and the fourth
    assert found["mean"] == pytest.approx(1 / 2 * 2 / 4)  # of equals the first
    # Any of four, whatever the target: 4,000 scenes, four standard deviations.
    for name in ("random", "shuffled"):
        assert found[name] == pytest.approx(1 / 2 * 3 / 4 * 3 / 4, abs=0.03)
    assert set(left_out) == {"reversed", "foreign"}


def test_a_random_swap_that_keeps_the_path_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SWAPS, "random", lambda own, *rest: own.place)
    assert errors()[0]["random"] == 0


def test_a_shuffle_of_an_image_with_itself_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "partners", lambda index, generator: torch.arange(len(index)))
    assert errors()[0]["shuffled"] == 0


def foreign(which: Callable[[Tensor, DRAWN], Tensor]) -> bool:
    """Whether it is a permutation that gives every scene one of another image, always."""
    for seed, counts in enumerate([(1, 1), (2, 2), (3, 1, 2), (5, 1, 1, 1, 2), (8,) * 20]):
        index = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
        index = 7 * index[torch.randperm(len(index), generator=DRAWN().manual_seed(seed))]
        partner = which(index, DRAWN().manual_seed(seed))
        if partner.sort().values.tolist() != list(range(len(index))):
            return False
        if (index[partner] == index).any():
            return False
    return True


def test_partners_are_of_another_image() -> None:
    assert foreign(partners)
    assert not foreign(lambda index, generator: torch.arange(len(index)))
    assert not foreign(lambda index, generator: torch.arange(len(index)).roll(1))
    assert not foreign(lambda index, generator: torch.randperm(len(index), generator=generator))
    with pytest.raises(Meaningless, match="images"):
        partners(torch.tensor([1, 1, 2]), DRAWN())


def test_partners_differ_between_seeds() -> None:
    index = torch.arange(50)
    one, same, other = (partners(index, DRAWN().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)


def points(looks: int = 5, count: int = 6) -> tuple[Own, World, Scenes]:
    """Look t of scene n at (t, n) / 10."""
    t, n = torch.meshgrid(torch.arange(looks), torch.arange(count), indexing="ij")
    place = torch.stack([t, n], -1) / 10
    world = World(Retina(2), Classify(2), looks)
    image = torch.zeros(count, 1, 8, 8, dtype=torch.uint8)
    box = torch.tensor([[0.0, 0.0, 0.5, 0.5], [-1.0, -1.0, -0.5, 0.0]]).repeat(count, 1, 1)
    scenes = Scenes(image, torch.zeros(count, dtype=torch.int64), box, torch.arange(count))

    class Still(nn.Module):
        def start(self, context: Tensor) -> Tensor:
            return context

        def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
            nought = torch.zeros_like(seen.step)
            return state, Decision(Delta(seen.location), nought[:, None], nought, nought)

    columns = evaluate(Still(), world, scenes)
    return Own(place, columns), world, scenes


def test_a_swap_that_is_drawn_is_drawn_several_times_and_anew_for_each_seed() -> None:
    own, world, scenes = points(5, 60)
    for name in SWAPS:
        one, again, other = (paths(name, own, world, scenes, seed) for seed in (0, 0, 1))
        assert all(map(torch.equal, one, again))
        if name not in ("random", "shuffled"):
            assert len(one) == 1 and torch.equal(one[0], other[0])
            continue
        every = [*one, *other]
        assert len(one) == len(other) == swap.DRAWS > 1
        assert not any(torch.equal(a, b) for a, b in combinations(every, 2))
    columns, _ = swapped_columns(Reader(), *pointers(20), greedy, 3)
    assert {len(columns[name].target) for name in ("random", "shuffled")} == {160 * swap.DRAWS}


def test_paths_by_hand() -> None:
    own, world, scenes = points()
    found = {name: swapped(name, own, world, scenes) for name in SWAPS}
    for path in found.values():
        assert path.shape == own.place.shape and torch.equal(path[0], own.place[0])
    assert not found["centre"][1:].any()
    assert found["reversed"][:, 0, 0].tolist() == pytest.approx([0, 0.4, 0.3, 0.2, 0.1])
    assert torch.allclose(found["mean"][1:, 0], torch.tensor([[t / 10, 0.25] for t in range(1, 5)]))
    assert torch.equal(found["mean"][1:, 0], found["mean"][1:, 5])
    # Two targets in turn, the second at look 1.
    assert found["oracle"][1:3, 3].tolist() == [[-0.75, -0.5], [0.25, 0.25]]
    # Five looks, three to a line: look 1 the middle of the first, look 4 that of the second.
    assert torch.allclose(
        found["raster"][[1, 4], 2], torch.tensor([[0.0, -0.5], [0.0, 0.5]]), atol=1e-6
    )
    assert (found["shuffled"][1:, :, 1] != own.place[1:, :, 1]).all()
    assert torch.equal(found["shuffled"][1:, :, 0], own.place[1:, :, 0])


def test_what_was_not_looked_at_is_not_reversed() -> None:
    own, world, scenes = points()
    looks = torch.tensor([1, 2, 3, 4, 5, 5])
    own = own._replace(columns=own.columns._replace(looks=looks))
    path = swapped("reversed", own, world, scenes)[..., 0] * 10
    wanted = [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 2, 1, 3, 4], [0, 3, 2, 1, 4], [0, 4, 3, 2, 1]]
    assert path.T[:5].round().tolist() == wanted


def strange(path: Tensor, own: Own) -> bool:
    """Whether no look falls where the agent's own does, or the world's first."""
    return not any((path[1:] == other).all(-1).any() for other in (own.place[1:], own.place[:1]))


def test_random_has_nothing_of_the_path_and_planted_ones_are_caught() -> None:
    own, world, scenes = points(5, 400)
    own.place[0] = world.first(scenes, DRAWN().manual_seed(0))  # as `evaluate` draws it
    path = swapped("random", own, world, scenes)
    assert strange(path, own) and torch.equal(path, swapped("random", own, world, scenes))
    assert not strange(own.place, own)
    # One seed for first looks and random ones: look 1 repeats look 0.
    assert not strange(
        torch.cat([path[:1], swap.random(own, world, scenes, DRAWN().manual_seed(0))]), own
    )
    # Uniform on [-1, 1]: mean 0, variance 1/3; 3,200 numbers, five standard errors.
    assert path[1:].mean().abs() < 5 * (1 / 3 / 3200) ** 0.5
    assert (path[1:].var() - 1 / 3).abs() < 5 * (4 / 45 / 3200) ** 0.5


def weights(rows: list[list[float]]) -> tuple[Own, World, Scenes]:
    own, _, scenes = points(2, len(rows))
    place = torch.tensor([rows, rows])
    return Own(place, own.columns), World(Cells(2, 2), Classify(2), 2), scenes


def test_weights_over_cells_are_dealt_out_anew() -> None:
    own, world, scenes = weights([[0.1, 0.6, 0.3, 0.0], [1.0, 0.0, 0.0, 0.0]] * 300)
    path = swapped("random", own, world, scenes)[1]
    assert torch.equal(path.sort().values, own.place[1].sort().values)
    shares = path[1::2].mean(0)  # a single cell goes anywhere
    assert (shares - 1 / 4).abs().max() < 5 * (3 / 16 / 300) ** 0.5
    # The centre lies in the last cell; the others are as far from it.
    assert swapped("centre", own, world, scenes)[1, 0].tolist() == pytest.approx(
        [0.3, 0.1, 0.0, 0.6]
    )
    # The targets' second box, at (-0.75, -0.5), is in the first cell; next is that below.
    assert swapped("oracle", own, world, scenes)[1, 0].tolist() == pytest.approx(
        [0.6, 0.1, 0.3, 0.0]
    )


def test_the_mean_of_hard_looks_is_hard_and_of_soft_ones_soft() -> None:
    hard = weights([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 1.0, 0, 0], [0, 1.0, 0, 0]])
    assert swapped("mean", *hard)[1, 0].tolist() == [0, 1, 0, 0]
    masks = weights([[1.0, 1, 0, 1], [0, 1.0, 0, 1], [0, 1.0, 0, 0], [1, 1.0, 0, 1]])  # 9 / 4
    assert swapped("mean", *masks)[1, 0].tolist() == [0, 1, 0, 1]
    soft = weights([[0.5, 0.5, 0, 0], [0.25, 0.75, 0, 0]])
    assert swapped("mean", *soft)[1, 1].tolist() == pytest.approx([0.375, 0.625, 0, 0])


def test_what_has_no_meaning_says_so() -> None:
    own, world, scenes = points()
    nowhere = Scenes(*scenes[:2], scenes.box * torch.nan, scenes.index)
    with pytest.raises(Meaningless, match="without the box"):
        swapped("oracle", own, world, nowhere)
    plainly = plain(Split(scenes.image, scenes.target), torch.arange(6))
    with pytest.raises(Meaningless, match="without the box"):
        swapped("oracle", own, world, plainly)
    filled = torch.tensor([-1.0, -1.0, 1.0, 1.0]).expand(6, 1, 4)
    whole = Scenes(*scenes[:2], filled, scenes.index)
    with pytest.raises(Meaningless, match="fill the image"):
        swapped("oracle", own, world, whole)
    with pytest.raises(Meaningless, match="reverse"):
        swapped("reversed", *weights([[1.0, 0, 0, 0], [0, 1.0, 0, 0]]))
    with pytest.raises(Meaningless, match="world's"):
        swapped("random", own._replace(place=own.place[:1]), world, scenes)
    with pytest.raises(Meaningless, match="at once"):
        swapped("random", own, World(Whole(), Classify(2), 1), scenes)


KINDS = (
    *("ram-digits", "dt-ram-digits", "edram-digits", "draw-digits", "zoom-ram-digits"),
    *("glance-focus-digits", "temporal-ram-digits", "oracle-digits", "ram-pairs"),
    *("sat-soft-digits", "sat-hard-digits", "variational-dirichlet-digits", "reinforced-digits"),
    *("patch-selection-digits", "attention-sampling-digits", "iterative-patch-selection-digits"),
)


def untrained(name: str, **changes: Any) -> tuple[Any, World, Scenes, Any]:
    """The agent of a recipe, its world, some scenes, and how it looks."""
    problem: ProblemOptions = RECIPES[name].problem
    split = load("digits").test
    split = Split(split.images[:24], split.labels[:24])
    world, make, _ = built(problem, load("digits").classes, split.images.shape[1:])
    scenes = fixed_scenes(make, split, 1, 2)
    image = tuple(scenes.image.shape[1:])
    torch.manual_seed(0)
    recipe = RECIPES[name].agent.but(**changes)
    agent = agent_of(recipe, world.sensor.shape(image), world, image)
    return agent, world, scenes, DRAWS[problem.draw]


@pytest.mark.parametrize("name", KINDS)
def test_following_the_own_path_changes_nothing(name: str) -> None:
    agent, world, scenes, draw = untrained(name)
    own = own_looks(agent, world, scenes, draw)
    path = followed(agent, world, scenes, own.place, draw, batch=20)
    for key, one in own.columns._asdict().items():
        if key != "entropy":
            assert torch.allclose(one, getattr(path, key), atol=1e-4), key


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_agent_can_be_swapped(name: str) -> None:
    agent, world, scenes, draw = untrained(name)
    before = {key: weight.clone() for key, weight in agent.state_dict().items()}
    columns, left_out = swapped_columns(agent, world, scenes, draw)
    two = {"reversed"} if world.looks == 2 else set()
    assert set(left_out) == {"foreign"} | two
    assert set(columns) == {"own", *SWAPS} - two
    for one in columns.values():
        assert one.log_probability.isfinite().all()
        draws = len(one.location) // len(scenes)
        assert torch.equal(one.location[:, 0], columns["own"].location[:, 0].repeat(draws, 1))
    if world.sensor.places == 2:
        assert hit(columns["oracle"]) == 1
    for key, weight in agent.state_dict().items():
        assert torch.equal(weight, before[key])


def test_soft_blocks_have_mean_and_foreign_maps() -> None:
    agent, world, scenes, draw = untrained("soft")
    columns, left_out = swapped_columns(agent, world, scenes, draw)
    assert set(columns) == {"own"} and set(left_out) == {*SWAPS, "foreign"}
    assert "no map" in left_out["mean"] and "at once" in left_out["random"]
    agent, world, scenes, draw = untrained("soft", block="cbam")
    columns, left_out = swapped_columns(agent, world, scenes, draw)
    assert set(columns) == {"own", "mean", "foreign"} and set(left_out) == {*SWAPS} - {"mean"}
    swaps = [columns[name].log_probability for name in ("own", "mean", "foreign")]
    assert not any(torch.equal(swaps[0], other) for other in swaps[1:])


def test_no_scene_is_given_its_own_map_as_another_ones() -> None:
    """Scenes go in batches of 1,000: of 1,001 one would be alone, and keep its map."""
    image = torch.randint(0, 256, (1001, 1, 8, 8), generator=DRAWN().manual_seed(0))
    nought = torch.zeros(1001, dtype=torch.int64)
    box = torch.tensor([[[-1.0, -1.0, 1.0, 1.0]]]).expand(1001, -1, -1)
    scenes = Scenes(image.to(torch.uint8), nought, box, nought)
    world = World(Whole(), Classify(3), 1)
    torch.manual_seed(0)
    agent = SoftAgent((1, 8, 8), 3, block=BLOCKS["se"].make, width=8)
    own = evaluate(agent, world, scenes).log_probability
    found = controlled(agent, world, scenes, greedy)
    assert found.keys() == CONTROLS.keys()
    for name, columns in found.items():
        assert (columns.log_probability - own).abs().flatten(1).amax(1).min() > 0, name


def test_a_scene_alone_is_left_out_with_the_reason() -> None:
    agent, world, scenes, draw = untrained("soft", block="cbam")
    columns, left_out = swapped_columns(agent, world, scenes.slice(0, 1), draw)
    assert set(columns) == {"own"}
    assert left_out["foreign"] == left_out["mean"] == "a scene alone has no map but its own"


def test_stopping_stays_the_agents() -> None:
    agent, world, scenes, draw = untrained("dt-ram-digits")
    with torch.no_grad():
        agent.decider[2].bias.fill_(10.0)
    columns, _ = swapped_columns(agent, world, scenes, draw)
    assert all((one.looks == 1).all() for one in columns.values())


def test_playing_stays_the_agents() -> None:
    sensor = Spec("retina", size=4, scales=2)
    problem = ProblemOptions(scene=Spec("catch", canvas=12), sensor=sensor, looks=12)
    split = load("digits").test
    world, make, _ = built(problem, load("digits").classes, split.images.shape[1:])
    scenes = fixed_scenes(make, Split(split.images[:30], split.labels[:30]), 1)
    torch.manual_seed(0)
    agent: Any = Player((2, 4, 4), 2, hidden=12, what=9, where=7)
    own = own_looks(agent, world, scenes)
    assert own.place.shape == (12, 30, 2)
    path = followed(agent, world, scenes, own.place, greedy)
    assert torch.equal(path.log_probability, own.columns.log_probability)
    # The ball is where the oracle looks: in each row's box, one after the other.
    ball = swapped("oracle", own, world, scenes)
    middle = (scenes.box[..., :2] + scenes.box[..., 2:]) / 2
    assert torch.allclose(ball[1:], middle.transpose(0, 1)[1:])


def test_scripts_of_points() -> None:
    observer, world, scenes, _ = untrained("ram-digits")
    agent = Scripted(observer, "path:0.5,-0.25,0,0,1,1,-1,-1,0.125,0.5", world.looks)
    place = evaluate(agent, world, scenes).location
    wanted = torch.tensor([[0.5, -0.25], [0, 0], [1, 1], [-1, -1], [0.125, 0.5]])
    assert torch.equal(place[:, 1:], wanted.expand(len(scenes), -1, -1))
    for wrong in ("path:", "path:0,0", "path:a,b,0,0,0,0,0,0,0,0", "path:2,0,0,0,0,0,0,0,0,0"):
        with pytest.raises(ValueError, match="5 points"):
            Scripted(observer, wrong, world.looks)
    with pytest.raises(ValueError, match="no script"):
        Scripted(observer, "spiral", world.looks)


def test_several_patches_are_dealt_to_as_many_cells() -> None:
    agent, world, scenes, draw = untrained("attention-sampling-digits")
    own = own_looks(agent, world, scenes, draw)
    for name in ("random", "centre"):
        place = swapped(name, own, world, scenes)
        shown = world.sensor.density(place[1])
        assert (shown.amax((1, 2)) == 1).all() and (shown.sum((1, 2)) == 4).all()
