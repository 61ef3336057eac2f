"""Few environments in arrays are to the bit what they are in tensors, whatever is asked of them."""

import copy
import inspect
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from hardattn.data import Split
from hardattn.envs import GlimpseEnv, GlimpseVectorEnv, Problem, small
from hardattn.scenes import plain
from hardattn.sensors import SENSORS, Retina
from hardattn.tasks import Classify, Cluster
from hardattn.world import World
from tests.support.envs import OFFLINE, PROBLEMS, absent, lasting, problem, same

MODES = list(AutoresetMode)
# What the arrays do not know: worlds that change, are asked at each look or several questions at
# once, or limit a move.
LEFT = {"DigitsSequence", "DigitsCaptions", "CircleSquare", "Catch"}
LEFT |= {"DigitsMasks", "DigitsPasted", "DigitsKeypoints"}


def two(monkeypatch: pytest.MonkeyPatch, face: Any, *given: Any, **options: Any) -> tuple[Any, Any]:
    """An environment as it is made, and one that has nothing but tensors."""
    one = face(*given, **options)
    with monkeypatch.context() as patch:
        patch.setattr(small, "MOST", 0)
        other = face(*given, **options)
    vectors = [getattr(each, "vector", each) for each in (one, other)]
    assert vectors[1].small is None
    return one, other


def served(env: Any) -> bool:
    return getattr(env, "vector", env).small is not None


def usual(env: Any) -> bool:
    """Whether arrays have the state."""
    return served(env) and bool(getattr(env, "vector", env).small.usual)


def both(one: Any, other: Any, action: Any) -> Any:
    """A step of each, the same to the bit; what the first one did."""
    mine, theirs = one.step(copy.deepcopy(action)), other.step(copy.deepcopy(action))
    assert list(mine[-1]) == list(theirs[-1])
    for left, right in zip(mine, theirs, strict=True):
        assert type(left) is type(right)
        same(left, right)
    return mine


def begin(one: Any, other: Any, **asked: Any) -> None:
    for left, right in zip(one.reset(**asked), other.reset(**asked), strict=True):
        same(left, right)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("name", OFFLINE)
def test_a_single_one_of_all_the_catalogue(
    name: str, flat: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"flat_actions": flat, "flat_observations": flat, "split": "test"}
    one, other = two(monkeypatch, GlimpseEnv, name, **options, **lasting(name, 4))
    assert served(one) == (name not in LEFT)
    one.action_space.seed(1)
    for seed in (3, None, None, None, 3, None):
        begin(one, other, seed=seed)
        over = False
        while not over:
            assert usual(one) == served(one)
            _, _, over, _, _ = both(one, other, one.action_space.sample())
    assert torch.equal(one.scenes.image, other.scenes.image)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", OFFLINE)
def test_a_vector_of_all_the_catalogue(
    name: str, mode: AutoresetMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"split": "test", "autoreset_mode": mode, **lasting(name, 4)}
    one, other = two(monkeypatch, GlimpseVectorEnv, name, 5, **options)
    assert served(one) == (name not in LEFT)
    begin(one, other, seed=7)
    one.action_space.seed(1)
    for _ in range(18):
        over = both(one, other, one.action_space.sample())[2]
        if mode is AutoresetMode.DISABLED and over.all():
            begin(one, other)
    begin(one, other, seed=[7, 1, 0, 4, 1])
    both(one, other, one.action_space.sample())


@pytest.mark.parametrize("id", ["MnistPlain", "MnistCluttered", "FashionMnistPair"])
def test_the_datasets_that_are_at_hand(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := absent(id):
        pytest.skip(reason)
    one, other = two(monkeypatch, GlimpseVectorEnv, id, 2, split="test")
    assert served(one)
    begin(one, other, seed=0)
    one.action_space.seed(0)
    for _ in range(2 * one.world.looks):
        both(one, other, one.action_space.sample())


@pytest.mark.parametrize("face", ["single", "vector"])
@pytest.mark.parametrize("sensor", SENSORS)
def test_every_sensor(sensor: str, face: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of points through arrays, and no other."""
    sizes = {"rows": 2, "columns": 2, "size": 5, "cover": 0.4}
    names = inspect.signature(SENSORS[sensor]).parameters
    eye = SENSORS[sensor](**{name: size for name, size in sizes.items() if name in names})
    given = (problem(eye), 3) if face == "vector" else (problem(eye),)
    one, other = two(monkeypatch, GlimpseVectorEnv if face == "vector" else GlimpseEnv, *given)
    assert served(one) == (sensor not in ("cells", "patches", "pairs", "several"))
    begin(one, other, seed=2)
    one.action_space.seed(0)
    for _ in range(4):
        both(one, other, one.action_space.sample())


@pytest.mark.parametrize("name", PROBLEMS)
def test_worlds_of_every_kind(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = two(monkeypatch, GlimpseVectorEnv, PROBLEMS[name], 4)
    assert served(one) == (name in ("retina", "zoom", "coarse", "one look"))
    begin(one, other, seed=2)
    one.action_space.seed(0)
    for _ in range(2 * one.world.looks + 1):
        both(one, other, one.action_space.sample())


@pytest.mark.parametrize(
    "options",
    [
        {"stop": True},
        {"answer": "logits"},
        {"action": "cell"},
        {"move_cost": 0.1},
        {"reveal": True},
        {"answer": "logits", "shaping": 0.5},
        {"tensors": True},
        {"render_mode": "rgb_array"},
        {"answer": "none"},
    ],
    ids=str,
)
def test_what_else_can_be_asked_is_left_to_tensors(options: dict[str, Any]) -> None:
    assert not served(GlimpseVectorEnv(problem(), 2, **options))
    assert served(GlimpseVectorEnv(problem(), small.MOST))
    assert not served(GlimpseVectorEnv(problem(), small.MOST + 1))
    assert not served(GlimpseVectorEnv(problem(task=Cluster(10)), 2))
    assert not served(GlimpseVectorEnv(problem(task=Classify(10, each=True)), 2))


class Labelled(Retina):
    """A retina with a rule of its own."""

    def bound(self, location: torch.Tensor) -> torch.Tensor:
        return super().bound(location) / 2


def test_a_rule_of_its_own_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not served(GlimpseEnv(problem(Labelled(5))))

    class Brighter(Retina):
        def look(self, view: Any, place: torch.Tensor) -> torch.Tensor:
            return super().look(view, place) / 2

    one, other = two(monkeypatch, GlimpseEnv, problem(Brighter(5)))
    begin(one, other, seed=0)
    both(one, other, one.action_space.sample())


def borders(sides: tuple[int, int], size: int) -> np.ndarray[Any, Any]:
    """(N, 2) places about which a retina goes on to the next pixel, and their neighbours."""
    many = []
    for side in sides:
        pixel = np.arange(-size - 1, side + size + 1) - (0.5 + 2.0**-10) - size / 2 + size % 2 / 2
        place = np.float32(2 * (pixel + size / 2) / side - 1)
        near = [place]
        for towards in (-9.0, 9.0):
            step = place
            for _ in range(6):
                step = np.nextafter(step, np.float32(towards))
                near.append(step)
        many.append(np.concatenate(near).clip(-1, 1))
    count = max(map(len, many))
    x, y = (np.resize(each, count) for each in (many[1], many[0]))
    return np.stack([x, y], 1).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "sides, size", [((28, 28), 8), ((28, 28), 5), ((9, 31), 4), ((100, 37), 12), ((3, 5), 7)]
)
def test_slices_are_what_the_retina_sees_at_every_border(
    sides: tuple[int, int], size: int, channels: int
) -> None:
    """Where a number rounded otherwise would fall on the other side, and at random places."""
    torch.manual_seed(0)
    images = torch.randint(256, (3, channels, *sides)).to(torch.uint8)
    one = Problem(
        World(Retina(size), Classify(2, bonus=1.0), 5),
        plain,
        Split(images, torch.tensor([0, 1, 1])),
        ("a", "b"),
    )
    places = np.concatenate(
        [borders(sides, size), np.random.default_rng(0).uniform(-1, 1, (400, 2))]
    )
    for count in (1, 3):
        env = GlimpseVectorEnv(one, count, autoreset_mode="Disabled")
        env.reset(seed=1)
        assert env.small is not None and isinstance(env.small.eye, small.Slices)
        shown, view = env.small.shown_to_eye, one.world.open(env.scenes)
        for start in range(0, len(places) - count, count):
            place = places[start : start + count].astype(np.float32)
            seen = env.small.eye.look(shown, place)
            wanted = one.world.sensor.look(view, torch.from_numpy(place)).numpy()
            assert seen.dtype == wanted.dtype and np.array_equal(seen, wanted), place


def test_sums_that_torch_rounds_twice_are_rounded_twice() -> None:
    eye = small.Slices(Retina(8), (25, 25), 400)
    place = np.random.default_rng(0).uniform(-1, 1, (400, 2)).astype(np.float32)
    half, shift = np.float32(eye.half[:2]), np.float32(eye.shift[:2])
    once = torch.addcmul(*map(torch.tensor, (shift, place, half))).numpy()
    twice = place * half + shift
    assert small.fused() == (once != twice).any()
    for fused, wanted in ((True, (place.astype(float) * half + shift)), (False, twice)):
        eye.fused = fused
        assert eye.sums(place) == tuple(wanted.astype(np.float32).ravel().tolist())


NONSENSE: list[Any] = [
    {"location": np.full(2, np.nan, np.float32), "answer": 1},
    {"location": np.array([np.inf, -np.inf], np.float32), "answer": np.int64(3)},
    {"location": np.array([3.4e38, 0], np.float32), "answer": np.int64(3)},
    {"location": np.array([7.0, -0.3]), "answer": 99},
    {"location": [0.25, -0.75], "answer": np.int32(2)},
    {"location": np.array([1, 0]), "answer": -4},
    {"location": np.array([1 / 3, 1e300]), "answer": 2**40},
    {"location": torch.tensor([0.2, 0.9]), "answer": torch.tensor(2)},
    {"answer": np.array(5), "location": np.array([0.3, 0.1], np.float16)},
]
WRONG: list[Any] = [
    {"location": np.zeros(3, np.float32), "answer": 1},
    {"location": np.zeros((1, 2), np.float32), "answer": 1},
    {"location": np.zeros(2, np.float32), "answer": True},
    {"location": np.zeros(2, np.float32), "answer": 1.0},
    {"location": np.zeros(2, np.float32)},
    {"location": np.zeros(2, np.float32), "answer": 1, "stop": 0},
    {"location": np.zeros(2, np.complex64), "answer": 1},
    np.zeros(12, np.float32),
    None,
]


@pytest.mark.parametrize("number", range(len(NONSENSE)))
@pytest.mark.parametrize("look", [0, 1, 2])
def test_odd_actions_mean_what_they_mean(
    number: int, look: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first, at a later and at the last look; after which it goes on as before."""
    one, other = two(monkeypatch, GlimpseEnv, problem(Retina(5), looks=3))
    begin(one, other, seed=4)
    one.action_space.seed(2)
    for now in range(3):
        both(one, other, NONSENSE[number] if now == look else one.action_space.sample())
    begin(one, other)
    assert usual(one)
    for _ in range(3):
        both(one, other, one.action_space.sample())


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_what_is_no_action_is_refused_alike(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = two(monkeypatch, GlimpseEnv, problem(Retina(5), looks=2))
    begin(one, other, seed=4)
    with pytest.raises(ValueError) as mine:
        one.step(WRONG[number])
    with pytest.raises(ValueError) as theirs:
        other.step(WRONG[number])
    assert str(mine.value) == str(theirs.value)
    for _ in range(2):
        both(one, other, one.action_space.sample())


@pytest.mark.parametrize("flat", [False, True])
def test_odd_actions_of_several(flat: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = two(monkeypatch, GlimpseVectorEnv, problem(Retina(5)), 3, flat_actions=flat)
    begin(one, other, seed=4)
    one.action_space.seed(2)
    draw = np.random.default_rng(0)
    for number in range(24):
        action = one.action_space.sample()
        where = action[:, :2] if flat else action["location"]
        if flat and number % 4 == 1:
            action[:, 2:] = action[:, 2:].round()  # of two that are alike the first is meant
        if number % 3 == 0:
            where[draw.integers(3), draw.integers(2)] = draw.choice([np.nan, np.inf, -5, 1e38])
        if number % 5 == 0 and not flat:
            action = action | {"answer": np.array([-1, 99, 2])}
        if number % 7 == 0 and not flat:
            action = action | {"location": where.astype(float)}
        both(one, other, action)


@pytest.mark.parametrize("looks", [0, 1, 3, 4])
def test_resets_of_every_kind_at_every_look(looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"autoreset_mode": "Disabled"}
    one, other = two(monkeypatch, GlimpseVectorEnv, problem(Retina(5)), 3, **options)
    one.action_space.seed(2)
    some = np.array([True, False, True])
    every = [
        {"seed": 4},
        {"options": {"index": 5}},
        {"options": {}},
        {"seed": [1, 2, 3]},
        {"options": {"one_pass": True}},
        {"options": {"one_pass": False}},
        {"options": {"reset_mask": some}},
        {"seed": 9, "options": {"index": [3, 2, 1]}},
        {},
    ]
    for asked in every:
        begin(one, other, **copy.deepcopy(asked))
        for _ in range(looks):
            both(one, other, one.action_space.sample())
    begin(one, other, seed=4)
    assert usual(one)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@pytest.mark.parametrize("looks", [0, 2, 4])
def test_a_copy_goes_on_alike(looks: int, again: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = two(monkeypatch, GlimpseEnv, problem(Retina(5)))
    one.action_space.seed(2)
    begin(one, other, seed=3)
    for _ in range(looks):
        both(one, other, one.action_space.sample())
    one = again(one)
    for _ in range(4 - looks):
        both(one, other, one.action_space.sample())
    begin(one, other)
    assert usual(one)
    for _ in range(4):
        both(one, other, one.action_space.sample())


def test_nothing_that_was_handed_out_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by a later step, nor does what is written to it reach the environment."""
    for face, given in ((GlimpseEnv, ()), (GlimpseVectorEnv, (2,))):
        one, other = two(monkeypatch, face, problem(Retina(5)), *given)
        one.action_space.seed(2)
        begin(one, other, seed=3)
        for _ in range(9):
            action = one.action_space.sample()
            mine, _ = one.step(action), other.step(copy.deepcopy(action))
            for value in mine[0].values():
                value.fill(7)
            action["location"].fill(0)
            if mine[2] is True:
                one.reset()
                other.reset()
        tensors = getattr(one, "vector", one).stepping
        wanted = getattr(other, "vector", other).stepping
        assert torch.equal(tensors.seen.glimpse, wanted.seen.glimpse)
        assert torch.equal(tensors.place, wanted.place)
        assert torch.equal(tensors.episodes.box, wanted.episodes.box)
