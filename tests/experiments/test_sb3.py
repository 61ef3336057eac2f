"""Stable-Baselines3 on our environments, and its models in our harness: the same to the bit."""

import json
import sys
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from torch.distributions import Normal

pytest.importorskip("stable_baselines3", reason="pip install stable-baselines3 sb3-contrib")
pytest.importorskip("sb3_contrib", reason="pip install stable-baselines3 sb3-contrib")

from sb3_contrib import RecurrentPPO
from stable_baselines3 import A2C, PPO, SAC, TD3
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize

from hardattn.agents.sb3 import SB3Agent
from hardattn.data import Dataset, Split
from hardattn.distributions import Categorical, Delta, Gaussian
from hardattn.envs import CATALOGUE, GlimpseVectorEnv, Problem
from hardattn.envs.sb3 import GlimpseVecEnv
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import error
from hardattn.experiments import run as execute
from hardattn.experiments.benchmarks import sb3 as sb3_benchmark
from hardattn.experiments.cli import main
from hardattn.experiments.parse import parse
from hardattn.experiments.recipe import RunOptions
from hardattn.experiments.recipes import RECIPES
from hardattn.report.rows import tables
from hardattn.report.runs import read
from hardattn.rollout import sample
from hardattn.scenes import Scenes, fixed_scenes, plain
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.training.log import Log
from hardattn.world import World

CLASSES, LOOKS, ENVS = 3, 4, 6
# What a policy may be asked for, by what its actions are.
PLACE: dict[str, Any] = {"action": "place"}
LOGITS: dict[str, Any] = {"action": "place", "answer": "logits"}
MOVE: dict[str, Any] = {"action": "move", "stop": True}
CELL: dict[str, Any] = {"action": "cell", "cells": (3, 4)}
KINDS = {
    "place": PLACE,
    "place, stop": PLACE | {"stop": True},
    "logits": LOGITS,
    "logits, Dict": LOGITS | {"flat_observations": False},
    "move, stop": MOVE,
    "cell": CELL,
    "cell, stop": CELL | {"stop": True},
    "no answer": CELL | {"answer": "none"},
}


@lru_cache
def problem(reach: float | None = None, context: str = "none") -> Problem:
    """Noise whose brightness tells the class."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (40,), generator=generator)
    noise = torch.randint(80, (40, 1, 10, 12), generator=generator)
    split = Split((noise + 80 * labels[:, None, None, None]).to(torch.uint8), labels)
    task = Classify(CLASSES, each=True, bonus=1.0)
    world = World(Retina(3, 2), task, LOOKS, reach=reach, context=context)
    return Problem(world, plain, split, ("dark", "grey", "bright"))


def given(kind: dict[str, Any]) -> Problem:
    return problem(0.4 if kind["action"] == "move" else None)


def vec(kind: dict[str, Any], count: int = ENVS) -> GlimpseVecEnv:
    return GlimpseVecEnv(given(kind), count, **kind)


def plain_vector(kind: dict[str, Any], count: int = ENVS) -> GlimpseVectorEnv:
    flat = {"flat_actions": True, "flat_observations": True}
    return GlimpseVectorEnv(given(kind), count, **(flat | kind))


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


# The environment.


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


# The models.


def model_of(
    algorithm: Any, kind: dict[str, Any], steps: int = 2 * ENVS * LOOKS
) -> tuple[Any, Any]:
    """A model that has learned for a moment, and its environment."""
    env = vec(kind)
    small: dict[str, Any] = {"policy_kwargs": {"net_arch": [8]}}
    if algorithm in (PPO, RecurrentPPO):
        small |= {"n_steps": LOOKS, "batch_size": ENVS * LOOKS, "n_epochs": 2}
    if algorithm in (SAC, TD3):
        small |= {"learning_starts": ENVS, "batch_size": 8}
    policy = "MlpPolicy" if kind.get("flat_observations", True) else "MultiInputPolicy"
    if algorithm is RecurrentPPO:
        policy = "MlpLstmPolicy"
        small["policy_kwargs"] |= {"lstm_hidden_size": 8, "n_lstm_layers": 2}
    model = algorithm(policy, env, seed=0, device="cpu", **small)
    model.set_logger(Logger(None, []))  # which leaves nothing on the disk
    return model.learn(steps), env


def looked(model: Any, kind: dict[str, Any]) -> dict[str, Any]:
    """What a model does, by its own `predict`, with every image once."""
    env = plain_vector(kind)
    held: dict[str, Any] = {"state": None, "step": 0}

    def act(shown: Any) -> Any:
        start = np.full(ENVS, held["step"] % LOOKS == 0)
        action, held["state"] = model.predict(shown, held["state"], start, deterministic=True)
        held["step"] += 1
        return action

    return env.one_pass(act)


def measured(model: Any, env: Any, kind: dict[str, Any], draw: Any = None) -> Any:
    scenes = fixed_scenes(plain, given(kind).split, 1)
    options = {} if draw is None else {"draw": draw}
    return evaluate(SB3Agent(model, env), given(kind).world, scenes, batch=ENVS, **options)


TRAINED = [
    *((PPO, kind) for kind in KINDS),
    (A2C, "cell"),
    (SAC, "logits"),
    (SAC, "move, stop"),
    (TD3, "place"),
    (RecurrentPPO, "cell"),
    (RecurrentPPO, "logits"),
]


@pytest.mark.parametrize(
    "algorithm, name", TRAINED, ids=lambda each: getattr(each, "__name__", each)
)
def test_the_harness_sees_what_the_model_does(algorithm: Any, name: str) -> None:
    kind = KINDS[name]
    model, env = model_of(algorithm, kind)
    columns, found = measured(model, env, kind), looked(model, kind)
    assert np.array_equal(columns.index.numpy(), found["index"])
    assert np.array_equal(columns.target.numpy(), found["label"])
    assert np.array_equal(columns.looks.numpy(), found["looks"])
    if "answer" in found:
        assert np.array_equal(columns.answer.numpy(), found["answer"])
    if "loss" in found:
        np.testing.assert_allclose(columns.nll[:, -1] / LOOKS, found["loss"], rtol=1e-5)


@pytest.mark.parametrize("name", ["cell", "place, stop", "move, stop"])
def test_what_is_drawn_comes_from_the_policy(name: str) -> None:
    kind = KINDS[name]
    model, env = model_of(PPO, kind)
    agent, world = SB3Agent(model, env), given(kind).world
    scenes = fixed_scenes(plain, given(kind).split, 1).slice(0, ENVS)
    view = world.open(scenes)
    seen = world.observe(view, torch.zeros(ENVS, 2), 0)
    with torch.no_grad():
        _, decision = agent.step(agent.start(world.context(scenes)), seen)
        policy = model.policy.get_distribution(env.observations.of(seen, world.context(scenes)))
    parts = policy.distribution
    if isinstance(parts, Normal):
        assert isinstance(decision.location, Gaussian)
        unit = world.reach or 1.0
        assert torch.allclose(decision.location.base_dist.scale, unit * parts.stddev[:, :2])
        # It stops where the last number of an action is above 0.
        above = 1 - parts.cdf(torch.zeros_like(parts.mean))[:, -1]
        assert decision.halt is not None
        torch.testing.assert_close(decision.halt.logits.sigmoid(), above)
        chosen = torch.from_numpy(np.clip(parts.mean.numpy(), -1, 1))[:, 2 : 2 + CLASSES]
        assert torch.equal(decision.logits.argmax(1), chosen.argmax(1))
        assert ((decision.logits.softmax(1) > 0.999).sum(1) == 1).all()
    else:
        assert isinstance(decision.location, Categorical)
        torch.testing.assert_close(decision.location.logits, parts[0].logits)
        torch.testing.assert_close(decision.logits.softmax(1), parts[1].probs)
    columns = measured(model, env, kind, sample)
    assert columns.entropy[:, 1:].min() > -3 and columns.location[:, 1].std() > 0.1


def test_a_squashed_policy_looks_where_it_looks() -> None:
    model, env = model_of(SAC, LOGITS)
    greedy, drawn = measured(model, env, LOGITS), measured(model, env, LOGITS, sample)
    assert torch.equal(greedy.location, drawn.location) and not drawn.entropy.any()
    agent = SB3Agent(model, env)
    scenes = fixed_scenes(plain, problem().split, 1).slice(0, 2)
    seen = problem().world.observe(problem().world.open(scenes), torch.zeros(2, 2), 0)
    _, decision = agent.step(agent.start(problem().world.context(scenes)), seen)
    assert isinstance(decision.location, Delta)


@pytest.mark.parametrize("algorithm", [PPO, RecurrentPPO])
def test_saved_and_loaded_it_is_the_same(algorithm: Any, tmp_path: Path) -> None:
    model, env = model_of(algorithm, CELL)
    before = measured(model, env, CELL)
    model.save(tmp_path / "model")
    loaded = algorithm.load(tmp_path / "model", device="cpu")
    after = measured(loaded, plain_vector(CELL), CELL)
    for mine, theirs in zip(before, after, strict=True):
        assert torch.equal(mine.nan_to_num(), theirs.nan_to_num())


def test_memory_is_carried_and_begins_anew() -> None:
    """A recurrent model answers by what it saw before; each episode starts from nothing."""
    model, env = model_of(RecurrentPPO, CELL)
    agent, world = SB3Agent(model, env), problem().world
    scenes: Scenes = fixed_scenes(plain, problem().split, 1).slice(0, ENVS)
    view, place = world.open(scenes), torch.zeros(ENVS, 2)
    begin = agent.start(world.context(scenes))
    state, first = agent.step(begin, world.observe(view, place, 0))
    _, second = agent.step(state, world.observe(view, place, 0))
    _, again = agent.step(begin, world.observe(view, place, 0))
    assert torch.equal(first.logits, again.logits) and not first.logits.equal(second.logits)
    assert [len(part) for part in state] == [ENVS] * 3


def test_a_context_is_seen_too() -> None:
    told = problem(context="coarse")
    env = GlimpseVecEnv(told, ENVS, **CELL)
    model = A2C("MlpPolicy", env, device="cpu")
    model.set_logger(Logger(None, []))
    model.learn(ENVS * 5)
    scenes = fixed_scenes(plain, told.split, 1)
    columns = evaluate(SB3Agent(model, env), told.world, scenes, batch=ENVS)
    test = GlimpseVectorEnv(told, ENVS, flat_actions=True, flat_observations=True, **CELL)
    found = test.one_pass(lambda shown: model.predict(shown, deterministic=True)[0])
    assert np.array_equal(columns.answer.numpy(), found["answer"])


def test_a_model_of_another_problem_is_refused() -> None:
    model, _ = model_of(PPO, CELL)
    with pytest.raises(ValueError, match="actions in MultiDiscrete"):
        SB3Agent(model, vec(PLACE))
    with pytest.raises(ValueError, match="knows observations in"):
        SB3Agent(model, GlimpseVecEnv(problem(context="coarse"), **CELL))


def test_it_learns_through_the_bridge() -> None:
    env = GlimpseVecEnv(problem(), 32, **CELL)
    model = PPO("MlpPolicy", env, 1e-2, LOOKS, batch_size=128, n_epochs=4, gamma=0.0, seed=0)
    model.set_logger(Logger(None, []))
    model.learn(32 * LOOKS * 20)
    columns = measured(model, env, CELL)
    assert columns.correct[:, -1].double().mean() > 0.9
    # Its own evaluation says the same: the reward is the share of right answers.
    mean, _ = evaluate_policy(model, env, n_eval_episodes=320)
    assert mean > 0.9


# The command.

TINY = ["--images", "24", "--envs", "4", "--validate-every", "12", "--test-draws", "1"]
SMALL = {
    "sb3-ppo": ["--steps", "6", "--batch-size", "12"],
    "sb3-recurrent-ppo": ["--steps", "6", "--batch-size", "12", "--memory", "8"],
    "sb3-a2c": ["--steps", "6"],
    "sb3-sac": ["--start", "8", "--batch-size", "4", "--updates", "1", "--buffer", "64"],
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Runs see a few images, and leave the process's settings alone."""
    whole = execute.load("digits")
    few = {
        name: Split(getattr(whole, name).images[:24], getattr(whole, name).labels[:24])
        for name in ("train", "validation", "test")
    }
    given = Dataset("digits", **few, classes=whole.classes)
    monkeypatch.setattr(execute, "load", lambda *rest: given)
    monkeypatch.setattr(execute, "tune", lambda threads: "default")
    monkeypatch.setattr(execute, "PASSES", 2)
    return tmp_path


def go(folder: Path, *words: str) -> int:
    return main(["train", *words, "--out", str(folder), "--device", "cpu"])


@pytest.mark.parametrize("name", list(SMALL))
def test_a_result_stands_beside_ours(name: str, tiny: Path) -> None:
    assert go(tiny, name, *TINY, *SMALL[name]) == 0
    ram = ["--images", "16", "--batch-size", "8", "--validate-every", "16", "--test-draws", "1"]
    assert main(["train", "ram-cluttered-digits", *ram, "--out", str(tiny), "--device", "cpu"]) == 0
    groups = read([tiny])
    found = {group.name.split(",")[0]: group.first.stored for group in groups}
    ours, theirs = found["ram-cluttered-digits"], found[name]
    assert theirs.keys() == ours.keys()
    for part in ("scenes", "sees", "world"):
        assert theirs[part] == ours[part]
    assert theirs["figures"]["greedy"].keys() == ours["figures"]["greedy"].keys()
    assert theirs["training"].keys() == ours["training"].keys()
    assert theirs["training"]["images"] >= 24 and theirs["flops"] > 0
    assert all(seen >= 12 * (n + 1) for n, (seen, _) in enumerate(theirs["training"]["curve"]))
    assert theirs["command"].startswith(f"hardattn train {name} --images 24")
    (table,) = tables(groups)
    row = next(row for row in table.rows if row.title.startswith(RECIPES[name].title))
    assert row.estimator == RECIPES[name].training.estimator and not row.control
    (folder,) = (tiny / theirs["name"]).iterdir()
    kept = {path.name for path in folder.iterdir()}
    assert {
        "best.pt",
        "model.zip",
        "columns.pt",
        "examples.pt",
        "metrics.jsonl",
        "recipe.json",
    } <= kept
    assert not any("unfinished" in file for file in kept)


def test_training_is_told_of_between_validations(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr("hardattn.experiments.sb3.Log", partial(Log, every=1))
    assert go(tiny, "sb3-ppo", *TINY, *SMALL["sb3-ppo"]) == 0
    (path,) = tiny.rglob("result.json")
    found = EventAccumulator(str(path.parent))
    found.Reload()
    told = [event.step for event in found.Scalars("training/images_per_second")]
    validated = [event.step for event in found.Scalars("validation/error")]
    assert set(validated) < set(told) and len(told) == len(set(told))
    curve = json.loads(path.read_text())["training"]["curve"]
    assert validated == [images for images, _ in curve]
    rate = parse(["sb3-ppo", *TINY, *SMALL["sb3-ppo"]])[1].training.lr
    for event in found.Scalars("training/learning_rate"):
        assert event.value == pytest.approx(rate * max(0, 1 - event.step / 24), abs=1e-9)


def test_what_is_measured_is_what_was_kept(tiny: Path) -> None:
    """The weights of the best validation, in the file and in the figures."""
    assert go(tiny, "sb3-ppo", *TINY, *SMALL["sb3-ppo"]) == 0
    (path,) = tiny.rglob("result.json")
    recipe = parse(["sb3-ppo", *TINY, *SMALL["sb3-ppo"]])[1]
    setting = execute.prepare(recipe.problem, RunOptions(device="cpu"))
    named = Problem(setting.world, setting.make, setting.dataset.train, setting.answers)
    env = GlimpseVecEnv(named, 2, **recipe.agent.arguments())
    agent = SB3Agent(PPO.load(path.parent / "model.zip", device="cpu"), env)
    test = fixed_scenes(setting.make, setting.dataset.test, recipe.problem.test_seed)
    kept = torch.load(path.parent / "columns.pt", weights_only=True)["greedy"]
    assert torch.equal(
        evaluate(agent, setting.world, test).log_probability, kept["log_probability"]
    )
    validated = evaluate(agent, setting.world, setting.validation)
    curve = json.loads(path.read_text())["training"]["curve"]
    assert min(wrong for _, wrong in curve) == pytest.approx(error(validated))


@pytest.mark.parametrize(
    "words, answer",
    [
        (["sb3-pppo"], "no recipe is called 'sb3-pppo': perhaps sb3-ppo"),
        (["sb3-ppo", "--lrr", "1"], "no field 'lrr': perhaps lr"),
        (["sb3-a2c", "--update-epochs", "3"], "no field 'update_epochs'"),
        (["sb3-ppo", "--grid", "0"], "grid must be at least 1"),
        (["sb3-ppo", "--discount", "1.5"], "discount must be between 0 and 1, not 1.5"),
        (["sb3-ppo", "--envs", "0"], "envs must be at least 1"),
        (["sb3-ppo", "--action", "cells"], "'cells'"),
        (["sb3-ppo", "--action", "move"], "a move is in units of the reach"),
        (["sb3-ppo", "--distractors", "-1"], "distractors must be at least 0"),
        (["sb3-sac", "--action", "cell"], "'cell'"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_cannot_be_meant_is_one_line(
    tiny: Path, capsys: pytest.CaptureFixture[str], words: list[str], answer: str
) -> None:
    assert go(tiny, *words) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("error: ") and said.err.count("\n") == 1, said.err
    assert answer in said.err and not list(tiny.rglob("result.json"))


def test_without_the_package_it_says_what_to_install(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    assert go(tiny, "sb3-ppo", *TINY) == 2
    assert "pip install stable-baselines3 sb3-contrib" in capsys.readouterr().err


def test_diverged_and_stopped_runs_leave_no_result(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        go(tiny, "sb3-ppo", *TINY, *SMALL["sb3-ppo"], "--lr", "1e30", "--max-grad-norm", "1e30")
        == 3
    )
    assert "lower the learning rate" in capsys.readouterr().err

    def interrupted(*given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PPO, "train", interrupted)
    assert go(tiny, "sb3-ppo", *TINY, *SMALL["sb3-ppo"]) == 130
    assert "begins again" in capsys.readouterr().err
    assert not list(tiny.rglob("result.json")) and not list(tiny.rglob("*.zip"))


@pytest.mark.parametrize("name", list(SMALL))
def test_a_finished_run_is_alive_again(name: str, tiny: Path) -> None:
    """As those of our own loop: measured anew, its looks swapped, its scenes changed."""
    assert go(tiny, name, *TINY, *SMALL[name], "--seed", "2") == 0
    (path,) = tiny.rglob("result.json")
    first = json.loads(path.read_text())
    on_runs = [str(tiny), "--device", "cpu"]
    assert main(["evaluate", *on_runs]) == 0
    again = json.loads(path.read_text())
    assert again["figures"] == first["figures"] and again["origin"] == first["origin"]
    assert main(["swap", *on_runs]) == 0
    gain = json.loads((path.parent / "gain.json").read_text())
    assert gain["own"]["error"] == first["figures"]["greedy"]["error"] and "random" in gain["swaps"]
    assert main(["robustness", *on_runs, "--what", "contrast"]) == 0
    found = json.loads((path.parent / "characterisation.json").read_text())["found"]
    assert len(found["contrast"]["error"]) == len(found["contrast"]["at"])


def test_its_observer_is_not_retrained(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go(tiny, "sb3-a2c", *TINY, *SMALL["sb3-a2c"]) == 0
    on_runs = [str(tiny), "--device", "cpu"]
    capsys.readouterr()
    assert main(["swap", *on_runs, "--retrain"]) == 0
    assert "no observer that could be trained alone" in capsys.readouterr().err
    assert main(["robustness", *on_runs, "--what", "contrast", "--train"]) == 2
    assert "does not learn from a share of the images" in capsys.readouterr().err


def test_a_sweep_trains_it_as_any_other(tmp_path: Path) -> None:
    small = ["--images", "24", "--validate-every", "24", "--test-draws", "1"]
    words = ["sb3-a2c", "--seeds", "2", "--workers", "1", "--envs", "4", "--steps", "6", *small]
    assert main(["sweep", *words, "--device", "cpu", "--out", str(tmp_path)]) == 0
    results = [json.loads(path.read_text()) for path in sorted(tmp_path.rglob("result.json"))]
    assert [one["seed"] for one in results] == [0, 1]
    assert all("latency" in one["cost"] for one in results)


def test_the_benchmark_compares_like_with_like() -> None:
    both = sb3_benchmark.problem(50)
    naive = sb3_benchmark.Naive(both.split.images[:, 0].numpy(), both.split.labels.numpy())
    naive.reset(seed=0)
    ours = GlimpseVecEnv(both, 1)
    shown = np.round(naive.image[8:-8, 8:-8] * 255)
    row = next(row for row, image in enumerate(naive.images) if (image == shown).all())
    ours.set_options({"index": row})
    ours.reset()
    generator = np.random.default_rng(0)
    for look in range(sb3_benchmark.LOOKS):
        action = generator.uniform(-1.2, 1.2, naive.action_space.shape).astype(np.float32)  # type: ignore[arg-type]
        seen, reward, over, _, _ = naive.step(action)
        shown, gained, done, infos = ours.step(action[None])
        shown = infos[0]["terminal_observation"] if over else shown[0]
        assert over == done[0] == (look + 1 == sb3_benchmark.LOOKS) and reward == gained[0]
        if not over:  # nothing more is looked at, and ours says when it last looked
            np.testing.assert_allclose(seen, shown, atol=1e-6)
