"""Actions: every kind read as it says, and whatever else comes is clipped or refused by name."""

from collections import Counter
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import HealthCheck, given, settings, strategies as st

from hardattn.envs import GlimpseEnv, GlimpseVectorEnv
from hardattn.sensors import Cells, Zoom
from tests.support.envs import IDS, OFFLINE, absent, problem, same

B = 3
CASES = 10_000


def env(one: Any = None, **options: Any) -> GlimpseVectorEnv:
    made = GlimpseVectorEnv(one or problem(), B, autoreset_mode="Disabled", **options)
    made.reset(seed=0)
    return made


def place(made: GlimpseVectorEnv) -> np.ndarray[Any, Any]:
    return made.stepping.place.numpy()


def test_a_place_is_looked_at() -> None:
    made = env(problem(Zoom(4)))
    where = np.array([[0.1, -0.2, 0.3], [1, -1, 0], [0.5, 0.5, 1]], np.float32)
    seen, *_ = made.step({"location": where, "answer": np.zeros(B, int)})
    assert np.array_equal(seen["location"], where)


def test_a_cell_is_its_centre() -> None:
    made = env(action="cell", cells=(2, 4))
    assert made.single_action_space["location"] == spaces.Discrete(8)
    seen, *_ = made.step({"location": np.array([0, 5, 7]), "answer": np.zeros(B, int)})
    assert np.allclose(seen["location"], [[-0.75, -0.5], [-0.25, 0.5], [0.75, 0.5]])
    beyond, *_ = made.step({"location": np.array([-9, 8, 2**40]), "answer": np.zeros(B, int)})
    assert np.allclose(beyond["location"], [[-0.75, -0.5], [0.75, 0.5], [0.75, 0.5]])
    cells = env(problem(Cells(3, 3)), action="cell")
    seen, *_ = cells.step({"location": np.array([0, 4, 8]), "answer": np.zeros(B, int)})
    assert np.array_equal(seen["location"], np.eye(9, dtype=np.float32)[[0, 4, 8]])


def test_a_cell_of_catch_also_says_how_the_paddle_moves() -> None:
    made = GlimpseVectorEnv("Catch", 3, action="cell", cells=(1, 2))
    assert made.single_action_space["location"] == spaces.Discrete(6)
    made.reset(seed=0)
    paddle = made.stepping.view.paddle.clone()
    made.step({"location": np.array([0, 4, 5])})
    moved = torch.stack([paddle - 1, paddle, paddle + 1]).diagonal()
    assert torch.equal(made.stepping.view.paddle, moved.clamp(0, 22))
    assert np.allclose(made.stepping.place[:, 0], [-0.5, 0.5, 0.5])


def test_a_move_is_a_share_of_the_reach() -> None:
    made = env(problem(reach=0.25))
    assert made.actions.mode == "move"
    before = place(made).copy()
    move = np.array([[1, -0.5], [7, 0], [0, np.nan]], np.float32)
    seen, *_ = made.step({"location": move, "answer": np.zeros(B, int)})
    step = 0.25 * np.array([np.array([1, -0.5]) / np.hypot(1, 0.5), [1, 0], [0, 0]])
    assert np.allclose(seen["location"], np.clip(before + step, -1, 1), atol=1e-6)
    with pytest.raises(ValueError, match="reach"):
        env(action="move")


@pytest.mark.parametrize("single", [False, True])
def test_flat_actions_say_the_same_as_dicts(single: bool) -> None:
    """Each part of a flat action, against the dict that it stands for."""
    random = np.random.default_rng(0)
    rows = 1 if single else B

    def run(given: Any, **options: Any) -> Any:
        if single:
            one = GlimpseEnv(problem(looks=2, **reach), **options)
            one.reset(seed=0)
            return one.step(
                {name: value[0] for name, value in given.items()}
                if isinstance(given, dict)
                else given[0]
            )
        return env(problem(looks=2, **reach), **options).step(given)

    for mode, answer, stop in (
        ("place", "class", True),
        ("place", "logits", False),
        ("move", "logits", True),
        ("move", "none", False),
        ("cell", "class", True),
        ("cell", "none", True),
        ("cell", "class", False),
    ):
        reach = {"reach": 0.5} if mode == "move" else {}
        options = {"action": mode, "answer": answer, "stop": stop}
        dicts: dict[str, Any] = {}
        parts = []
        if mode == "cell":
            dicts["location"] = random.integers(49, size=rows)
            parts.append(dicts["location"][:, None])
        else:
            dicts["location"] = random.uniform(-1, 1, (rows, 2)).astype(np.float32)
            parts.append(dicts["location"])
        if answer == "class" and mode == "cell":
            dicts["answer"] = random.integers(10, size=rows)
            parts.append(dicts["answer"][:, None])
        elif answer != "none":
            scores = random.uniform(-1, 1, (rows, 10)).astype(np.float32)
            dicts["answer"] = scores.argmax(1) if answer == "class" else 16 * scores
            parts.append(scores)
        if stop:
            dicts["stop"] = np.arange(rows) % 2
            parts.append((2 * dicts["stop"] - 1 if mode != "cell" else dicts["stop"])[:, None])
        flat = np.concatenate(parts, 1)
        space = GlimpseEnv(problem(**reach), flat_actions=True, **options).action_space
        assert space.shape == flat.shape[1:]
        assert isinstance(space, spaces.MultiDiscrete if mode == "cell" else spaces.Box)
        flat = flat.astype(space.dtype)
        assert flat[0] in space
        for one, other in zip(
            run(dicts, **options), run(flat, flat_actions=True, **options), strict=True
        ):
            same(one, other)
    with pytest.raises(ValueError, match="no flat space"):
        env(action="cell", answer="logits", flat_actions=True)


def test_a_stop_ends_it_there() -> None:
    made = env(stop=True, answer="logits", tensors=True)
    action = made.action_space.sample()
    action["stop"] = np.array([1, 0, 1])
    _, reward, terminated, *_, info = made.step(action)
    assert terminated.tolist() == [True, False, True]
    assert (reward != 0).tolist() == [True, False, True]
    assert info["looks"].tolist()[::2] == [1, 1]


WRONG = [
    (None, "a dict"),
    ([0.0, 0.0], "a dict"),
    ({"location": np.zeros((B, 2))}, "location, answer"),
    ({"location": np.zeros((B, 2)), "answers": np.zeros(B, int)}, "no 'answer'"),
    ({"location": np.zeros((B, 3)), "answer": np.zeros(B, int)}, "'location' must have the shape"),
    ({"location": np.zeros(2), "answer": np.zeros(B, int)}, "'location' must have the shape"),
    ({"location": np.zeros((B, 2)), "answer": np.zeros((B, 1), int)}, "'answer' must have"),
    ({"location": np.zeros((B, 2)), "answer": np.zeros(B)}, "'answer' must be integers"),
    ({"location": np.zeros((B, 2)), "answer": torch.zeros(B)}, "'answer' must be integers"),
    ({"location": np.zeros((B, 2)), "answer": np.zeros(B, bool)}, "'answer' must be integers"),
    ({"location": np.zeros((B, 2), complex), "answer": np.zeros(B, int)}, "'location' must be num"),
    ({"location": np.full((B, 2), "x"), "answer": np.zeros(B, int)}, "'location' must be numbers"),
    ({"location": torch.zeros(B, 2).bool(), "answer": np.zeros(B, int)}, "'location' must be num"),
    ({"location": [[0.0, 0.0], [0.0]], "answer": np.zeros(B, int)}, "'location' is no array"),
    ({"location": None, "answer": np.zeros(B, int)}, "'location' must be numbers"),
    ({"location": np.zeros((B, 2)), "answer": None}, "'answer' must be integers"),
]


@pytest.mark.parametrize("action, message", WRONG)
def test_what_is_no_action_is_refused_by_name(action: Any, message: str) -> None:
    made = env()
    before = made.stepping.look, place(made).copy()
    with pytest.raises(ValueError, match=message):
        made.step(action)
    assert made.stepping.look == before[0] and np.array_equal(place(made), before[1])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "g", "i1", "u8", ">i4"])
def test_numbers_of_any_kind_will_do(dtype: str) -> None:
    made = env()
    wide = np.ones((2 * B, 4)).astype(dtype)[::-2, ::2]
    wide.flags.writeable = False
    seen, *_ = made.step({"location": wide, "answer": [0, 1, 2]})
    assert (seen["location"] == 1).all()


@pytest.mark.parametrize("huge", [1e300, np.inf, -np.inf, np.nan, 1e30, 2.0**70])
def test_what_is_beyond_is_clipped_and_what_is_no_number_is_nought(huge: float) -> None:
    made = env(answer="logits")
    answer = np.zeros((B, 10))
    answer[:, 3] = huge
    seen, reward, *_ = made.step({"location": np.full((B, 2), huge), "answer": answer})
    wanted = 0 if np.isnan(huge) else np.sign(huge)
    assert (seen["location"] == wanted).all() and np.isfinite(reward).all()
    made = env(problem(looks=1), answer="logits")
    _, reward, *_ = made.step({"location": np.zeros((B, 2)), "answer": answer})
    assert np.isfinite(reward).all()


def test_a_class_beyond_is_the_nearest_one() -> None:
    made = env(problem(looks=1))
    for answer, nearest in ((2**62, 9), (10, 9), (-1, 0)):
        made.reset(seed=0, options={"index": [1, 2, 3]})
        label = made.scenes.target.numpy()
        _, reward, *_ = made.step({"location": np.zeros((B, 2)), "answer": np.full(B, answer)})
        assert np.array_equal(reward, label == nearest)
    made.reset(seed=0)
    made.step({"location": np.zeros((B, 2)), "answer": np.full(B, 2**64 - 1, np.uint64)})


def test_tensors_that_are_learned_from_are_let_go() -> None:
    made = env(answer="logits", tensors=True)
    given = torch.zeros(B, 2, requires_grad=True)
    logits = torch.zeros(B, 10, requires_grad=True)
    for _ in range(4):
        seen, reward, *_ = made.step({"location": given * 1, "answer": logits * 1})
    assert not reward.requires_grad and not seen["location"].requires_grad


def test_an_action_is_not_written_to() -> None:
    made = env(answer="logits")
    action = made.action_space.sample()
    action["location"][:] = 7
    kept = {name: value.copy() for name, value in action.items()}
    seen, *_ = made.step(action)
    seen["location"][:] = 5
    same(action, kept)


NUMBER = st.floats(width=64) | st.integers(-(2**70), 2**70) | st.sampled_from([0.5, -1, 1, 0])
DTYPES = st.sampled_from("f2 f4 f8 g i1 i4 i8 u8 b1 c8 U2 O >f4 >i8".split())


@st.composite
def arrays(draw: Any, count: int) -> Any:
    """Nearly what is wanted, or far from it: arrays, tensors, lists, and things."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(
            st.none() | st.text(max_size=2) | st.lists(NUMBER, max_size=3) | st.just({}) | NUMBER
        )
    shape = draw(
        st.sampled_from([(), (1,), (2,), (count,), (count, 2), (count, 3), (count, 10), (2, count)])
    )
    size = int(np.prod(shape))
    numbers = [draw(NUMBER) for _ in range(min(size, 3))] or [0.0]
    many = np.resize(np.array(numbers, object), shape)
    dtype = draw(DTYPES)
    try:
        with np.errstate(all="ignore"):
            array = many.astype(dtype)
    except (OverflowError, ValueError, TypeError):
        array = np.zeros(shape, dtype)
    if kind == 1 and array.dtype.str[1:] in ("f2", "f4", "f8", "i1", "i4", "i8", "c8", "b1"):
        return torch.from_numpy(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))))
    return array


def fuzz(ids: list[str], data: st.DataObject) -> str:
    """An action of sense and nonsense: a ValueError that names a field, or sound results."""
    id = data.draw(st.sampled_from(ids))
    single = data.draw(st.booleans())
    options = data.draw(st.sampled_from(OPTIONS))
    made = made_once(id, single, **options)
    space, count = made.action_space, 2
    action: Any = space.sample()
    if isinstance(action, dict):
        for name in sorted(action):
            if data.draw(st.booleans()):
                action[name] = data.draw(arrays(count))
        if data.draw(st.integers(0, 9)) == 0:
            action[data.draw(st.sampled_from(["location", "stop", "more"]))] = 0.0
    elif data.draw(st.booleans()):
        action = data.draw(arrays(count))
    try:
        seen, reward, *_ = made.step(action)
    except ValueError as fault:
        fields = ["'location'", "'answer'", "'stop'", "'action'", "an action is a dict", "has no"]
        assert any(field in str(fault) for field in fields), fault
        return "refused"
    assert seen in made.observation_space
    assert np.isfinite(reward).all()
    if single and made.vector.stepping.over:
        made.reset()
    return "defined"


OPTIONS: list[dict[str, Any]] = [
    {},
    {"answer": "logits"},
    {"stop": True, "flat_actions": True},
    {"stop": True, "answer": "logits", "flat_observations": True},
]
MADE: dict[Any, Any] = {}


def made_once(id: str, single: bool, **options: Any) -> Any:
    key = id, single, *sorted(options)
    if key not in MADE:
        make = gymnasium.make if single else gymnasium.make_vec
        more = {} if single else {"num_envs": 2}
        if id == "hardattn/Catch-v0":
            options = {name: value for name, value in options.items() if name != "answer"}
        MADE[key] = make(id, split="test", **options, **more)
        MADE[key] = MADE[key].unwrapped
        MADE[key].reset(seed=0)
    return MADE[key]


def cases(ids: list[str], count: int) -> None:
    found: Counter[str] = Counter()

    @settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        found[fuzz(ids, data)] += 1

    run()
    assert set(found) == {"refused", "defined"} and min(found.values()) > count / 10


def test_nonsense_is_refused_or_defined() -> None:
    cases([f"hardattn/{name}-v0" for name in OFFLINE], 400)


@pytest.mark.slow
def test_nonsense_is_refused_or_defined_everywhere() -> None:
    cases([id for id in IDS if not absent(id.split("/")[1].removesuffix("-v0"))], CASES)
