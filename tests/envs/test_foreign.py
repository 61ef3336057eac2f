"""Environments of others: what our agents meet there is what the environment itself says."""

import math
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from torch import Tensor

from hardattn.agents import RAM
from hardattn.envs.foreign import BATCHES, ForeignWorld
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import error
from hardattn.problem import Problem
from hardattn.rollout import Decision, pathwise, rollout, sample
from hardattn.training.loop import train
from hardattn.training.options import TrainOptions

SIDE, GLIMPSE, LOOKS, REACH, PRICE = 9, 3, 4, 0.5, 1e-3


def charged(prediction: Any, target: Any) -> Any:
    """Cross-entropy in units of ln 2, which is what ap_gym charges where there are two classes."""
    if isinstance(prediction, Tensor):
        given = prediction.log_softmax(-1).gather(-1, target[..., None])[..., 0]
    else:
        top = prediction - prediction.max(-1, keepdims=True)
        given = top - np.log(np.exp(top).sum(-1, keepdims=True))
        given = np.take_along_axis(given, target[..., None], -1)[..., 0]
    return -given / math.log(2)


class LossFn:
    @staticmethod
    def torch(prediction: Tensor, target: Tensor, batch_shape: tuple[int, ...] = ()) -> Tensor:
        assert prediction.shape[:-1] == batch_shape == target.shape
        return charged(prediction, target)


class Halves(VectorEnv[Any, Any, Any]):
    """Is the right half of the image bright? The left half does not tell.

    Steps, charges and says what environments of ap_gym do.
    """

    loss_fn = LossFn

    def __init__(self, num_envs: int, looks: int = LOOKS):
        self.num_envs, self.looks = num_envs, looks
        self.single_observation_space = spaces.Dict(
            glimpse=spaces.Box(0, 1, (GLIMPSE, GLIMPSE, 1), np.float32),
            glimpse_pos=spaces.Box(-1, 1, (2,), np.float32),
            time_step=spaces.Box(-1, 1, (), np.float32),
        )
        self.single_action_space = spaces.Dict(
            action=spaces.Box(-1, 1, (2,), np.float32),
            prediction=spaces.Box(-np.inf, np.inf, (2,), np.float32),
        )

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.target = self.np_random.integers(2, size=self.num_envs)
        self.image = self.np_random.random((self.num_envs, SIDE, SIDE, 1)) / 2
        self.image[:, :, SIDE // 2 :] += self.target[:, None, None, None] / 2
        self.place = self.np_random.uniform(-1, 1, (self.num_envs, 2))
        self.steps = 0
        return self._seen(), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        move = actions["action"]
        long = np.maximum(np.linalg.norm(move, axis=-1, keepdims=True), 1)
        self.place = np.clip(self.place + REACH * move / long, -1, 1)
        self.steps += 1
        paid, loss = (
            -PRICE * np.linalg.norm(move, axis=-1),
            charged(actions["prediction"], self.target),
        )
        said = {"target": self.target, "loss": loss}
        info = {"base_reward": paid, "prediction": said}
        over = np.full(self.num_envs, self.steps >= self.looks)
        return self._seen(), paid - loss, over, np.zeros_like(over), info

    def _seen(self) -> dict[str, Any]:
        corner = np.round((self.place + 1) / 2 * (SIDE - GLIMPSE)).astype(int)
        rows = [
            image[y : y + GLIMPSE, x : x + GLIMPSE]
            for image, (x, y) in zip(self.image, corner, strict=True)
        ]
        time = np.full(self.num_envs, 2 * self.steps / LOOKS - 1)
        fields = {"glimpse": np.stack(rows), "glimpse_pos": self.place, "time_step": time}
        return {name: field.astype(np.float32) for name, field in fields.items()}


def foreign(count: int = 6, **options: Any) -> ForeignWorld:
    return ForeignWorld(lambda: Halves(count), **({"looks": LOOKS, "reach": REACH} | options))


def ram(world: ForeignWorld) -> RAM:
    torch.manual_seed(0)
    return RAM(world.sensor.shape((1, 1, 1)), world.task.classes, hidden=16, what=8, where=8)


class Recorder:
    """An agent that keeps what it was shown, and decides as RAM does."""

    def __init__(self, agent: Any):
        self.agent, self.seen = agent, []

    def start(self, context: Tensor) -> Any:
        return self.agent.start(context)

    def step(self, state: Any, seen: Any) -> tuple[Any, Decision]:
        self.seen.append(seen)
        return self.agent.step(state, seen)


def by_hand(env: Any, seed: int, places: Any, answers: Any, reach: float) -> tuple[Any, Any]:
    """What the environment shows and pays for these; at the last place it stays."""
    shown, paid = [env.reset(seed=seed)[0]], []
    for look, prediction in enumerate(answers):
        after = places[min(look + 1, len(answers) - 1)]
        move = (after - shown[-1]["glimpse_pos"]) / reach
        action = {"action": move.astype(np.float32), "prediction": prediction}
        seen, reward, over, _, _ = env.step(action)
        shown.append(seen)
        paid.append(reward)
        assert over.all() == (look + 1 == len(answers))
    return shown, paid


def compare(world: ForeignWorld, env: Any) -> None:
    """A rollout against steps by hand: what is seen, and what an episode is worth."""
    generator = torch.Generator().manual_seed(0)
    agent = Recorder(ram(world))
    scenes = world.scenes(world.count, seed=3)
    with torch.no_grad():
        path = rollout(agent, world, scenes, sample, generator)
    places, reach = world.path(path.location).numpy(), float(world.reach or 0)
    shown, paid = by_hand(env, 3 * BATCHES * world.count, places, path.logits.numpy(), reach)
    for look, seen in enumerate(agent.seen):
        glimpse = np.moveaxis(shown[look]["glimpse"], -1, 1)
        np.testing.assert_allclose(seen.glimpse.numpy(), glimpse, atol=1e-5)
        np.testing.assert_allclose(seen.location.numpy(), shown[look]["glimpse_pos"], atol=1e-6)
        time = (shown[look]["time_step"] + 1) / 2
        np.testing.assert_allclose(seen.step.numpy(), time, atol=1e-6)
    worth = (path.reward - path.loss).sum(0).numpy()
    np.testing.assert_allclose(worth, np.sum(paid, 0), rtol=1e-4)
    assert not path.reward[0].any() and (path.reward[1:] < 0).all()


def test_what_is_seen_and_paid_is_what_the_environment_says() -> None:
    compare(foreign(), Halves(6))


def test_what_ap_gym_shows_and_pays() -> None:
    ap_gym = pytest.importorskip("ap_gym", reason="ap-gym is not installed")
    world = ForeignWorld(lambda: ap_gym.make_vec("CircleSquare-v0", 4))
    assert (world.looks, world.reach, world.task.classes) == (16, 0.2, 2)
    assert world.sensor.shape((1, 1, 1)) == (1, 5, 5)
    compare(world, ap_gym.make_vec("CircleSquare-v0", 4))


def test_single_environments_in_one_of_gymnasiums_vectors_will_do() -> None:
    class Single(gymnasium.Env[Any, Any]):
        def __init__(self) -> None:
            self.one = Halves(1)
            self.observation_space = self.one.single_observation_space
            self.action_space = self.one.single_action_space

        def reset(self, *, seed: Any = None, options: Any = None) -> Any:
            seen, _ = self.one.reset(seed=seed)
            return {name: field[0] for name, field in seen.items()}, {}

        def step(self, action: Any) -> Any:
            batch = {name: value[None] for name, value in action.items()}
            seen, reward, over, _, info = self.one.step(batch)
            said = {"target": info["prediction"]["target"][0]}
            facts = {"base_reward": info["base_reward"][0], "prediction": said}
            first = {name: field[0] for name, field in seen.items()}
            return first, float(reward[0]), bool(over[0]), False, facts

    def make() -> Any:
        return gymnasium.vector.SyncVectorEnv([Single] * 3)

    world = ForeignWorld(make, LOOKS, REACH)
    scenes = world.scenes(6, seed=1)
    alone = ForeignWorld(lambda: Halves(1), LOOKS, REACH)
    for row in range(6):  # its vector gives environment i the seed s + i
        one = alone._scenes([3 * BATCHES + row])
        assert torch.equal(one.cue[0], scenes.cue[row]) and one.target[0] == scenes.target[row]
    # No loss function, so it is the cross-entropy.
    path = rollout(ram(world), world, scenes, sample, torch.Generator().manual_seed(0))
    bits = charged(path.logits, scenes.target.expand(LOOKS, -1))
    torch.testing.assert_close(path.loss, bits * math.log(2))


def test_episodes_are_those_of_their_seed_and_several_batches_are_one() -> None:
    world = foreign()
    scenes, again = world.scenes(12, seed=5), foreign().scenes(12, seed=5)
    for mine, other in zip(scenes, again, strict=True):
        assert torch.equal(mine.nan_to_num(), other.nan_to_num())
    assert torch.equal(scenes.index, 30 * BATCHES + torch.arange(12))
    others = [foreign().scenes(12, seed=seed).index for seed in (4, 6)]
    assert not torch.isin(torch.cat(others), scenes.index).any()
    assert scenes.target.unique().tolist() == [0, 1]
    agent = ram(world)
    whole = evaluate(agent, world, scenes)
    parts = evaluate(agent, foreign(), scenes, batch=6)
    torch.testing.assert_close(whole.log_probability, parts.log_probability)
    torch.testing.assert_close(whole.location, parts.location)
    assert torch.equal(whole.location[:, 0], scenes.cue) and whole.target.equal(scenes.target)
    fresh = world.fresh(world.dataset.train, torch.arange(6), torch.Generator().manual_seed(0))
    assert fresh.index.min() > 10**12


@pytest.mark.parametrize("name", ["reinforce", "self_critical", "a2c", "ppo"])
def test_score_functions_take_their_gradient(name: str) -> None:
    world = foreign()
    agent, scenes = ram(world), world.scenes(6)
    loss = ESTIMATORS[name](agent, world, scenes, torch.Generator().manual_seed(0))
    loss.total.backward()
    if loss.again is not None:  # looks at the same places again, so the same is seen
        second = loss.again()
        torch.testing.assert_close(second.path.logits, loss.path.logits)
    assert agent.locator.weight.grad.abs().sum() > 0
    assert agent.classifier.weight.grad.abs().sum() > 0


def test_training_goes_through(tmp_path: Path) -> None:
    world = foreign(32)
    agent, validation = ram(world), world.scenes(160)
    before = error(evaluate(agent, world, validation))
    trained = train(
        agent,
        Problem(world, world.fresh, world.dataset.classes),
        ESTIMATORS["learned_baseline"],
        world.dataset,
        validation,
        tmp_path,
        TrainOptions(32 * 60, batch_size=32, lr=1e-2, warmup=5, validate_every=32 * 60),
    )
    assert trained.curve[-1][1] < 0.3 < before, (before, trained.curve)


def test_a_stopped_answer_is_charged_for_what_is_left() -> None:
    world = foreign()
    view = world.open(world.scenes(6))
    logits, target = torch.randn(LOOKS, 6, 2), torch.zeros(6, dtype=torch.int64)
    final = torch.zeros(LOOKS, 6)
    final[1] = 1
    for _ in range(LOOKS - 1):
        view = world.advance(view, view.place)
    _, loss = world.outcome(view, logits, target, final)
    single = charged(logits, target.expand(LOOKS, 6))
    torch.testing.assert_close(loss[0], single[0])
    torch.testing.assert_close(loss[1], (LOOKS - 1) * single[1])


def test_what_cannot_be_is_refused() -> None:
    world = foreign()
    agent, scenes = ram(world), world.scenes(12)
    with pytest.raises(ValueError, match="use a score function"):
        rollout(agent, world, scenes, pathwise)
    with pytest.raises(ValueError, match="cannot be copied"):
        rollout(agent, world, scenes, lambda places, noise: (places.mean.repeat(2, 1), None))
    with pytest.raises(ValueError, match="batches of 6"):
        evaluate(agent, world, scenes, batch=4)
    with pytest.raises(ValueError, match="batches of 6"):
        world.open(scenes.rows(torch.tensor([1, 0, 2, 3, 4, 5])))
    with pytest.raises(ValueError, match="batches of 6, not 7"):
        world.scenes(7)
    for seed in (-1, BATCHES):
        with pytest.raises(ValueError, match="seeds of episodes are from 0 to"):
            world.scenes(6, seed)
    with pytest.raises(ValueError, match="batches of 6"):
        world.fresh(world.dataset.train, torch.arange(7))
    with pytest.raises(ValueError, match="give looks and reach"):
        ForeignWorld(lambda: Halves(2), looks=3)
    with pytest.raises(ValueError, match="ended after 4 steps, not 9"):
        rollout(agent, foreign(looks=9), scenes)
    old = world.open(scenes)
    world.open(scenes)
    with pytest.raises(ValueError, match="one episode after another"):
        world.advance(old, old.place)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"single_action_space": spaces.Box(-1, 1, (4,))}, "Dict of action and prediction"),
        ({"single_observation_space": spaces.Box(-1, 1, (4,))}, "glimpse, glimpse_pos, time_step"),
    ],
)
def test_another_convention_is_refused(change: dict[str, Any], words: str) -> None:
    env = Halves(2)
    for name, space in change.items():
        setattr(env, name, space)
    with pytest.raises(ValueError, match=words):
        ForeignWorld(lambda: env, LOOKS, REACH)
