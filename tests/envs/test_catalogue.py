"""Every registered environment, as Gymnasium's users meet it."""

import copy
import pickle
import re

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import hardattn.envs
from hardattn.envs import CATALOGUE, GlimpseEnv, GlimpseVectorEnv, Problem, document, problem_of
from tests.support.envs import IDS, OFFLINE, needs, same

HEADINGS = [
    "Description",
    "Action Space",
    "Observation Space",
    "Rewards",
    "Starting State",
    "Episode End",
    "Arguments",
    "Version History",
]


def test_the_catalogue_is_every_scene_of_every_dataset_and_two_worlds_of_the_field() -> None:
    scenes = "Plain Translated Cluttered Pair Sequence Captions Matching".split()
    scenes += "Search Localise Majority".split()
    wanted = {data + scene for data in ("Digits", "Mnist", "FashionMnist") for scene in scenes}
    assert set(CATALOGUE) == wanted | {"CircleSquare", "Catch"}
    assert set(IDS) <= set(gymnasium.registry)


@pytest.mark.parametrize("id", IDS)
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg")
def test_gymnasium_checks_every_environment(id: str) -> None:
    needs(id)
    check_env(gymnasium.make(id).unwrapped)


@pytest.mark.parametrize("id", IDS)
def test_every_vector_keeps_to_its_spaces_and_ends_in_time(id: str) -> None:
    needs(id)
    env = gymnasium.make_vec(id, num_envs=3)
    assert isinstance(env, GlimpseVectorEnv)
    looks = env.world.looks
    env.action_space.seed(0)
    seen, info = env.reset(seed=0)
    for step in range(2 * looks):
        assert seen in env.observation_space
        last = step % looks == looks - 1
        seen, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert terminated.tolist() == [last] * 3 and not truncated.any()
        assert reward.dtype == np.float64 and np.isfinite(reward).all()
        assert ("final_obs" in info) == last
        if last:
            box = info["final_info"]["box"]
            assert (box >= -1).all() and (box <= 1).all()
            assert (info["final_info"]["looks"] == looks).all()


@pytest.mark.parametrize("id", IDS)
def test_the_same_seed_is_the_same_to_the_bit(id: str) -> None:
    needs(id)

    def run(vectors: bool, seed: int) -> list[object]:
        env = gymnasium.make_vec(id, num_envs=2) if vectors else gymnasium.make(id)
        env.action_space.seed(0)
        told = [env.reset(seed=seed)]
        return [*told, *(env.step(env.action_space.sample()) for _ in range(4))]

    for vectors in (False, True):
        one, again, other = (run(vectors, seed) for seed in (5, 5, 6))
        assert all(map(equal, one, again)) and not all(map(equal, one, other))


def equal(one: object, other: object) -> bool:
    try:
        for left, right in zip(one, other, strict=True):  # type: ignore[call-overload]
            same(left, right)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("id", IDS)
def test_environments_and_their_specs_survive_pickle(id: str) -> None:
    needs(id)
    env = gymnasium.make(id)
    spec = pickle.loads(pickle.dumps(env.spec))
    assert gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()) == env.spec == spec
    env.reset(seed=1)
    again = spec.make()
    again.reset(seed=1)
    state = pickle.dumps(env.unwrapped)
    assert len(state) < 1_000_000  # without the images of the dataset
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(3)]
    copies = [again, pickle.loads(state), copy.deepcopy(env.unwrapped)]
    for action in actions:
        wanted = env.step(action)
        for each in copies:
            assert equal(wanted, each.step(action))


@pytest.mark.parametrize("name", CATALOGUE)
def test_documents_say_what_the_environment_has(name: str) -> None:
    text = document(name)
    assert re.findall(r"^## (.+)$", text, re.M) == HEADINGS
    assert "{" not in text and max(map(len, text.splitlines())) <= 100
    needs(name)
    env = GlimpseEnv(name, split="test")
    assert env.__doc__ == text
    assert isinstance(env.action_space, spaces.Dict)
    parts = re.findall(r"^- `(\w+)`: ", text, re.M)
    assert sorted(parts) == sorted([*env.action_space, *env.observation_space])
    discrete = re.search(r"`answer`: Discrete\((\d+)\)", text)
    if discrete:
        assert env.action_space["answer"] == spaces.Discrete(int(discrete[1]))
    else:
        assert set(env.action_space) == {"location"}
    assert f"after {env.vector.world.looks} steps" in text
    shape = env.action_space["location"].shape
    assert f"- `location`: Box(-1, 1, {shape})" in text
    for setting, value in CATALOGUE[name].settings.items():
        assert f"- `{setting}` = {value!r}" in text


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_setting_in_the_catalogue_is_one(name: str) -> None:
    """And can be set: what is said of it is what the world then has."""
    needs(name)
    one = problem_of(name, "validation", looks=CATALOGUE[name].settings["looks"])
    assert isinstance(one, Problem)
    assert len(one.answers) in (0, one.world.task.classes)
    with pytest.raises(TypeError, match=f"{name} got an unexpected keyword argument 'canvass'"):
        problem_of(name, canvass=3)


def test_names_and_splits_that_are_none() -> None:
    with pytest.raises(ValueError, match="perhaps DigitsPlain"):
        problem_of("DigitPlain")
    with pytest.raises(ValueError, match="train, validation or test"):
        problem_of("DigitsPlain", "exam")
    with pytest.raises(ValueError, match="train, validation or test"):
        problem_of("CircleSquare", "exam")
    with pytest.raises(ValueError, match="no sensor 'eye': there are retina"):
        problem_of("DigitsPlain", sensor="eye")


def test_settings_reach_the_world() -> None:
    env = gymnasium.make("hardattn/DigitsCluttered-v0", looks=3, size=4, canvas=30, zoom=1)
    assert env.observation_space["glimpse"].shape == (3, 4, 4)
    env.reset(seed=0)
    assert env.unwrapped.scenes.image.shape == (1, 1, 30, 30)
    assert [env.step(env.action_space.sample())[2] for _ in range(3)] == [False, False, True]
    zoomed = problem_of("DigitsTranslated", sensor="zoom", size=7)
    assert zoomed.world.sensor.places == 3


@pytest.mark.parametrize("mode", ["sync", "vector_entry_point", None])
def test_make_vec_in_every_way(mode: str | None) -> None:
    env = gymnasium.make_vec("hardattn/DigitsPlain-v0", num_envs=2, vectorization_mode=mode)
    ours = mode != "sync"
    assert isinstance(env, GlimpseVectorEnv) == ours
    same_step = AutoresetMode.SAME_STEP if ours else AutoresetMode.NEXT_STEP
    assert env.metadata["autoreset_mode"] is same_step
    seen, _ = env.reset(seed=0)
    assert seen in env.observation_space and isinstance(seen["glimpse"], np.ndarray)
    given = gymnasium.make_vec(
        "hardattn/DigitsPlain-v0", num_envs=2, autoreset_mode="Disabled", tensors=True
    )
    assert given.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert given.autoreset_mode is AutoresetMode.DISABLED
    assert env.autoreset_mode is same_step
    assert GlimpseVectorEnv.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_vector_wrappers_of_gymnasium_work(mode: str) -> None:
    env: gymnasium.vector.VectorEnv = gymnasium.make_vec(
        "hardattn/DigitsPlain-v0", num_envs=3, flat_observations=True, autoreset_mode=mode
    )
    assert env.unwrapped.autoreset_mode.value == mode
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(env)
    if mode == "NextStep":  # what changes observations takes no other
        env = gymnasium.wrappers.vector.TransformObservation(env, lambda seen: 255 * seen)
    env.reset(seed=0)
    env.action_space.seed(0)
    finished = 0
    for _ in range(20):
        seen, *_, info = env.step(env.action_space.sample())
        if "episode" not in info:
            continue
        ended = info["final_info"] if mode == "SameStep" else info
        assert np.allclose(info["episode"]["r"], ended["return"])
        # Of the second episode as well: before 1.4 Gymnasium counted a step too few from there on.
        assert (info["episode"]["l"] == 6).all()
        finished += 1
    assert (seen.max() > 1) == (mode == "NextStep") and finished == 3


@pytest.mark.parametrize("name", [name for name in OFFLINE if name.startswith("Digits")])
def test_an_oracle_is_always_right(name: str) -> None:
    """The label of an info is what the reward is for; in a sequence, the symbol that is asked."""
    env = GlimpseVectorEnv(name, 8, split="test", reveal=True)
    _, info = env.reset(seed=0)
    looks, label = env.world.looks, info["label"]
    total = np.zeros(8)
    for look in range(looks):
        truth = label
        if label.ndim > 1:
            truth = label[:, look // (looks // label.shape[1])].clip(0)
        location = np.zeros((8, 2), np.float32)
        _, reward, *_, info = env.step({"location": location, "answer": truth})
        total += reward
    best = (label >= 0).sum(1) if label.ndim > 1 else np.ones(8)
    assert np.array_equal(total, best)
    assert np.array_equal(info["final_info"]["return"], best)


def test_what_is_near_the_place_is_worth_something() -> None:
    env = GlimpseVectorEnv("DigitsLocalise", 1, split="test", looks=1, reveal=True)
    _, info = env.reset(seed=3)
    row, column = divmod(int(info["label"][0]), 5)
    x0, y0, x1, _ = (info["box"][0, 0] + 1) * 24
    assert (x0, y0) == pytest.approx((8 * column, 8 * row)) and x1 - x0 == pytest.approx(16)
    for answer in range(25):
        env.reset(seed=3)
        *_, reward, _, _, _ = env.step({"location": np.zeros((1, 2)), "answer": np.array([answer])})
        there, left = 8 * (answer // 5), 8 * (answer % 5)
        shared = max(0, 16 - abs(there - y0)) * max(0, 16 - abs(left - x0))
        assert reward[0] == pytest.approx(shared / (2 * 256 - shared), abs=1e-5)


def test_a_search_tells_what_to_look_for() -> None:
    env = GlimpseVectorEnv("DigitsSearch", 50, split="test", tensors=True, reveal=True)
    seen, info = env.reset(seed=0)
    labels = env.problem.split.labels[info["index"]]
    assert seen["context"].argmax(1).equal(labels) and (seen["context"].sum(1) == 1).all()
    again, *_ = env.step({"location": seen["location"], "answer": labels})
    assert again["context"].equal(seen["context"])


def test_the_package_says_what_it_has() -> None:
    for name in (
        "CATALOGUE",
        "GlimpseEnv",
        "GlimpseVectorEnv",
        "Problem",
        "document",
        "problem_of",
    ):
        assert hasattr(hardattn.envs, name)
