"""Models of Stable-Baselines3 in our harness: the same to the bit."""

import pytest

pytest.importorskip("stable_baselines3", reason="pip install stable-baselines3 sb3-contrib")
pytest.importorskip("sb3_contrib", reason="pip install stable-baselines3 sb3-contrib")

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3 import A2C, PPO, SAC, TD3
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import Logger
from torch.distributions import Normal

from hardattn.agents.sb3 import SB3Agent
from hardattn.distributions import Categorical, Delta, Gaussian
from hardattn.envs import GlimpseVectorEnv
from hardattn.envs.sb3 import GlimpseVecEnv
from hardattn.evaluation.evaluate import evaluate
from hardattn.rollout import sample
from hardattn.scenes import Scenes, fixed_scenes, plain
from tests.support.sb3 import (
    CELL,
    CLASSES,
    ENVS,
    KINDS,
    LOGITS,
    LOOKS,
    PLACE,
    given,
    plain_vector,
    problem,
    vec,
)


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
        assert torch.allclose(decision.location.stddev, unit * parts.stddev[:, :2])
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
