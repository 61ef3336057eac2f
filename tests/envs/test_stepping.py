"""One stepping: the rollout, Gymnasium's vectors of singles and our vectors agree to the bit."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor

from hardattn.envs import GlimpseEnv, GlimpseVectorEnv, stepping
from hardattn.rng import apart
from hardattn.rollout import rollout
from hardattn.sensors import Zoom
from tests.support.envs import PROBLEMS, Wanderer, problem, same
from tests.support.stepping import MODES, generator


@pytest.mark.parametrize("name, stops", [*((name, False) for name in PROBLEMS), ("each", True)])
def test_an_agents_rollout_replayed_is_the_same_to_the_bit(name: str, stops: bool) -> None:
    one = PROBLEMS[name]
    world = one.world
    given = {"autoreset_mode": "Disabled", "answer": "logits", "action": "place", "reveal": True}
    env = GlimpseVectorEnv(one, 7, stop=stops, tensors=True, **given)
    seen, _ = env.reset(seed=5)
    agent = Wanderer(world.task.classes, stops)
    path = rollout(agent, world, env.scenes, generator=generator(), first=env.stepping.place)
    alive = torch.cat([path.alive, torch.zeros(1, 7)])
    for look in range(world.looks):
        shown = agent.seen[look]
        on = path.alive[look].bool()
        for field, value in (("glimpse", shown.glimpse), ("location", shown.location)):
            assert torch.equal(seen[field][on], value[on])
        assert torch.equal(seen["step"][on, 0], shown.step[on])
        where = path.location[min(look + 1, world.looks - 1)]
        action = {"location": where, "answer": path.logits[look]}
        if stops:
            action["stop"] = alive[look + 1] == 0
        seen, reward, terminated, truncated, info = env.step(action)
        assert torch.equal(reward, path.reward[look] - path.loss[look])
        assert not on.any() or torch.equal(info["loss"][on], path.loss[look][on])
        assert torch.equal(terminated, alive[look + 1] == 0)
        assert not truncated.any()
    assert torch.equal(info["label"], env.scenes.target)
    if stops:
        assert 0 < path.alive[1:].mean() < 1


def sync(one: Any, mode: AutoresetMode, count: int = 4, **options: Any) -> SyncVectorEnv:
    return SyncVectorEnv([lambda: GlimpseEnv(one, **options)] * count, autoreset_mode=mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "name, options",
    [
        *((name, {}) for name in PROBLEMS),
        ("each", {"stop": True, "answer": "logits", "shaping": 0.3, "move_cost": 0.1}),
        ("sequence", {"stop": True}),
        ("sequence", {"stop": True, "answer": "logits", "shaping": 0.3}),
        ("retina", {"flat_observations": True, "stop": True, "action": "cell"}),
        ("reach", {"action": "move", "flat_actions": True, "stop": True, "move_cost": 0.2}),
        ("coarse", {"answer": "logits", "flat_actions": True, "flat_observations": True}),
        ("sequence", {"stop": True, "reveal": True}),
        ("masks", {"flat_actions": True, "stop": True}),
        ("keypoints", {"flat_actions": True, "action": "cell"}),
        ("masks", {"stop": True, "answer": "logits", "shaping": 0.3}),
    ],
)
def test_the_vector_is_gymnasiums_vector_of_singles(
    name: str, options: dict[str, Any], mode: AutoresetMode
) -> None:
    """Observations, rewards, ends and infos of every step, final_obs and masks included."""
    one = PROBLEMS[name]
    ours, theirs = (
        GlimpseVectorEnv(one, 4, autoreset_mode=mode, **options),
        sync(one, mode, **options),
    )
    assert ours.metadata["autoreset_mode"] is mode
    assert ours.action_space == theirs.action_space
    assert ours.observation_space == theirs.observation_space
    # Sums of products depend on how many are computed at once; what is copied does not.
    close = isinstance(one.world.sensor, Zoom)
    for left, right in zip(ours.reset(seed=3), theirs.reset(seed=apart(3, 4)), strict=True):
        same(left, right, close=close)
    ours.action_space.seed(0)
    over = np.zeros(4, bool)
    for _ in range(3 * one.world.looks):
        if mode is AutoresetMode.DISABLED and over.any():
            for left, right in zip(
                ours.reset(options={"reset_mask": over.copy()}),
                theirs.reset(options={"reset_mask": over.copy()}),
                strict=True,
            ):
                same_where(left, right, over)
        action = ours.action_space.sample()
        mine, other = ours.step(action), theirs.step(action)
        for left, right in zip(mine, other, strict=True):
            same(left, right, close=close)
        over = mine[2]


def same_where(one: Any, other: Any, rows: Any) -> None:
    """Infos of a partial reset are about what was reset; ours knows the others, too."""
    if isinstance(one, dict):
        for name in other:
            if not name.startswith("_"):
                same_where(one[name], other[name], rows)
    else:
        assert np.allclose(one[rows], other[rows], atol=1e-6)


@pytest.mark.parametrize("name", PROBLEMS)
def test_tensors_and_arrays_are_the_same(name: str) -> None:
    arrays, tensors = (GlimpseVectorEnv(PROBLEMS[name], 3, tensors=each) for each in (False, True))
    one, other = arrays.reset(seed=1)[0], tensors.reset(seed=1)[0]
    arrays.action_space.seed(0)
    for _ in range(2 * PROBLEMS[name].world.looks):
        for field, value in one.items():
            assert isinstance(other[field], Tensor)
            assert np.array_equal(value, other[field].numpy())
        action = arrays.action_space.sample()
        one, *left, info = arrays.step(action)
        given = {key: torch.from_numpy(value) for key, value in action.items()}
        other, *right, more = tensors.step(given)
        for left_part, right_part in zip(left, right, strict=True):
            assert np.array_equal(left_part, right_part.numpy())
        assert {key for key in info if key[0] != "_" or key[:6] == "_final"} == set(more)


@pytest.mark.parametrize("name", ["retina", "sequence", "drifting"])
def test_an_environments_episodes_depend_on_its_seed_alone(name: str) -> None:
    """Neither on how many others there are, nor on when they are reset."""
    few = GlimpseVectorEnv(PROBLEMS[name], 2, tensors=True)
    many = GlimpseVectorEnv(PROBLEMS[name], 300, tensors=True, autoreset_mode="Disabled")
    few.reset(seed=[40, 7])
    many.reset(seed=range(300))
    for number in range(4):
        if number:
            few.reset()
            # Environment 7 goes on in time; 40 only once its turn comes.
            mask = torch.arange(300) == 7
            many.reset(options={"reset_mask": mask})
        assert torch.equal(few.scenes.image[1], many.scenes.image[7])
        assert torch.equal(few.stepping.place[1], many.stepping.place[7])
        assert torch.equal(few.stepping.seen.glimpse[1], many.stepping.seen.glimpse[7])
    few.reset(seed=[40, 7])
    assert torch.equal(few.scenes.image[0], many.scenes.image[40])
    assert torch.equal(few.scenes.target[0], many.scenes.target[40])
    for _ in range(2):
        many.reset(options={"reset_mask": torch.arange(300) == 40})
        few.reset()
        assert torch.equal(few.scenes.image[0], many.scenes.image[40])


def test_a_partial_reset_leaves_the_others_alone() -> None:
    env = GlimpseVectorEnv(problem(), 5, autoreset_mode="Disabled")
    env.reset(seed=0)
    env.action_space.seed(0)
    seen, *_ = env.step(env.action_space.sample())
    mask = np.array([True, False, True, False, False])
    again, _ = env.reset(options={"reset_mask": mask})
    for field in seen:
        assert np.array_equal(seen[field][~mask], again[field][~mask])
        assert not np.array_equal(seen[field][mask], again[field][mask])
    assert (again["step"][mask] == 0).all() and (again["step"][~mask] > 0).all()
    ends = [env.step(env.action_space.sample())[2].tolist() for _ in range(4)]
    assert ends[1] == [False] * 5 and ends[2] == (~mask).tolist() and ends[3] == [True] * 5


def test_what_has_ended_stays_as_it_is() -> None:
    env = GlimpseVectorEnv(problem(looks=2), 3, autoreset_mode="Disabled", answer="logits")
    env.reset(seed=0)
    env.action_space.seed(0)
    env.step(env.action_space.sample())
    seen, reward, *_ = env.step(env.action_space.sample())
    assert (reward != 0).all()
    for _ in range(2):
        again, reward, terminated, _, info = env.step(env.action_space.sample())
        same(again, seen)
        assert (reward == 0).all() and terminated.all() and "loss" not in info


@pytest.mark.parametrize("tensors", [False, True])
def test_states_survive_pickle_and_copies(tensors: bool) -> None:
    env = GlimpseVectorEnv("DigitsTranslated", 3, tensors=tensors, split="test", canvas=24)
    env.reset(seed=2)
    env.action_space.seed(1)
    actions = [env.action_space.sample() for _ in range(20)]
    for action in actions[:4]:
        env.step(action)
    copies = [pickle.loads(pickle.dumps(env)), copy.deepcopy(env)]
    for action in actions:
        wanted = env.step(action)
        for each in copies:
            for left, right in zip(wanted, each.step(action), strict=True):
                same(left, right)
    assert len(pickle.dumps(env)) < 200_000  # without the images of the dataset


@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["each", "sequence", "drifting"])
def test_a_device_that_must_not_be_asked_does_the_same(
    name: str, mode: AutoresetMode, tensors: bool, monkeypatch: Any
) -> None:
    """As on an accelerator: no value of a tensor decides what is done, and all is the same."""
    runs = []
    for free in (("cpu",), ()):
        monkeypatch.setattr(stepping, "FREE", free)
        env = GlimpseVectorEnv(
            PROBLEMS[name], 6, stop=True, autoreset_mode=mode, tensors=tensors, answer="logits"
        )
        env.action_space.seed(0)
        run: list[Any] = [env.reset(seed=0)]
        for step in range(2 * env.world.looks):
            if mode is AutoresetMode.DISABLED and step % 3 == 2:
                mask = np.arange(6) % 4 == step % 4
                run.append(env.reset(options={"reset_mask": mask})[:1])
            action = env.action_space.sample()
            if tensors:
                action = {key: torch.from_numpy(value) for key, value in action.items()}
            seen, reward, terminated, _, info = env.step(action)
            if tensors:  # what is told of nobody is then told, as 0 of all
                told = info.get("final_info", info)
                info = {"label": told.get("label", 0 * env.scenes.target)}
            run.append((seen, reward, terminated, info))
        runs.append(run)
    for one, other in zip(*runs, strict=True):
        for left, right in zip(one, other, strict=True):
            same(left, right, close=name == "drifting")
