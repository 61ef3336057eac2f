"""Stable-Baselines3 on our environments: the same to the bit."""

import pytest

pytest.importorskip("stable_baselines3", reason="pip install stable-baselines3 sb3-contrib")
pytest.importorskip("sb3_contrib", reason="pip install stable-baselines3 sb3-contrib")

from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize

from hardattn.envs import CATALOGUE, GlimpseVectorEnv
from hardattn.envs.sb3 import GlimpseVecEnv
from tests.support.sb3 import CELL, ENVS, KINDS, LOOKS, plain_vector, problem, vec


def same(one: Any, other: Any) -> None:
    """Arrays, or dicts of them, alike to the bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            same(one[name], other[name])
    else:
        assert one.dtype == other.dtype and np.array_equal(one, other)


def actions_of(env: GlimpseVecEnv, steps: int) -> list[Any]:
    env.action_space.seed(1)
    return [np.stack([env.action_space.sample() for _ in range(ENVS)]) for _ in range(steps)]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_it_does_what_the_vector_environment_does(kind: dict[str, Any]) -> None:
    mine, theirs = vec(kind), plain_vector(kind)
    mine.seed(7)
    first, _ = theirs.reset(seed=7)
    same(mine.reset(), first)
    ended = 0
    for action in actions_of(mine, 3 * LOOKS):
        shown, reward, done, infos = mine.step(action)
        seen, gained, over, cut, info = theirs.step(action)
        same(shown, seen)
        assert reward.dtype == np.float32 and np.array_equal(reward, gained)
        assert done.dtype == bool and np.array_equal(done, over) and not cut.any()
        assert len(infos) == ENVS
        for row, told in enumerate(infos):
            if not done[row]:
                assert told == {}
                continue
            ended += 1
            same(told["terminal_observation"], info["final_obs"][row])
            last = info["final_info"]
            assert told["episode"] == {"r": last["return"][row], "l": last["looks"][row]}
            assert told["label"] == last["label"][row] and told["index"] == last["index"][row]
            assert told["TimeLimit.truncated"] is False
    assert ended >= 2 * ENVS


@pytest.mark.parametrize("kind", ["logits", "logits, Dict", "cell, stop"])
def test_what_it_returned_may_be_written_to(kind: str) -> None:
    clean, soiled = vec(KINDS[kind]), vec(KINDS[kind])

    def soil(tree: Any) -> None:
        for array in tree.values() if isinstance(tree, dict) else [tree]:
            array.fill(1)

    for env in (clean, soiled):
        env.seed(0)
    soil(soiled.reset())
    clean.reset()
    for action in actions_of(clean, 2 * LOOKS):
        shown, reward, done, infos = clean.step(action)
        again, gained, over, told = soiled.step(action)
        same(shown, again)
        same(reward, gained)
        same(done, over)
        assert [set(info) for info in infos] == [set(info) for info in told]
        for tree in (again, gained, over):
            soil(tree)
        for info in told:
            info["mine"] = True


def test_seeds_and_options_hold_for_one_reset() -> None:
    env = vec(CELL)
    env.seed(5)
    first = env.reset()
    assert not np.array_equal(first, env.reset())
    env.seed(5)
    assert np.array_equal(first, env.reset())
    rows = np.array([3, 1, 4, 1, 5, 9])
    env.set_options({"index": rows})
    env.reset()
    assert env.vector.scenes.index.tolist() == rows.tolist()
    env.reset()
    assert env.vector.scenes.index.tolist() != rows.tolist()
    env.set_options([{"index": row} for row in range(ENVS)])
    with pytest.raises(ValueError, match="one dict"):
        env.reset()


def test_no_two_seeds_have_an_environment_in_common() -> None:
    """And they are those of the vector environment."""
    env, shown = GlimpseVecEnv("DigitsCluttered", ENVS), []
    vector = GlimpseVectorEnv("DigitsCluttered", ENVS)
    for seed in range(4):
        assert env.seed(seed)[0] == seed
        env.reset()
        vector.reset(seed=seed)
        assert torch.equal(env.vector.scenes.image, vector.scenes.image)
        shown += [image.numpy().tobytes() for image in env.vector.scenes.image]
    assert len(set(shown)) == 4 * ENVS
    assert len(set(env.seed())) == ENVS


def test_what_it_has_no_choice_of_is_said() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'flat_actions'"):
        GlimpseVecEnv(problem(), tensors=True, flat_actions=False)
    with pytest.raises(TypeError, match="unexpected keyword argument 'monitor'"):
        GlimpseVecEnv("DigitsPlain", monitor=True)
    env = vec(CELL)
    assert env.get_attr("world", [0, 1]) == [env.vector.world] * 2
    with pytest.raises(AttributeError, match="of its own"):
        env.env_method("step")
    with pytest.raises(AttributeError, match="of its own"):
        env.set_attr("world", None)


def test_it_can_be_wrapped_and_seen() -> None:
    env = GlimpseVecEnv(problem(), ENVS, render_mode="rgb_array", **CELL)
    stacked = VecNormalize(VecFrameStack(env, 3))
    first = stacked.reset()
    assert first.shape == (ENVS, 3 * env.observation_space.shape[0])  # type: ignore[index]
    for action in actions_of(env, LOOKS):
        _, _, done, infos = stacked.step(action)
    assert done.all() and infos[0]["terminal_observation"].shape == first[0].shape
    picture = env.render()
    assert picture is not None and picture.ndim == 3 and picture.dtype == np.uint8
    env.close()


def without_files(name: str) -> bool:
    return CATALOGUE[name].dataset in ("", "digits")


@pytest.mark.parametrize("kind", ["place", "cell"])
@pytest.mark.parametrize("name", [name for name in CATALOGUE if without_files(name)])
def test_its_checker_passes_every_named_environment(name: str, kind: str) -> None:
    mode = {"action": "cell"} if kind == "cell" else {}
    made = gymnasium.make(f"hardattn/{name}-v0", flat_actions=True, flat_observations=True, **mode)
    check_env(made.unwrapped)
