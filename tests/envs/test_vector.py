"""What clients of Gymnasium take for granted: spaces, specs, seeds, errors, discreet infos."""

import itertools
import re
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from hardattn.envs import CATALOGUE, GlimpseEnv, GlimpseVectorEnv, problem_of
from hardattn.envs.rendering import SIDE
from hardattn.rng import mix
from hardattn.viz.pictures import RIGHT, path_picture
from tests.support.envs import IDS, lasting, needs


def test_arguments_that_there_are_not_are_a_type_error_that_names_them() -> None:
    """In Python's own words: by these TorchRL, for one, knows to try again without."""
    name, id = "DigitsPlain", "hardattn/DigitsPlain-v0"
    makers: dict[str, tuple[Any, dict[str, Any]]] = {
        "frameskip": (lambda **given: gymnasium.make(id, **given), {}),
        "render_fps": (lambda **given: gymnasium.make_vec(id, num_envs=2, **given), {}),
        "num_stack": (lambda **given: GlimpseVectorEnv(name, 2, **given), {}),
        "noop": (lambda **given: GlimpseEnv(name, **given), {}),
        "canvas": (lambda **given: GlimpseVectorEnv(problem_of(name), 2, **given), {}),
        "num_envs": (lambda **given: gymnasium.make(id, **given), {"looks": 3}),
        "tensors": (lambda **given: GlimpseEnv(problem_of(name), **given), {}),
    }
    for wrong, (make, right) in makers.items():
        with pytest.raises(TypeError, match=f"got an unexpected keyword argument '{wrong}'"):
            make(**{wrong: 1}, **right)
        make(**right).close()
    with pytest.raises(TypeError, match="a name or a Problem, not int"):
        GlimpseVectorEnv(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_envs": 2.0},
        {"num_envs": "3"},
        {"num_envs": True},
        {"cells": (7,)},
        {"cells": (2.5, 3)},
        {"cells": 7},
        {"move_cost": "x"},
        {"move_cost": float("nan")},
        {"shaping": float("inf"), "answer": "logits"},
        {"autoreset_mode": "AnyStep"},
        {"split": "exam"},
        {"action": "jump"},
        {"answer": "maybe"},
        {"sensor": "eye"},
        {"context": "all"},
        {"first": "left"},
        {"looks": 0},
    ],
    ids=str,
)
def test_arguments_of_no_sense_are_refused_with_what_was_said(wrong: dict[str, Any]) -> None:
    said = re.escape(next(iter(wrong.values())).__str__())
    with pytest.raises(ValueError, match=said):
        GlimpseVectorEnv("DigitsPlain", **({"action": "cell"} | wrong))


@pytest.mark.parametrize("face", [GlimpseEnv, GlimpseVectorEnv])
def test_render_modes_that_there_are_not_are_refused(face: Any) -> None:
    for wrong in ("ansi", "rgb", "", 3):
        with pytest.raises(ValueError, match="no render mode"):
            face("DigitsPlain", render_mode=wrong)
    for mode in face.metadata["render_modes"]:
        assert face("DigitsPlain", render_mode=mode).render_mode == mode


@pytest.mark.parametrize("id", IDS)
def test_specs_say_how_long_an_episode_is_and_nothing_else_ends_it(id: str) -> None:
    """With the looks of the catalogue, with others, and made again from what the spec says."""
    needs(id)
    name = id[9:-3]
    for looks in (CATALOGUE[name].settings["looks"], 16):
        looks = lasting(name, looks)["looks"]
        single = gymnasium.make(id, **lasting(name, looks))
        vector = gymnasium.make_vec(id, num_envs=2, **lasting(name, looks))
        again = gymnasium.make_vec(vector.spec)
        for env in (single, single.unwrapped, vector, again):
            assert env.spec.max_episode_steps == looks
        assert gymnasium.make(single.spec).spec == single.spec
        single.reset(seed=0)
        ends = [single.step(single.action_space.sample())[2:4] for _ in range(looks)]
        assert ends == [(False, False)] * (looks - 1) + [(True, False)]
        again.reset(seed=0)
        counted = [again.step(again.action_space.sample())[2].all() for _ in range(looks)]
        assert counted == [False] * (looks - 1) + [True]
    assert gymnasium.spec(id).max_episode_steps is None  # or looks=16 would be cut short
    assert gymnasium.make_vec(id, max_episode_steps=40).spec.max_episode_steps != 40
    with pytest.raises(ValueError, match="for fewer, set looks=1"):
        gymnasium.make_vec(id, max_episode_steps=1)


SECRET = {"label", "box", "index"}


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("reveal", [False, True])
def test_what_was_right_is_told_at_the_end_and_not_before(id: str, reveal: bool) -> None:
    """By a single one and by many, in each of Gymnasium's ways, of arrays and of tensors."""
    needs(id)
    long = lasting(id[9:-3], 4)
    single, looks = gymnasium.make(id, reveal=reveal, **long), long["looks"]
    for _ in range(2):
        told = [set(single.reset(seed=1)[1])]
        told += [set(single.step(single.action_space.sample())[4]) for _ in range(looks)]
        assert [bool(names & SECRET) for names in told] == [reveal] * looks + [True]
        assert SECRET | {"return", "looks"} == told[-1]
    for mode, tensors in itertools.product(AutoresetMode, (False, True)):
        given = long | {"autoreset_mode": mode, "tensors": tensors, "reveal": reveal}
        env = GlimpseVectorEnv(id[9:-3], 3, stop=True, **given)
        _, info = env.reset(seed=1)
        assert (set(info) & SECRET == SECRET) == reveal
        ended = np.zeros(3, bool)
        for step in range(7):
            if mode is AutoresetMode.DISABLED and ended.any():
                _, info = env.reset(options={"reset_mask": ended})
                assert reveal or not set(info) & SECRET
            target, index = env.scenes.target.numpy(), env.scenes.index.numpy()
            action = env.action_space.sample()
            action["stop"] = np.array([step == 0, 0, step == 3])
            _, _, over, _, info = env.step(action)
            ended = np.array(over)
            last = info.get("final_info", {}) if mode is AutoresetMode.SAME_STEP else info
            if mode is AutoresetMode.SAME_STEP:
                assert set(info) & SECRET == (SECRET if reveal else set())
            shown = reveal and mode is not AutoresetMode.SAME_STEP
            assert (set(last) & SECRET == SECRET) == (shown or bool(ended.any()))
            if ended.any():
                assert np.array_equal(np.asarray(last["label"])[ended], target[ended])
                assert np.array_equal(np.asarray(last["index"])[ended], index[ended])
                if not shown:
                    assert not any(np.asarray(last[name])[~ended].any() for name in SECRET)


def test_clients_that_copy_infos_and_pictures_into_observations_are_told_nothing() -> None:
    given = {"looks": 3, "render_mode": "rgb_array"}
    env = gymnasium.make("hardattn/DigitsTranslated-v0", **given)
    shown = gymnasium.wrappers.AddRenderObservation(env, render_only=True)
    frame, info = shown.reset(seed=0)
    inner: Any = env.unwrapped
    for _ in range(2):
        frame, *_, info = shown.step({"location": np.zeros(2, np.float32), "answer": 0})
        assert not (frame == RIGHT).all(-1).any() and set(info) == set()
    image, box = inner.scenes.image[0], inner.scenes.box[0]
    target = int(inner.scenes.target[0])
    frame, *_, info = shown.step({"location": np.zeros(2, np.float32), "answer": target})
    path = inner.vector.world.point(inner.vector.gallery.place[:3, 0])
    assert np.array_equal(frame[:SIDE, :SIDE], path_picture(image, path, 6, 3, box, side=SIDE))
    assert not np.array_equal(frame[:SIDE, :SIDE], path_picture(image, path, 6, 3, side=SIDE))
    assert (frame == RIGHT).all(-1).any() and info["label"] == target


@pytest.mark.parametrize("mode", AutoresetMode)
def test_no_two_seeds_have_an_environment_in_common(mode: AutoresetMode) -> None:
    """And each environment is the single one of the seed that is said to be its own."""
    shown: list[bytes] = []
    env = GlimpseVectorEnv("DigitsCluttered", 16, autoreset_mode=mode, tensors=True)
    for seed in range(12):
        env.reset(seed=seed)
        shown += [image.numpy().tobytes() for image in env.scenes.image]
        single = GlimpseEnv("DigitsCluttered")
        for row, own in enumerate([seed, mix(seed, 1), mix(seed, 2)]):
            single.reset(seed=own)
            assert torch.equal(single.scenes.image[0], env.scenes.image[row])
    assert len(set(shown)) == len(shown) == 16 * 12


@pytest.mark.parametrize("face", [GlimpseEnv, GlimpseVectorEnv])
def test_what_nobody_seeded_can_be_had_again(face: Any) -> None:
    """From `np_random_seed`, as with every environment of Gymnasium."""
    env, others = face("DigitsCluttered"), face("DigitsCluttered")
    env.reset()
    image, seed = env.scenes.image.clone(), env.np_random_seed
    others.reset()
    assert not torch.equal(others.scenes.image, image)
    others.reset(seed=seed)
    assert torch.equal(others.scenes.image, image) and others.np_random_seed == seed
    own = [face("DigitsCluttered") for _ in range(2)]
    for each in own:  # a generator of one's own has no seed to be had
        each.np_random = np.random.default_rng(3)
        each.reset()
    assert torch.equal(own[0].scenes.image, own[1].scenes.image)


@pytest.mark.parametrize("face", [GlimpseEnv, GlimpseVectorEnv])
def test_options_of_a_reset_that_are_none_are_refused_and_nothing_is_changed(face: Any) -> None:
    env = face("DigitsPlain")
    env.reset(seed=0)
    before = env.scenes.image.clone()
    for wrong in (
        {"one_pass": 5},
        {"one_pass": (1,)},
        {"one_pass": (1, 2, 3)},
        {"one_pass": (1, -2)},
        {"one_pass": "ab"},
        {"one_pass": (1.5, 0)},
        {"index": 1e9},
        {"index": []},
        {"index": None, "indices": 3},
    ):
        with pytest.raises(ValueError, match=r"option"):
            env.reset(options=wrong)
        assert torch.equal(env.scenes.image, before)
    for kind in (5, [("index", 1)], "index"):
        with pytest.raises(TypeError, match="reset options are a dict"):
            env.reset(options=kind)
    env.reset(seed=0, options={})
    assert torch.equal(env.scenes.image, before)
    assert torch.equal(before, env.scenes.image) and not env.close()


def test_seeds_that_are_none_are_refused() -> None:
    env = GlimpseVectorEnv("DigitsPlain", 2)
    for wrong in (1.5, [1.0, 2], [True, 2], [1, -1], "ab"):
        with pytest.raises(ValueError, match="a seed is an integer of at least 0"):
            env.reset(seed=wrong)
    env.reset(seed=np.int64(3))
    image = env.scenes.image.clone()
    env.reset(seed=3)
    assert torch.equal(env.scenes.image, image)
