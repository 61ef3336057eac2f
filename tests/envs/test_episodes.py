"""Which episodes come: splits passed over once, images that are chosen, seeds."""

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor

from hardattn.data import Split
from hardattn.envs import GlimpseEnv, GlimpseVectorEnv
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import compute
from hardattn.rng import mix
from hardattn.rollout import greedy
from hardattn.scenes import fixed_scenes
from tests.support.envs import Wanderer, problem
from tests.support.stepping import MODES


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("count, stop", [(5, False), (7, True), (1, False), (200, False)])
def test_one_pass_shows_every_image_once_and_in_order(
    mode: AutoresetMode, count: int, stop: bool
) -> None:
    """As `evaluate` shows them: the columns are those of the same agent in the harness."""
    whole = problem()
    one = replace(whole, split=Split(whole.split.images[:64], whole.split.labels[:64]))
    env = GlimpseVectorEnv(
        one, count, autoreset_mode=mode, stop=stop, tensors=True, answer="logits"
    )
    env.reset(seed=9)
    before = env.scenes.image.clone()
    agent, looks = Wanderer(10, stop), one.world.looks

    def act(seen: dict[str, Tensor]) -> dict[str, Tensor]:
        # An agent's state is a sum here, which an observation cannot hold: look at it afresh.
        state = agent.start(seen["location"][:, :0])
        decision = agent.step(state, Seen(seen))[1]
        action = {"location": decision.location.mode, "answer": decision.logits}
        if stop:
            action["stop"] = decision.halt.mode.bool()
        return action

    columns = env.one_pass(act)
    scenes = fixed_scenes(one.make, one.split, 1)
    wanted = evaluate(Memoryless(10, stop), one.world, scenes, greedy)
    assert torch.equal(columns["index"], torch.arange(64))
    assert torch.equal(columns["label"], wanted.target)
    assert torch.equal(columns["looks"], wanted.looks)
    assert torch.equal(columns["answer"], wanted.prediction[:, -1])
    assert torch.allclose(columns["loss"], wanted.nll[:, -1], atol=1e-6)
    error = 1 - (columns["answer"] == columns["label"]).double().mean().item()
    assert error == compute(wanted)["error"]
    right = (columns["answer"] == columns["label"]).float()
    assert torch.allclose(columns["return"], right - columns["loss"], atol=1e-6)
    assert looks == columns["looks"].max() and (columns["looks"].min() < looks) == stop
    # Afterwards it goes on where it was.
    env.reset()
    other = GlimpseVectorEnv(one, count, tensors=True)
    other.reset(seed=9)
    assert torch.equal(other.scenes.image, before)
    for _ in range(2):
        other.reset()
    assert torch.equal(other.scenes.image, env.scenes.image)


class Seen:
    """An observation of an environment, as agents have it."""

    def __init__(self, fields: dict[str, Tensor]):
        self.glimpse, self.location = fields["glimpse"], fields["location"]
        self.step = fields["step"][:, 0]


class Memoryless(Wanderer):
    def step(self, state: Tensor, seen: Any) -> Any:
        return state, super().step(torch.zeros_like(state), seen)[1]


def test_the_single_face_passes_over_a_split_too() -> None:
    env = GlimpseEnv("DigitsPlain", split="test", looks=1)
    count = len(env.vector.problem)
    _, info = env.reset(options={"one_pass": True})
    shown = []
    while info["valid"]:
        *_, terminated, _, info = env.step({"location": [0.0, 0.0], "answer": 0})
        shown.append(info["index"])
        assert terminated
        _, info = env.reset()
    assert shown == list(range(count))


def test_images_can_be_chosen() -> None:
    env = GlimpseVectorEnv("DigitsPlain", 3, split="test", reveal=True)
    _, info = env.reset(seed=0, options={"index": [5, 0, 5]})
    assert info["index"].tolist() == [5, 0, 5]
    _, info = env.reset(options={"index": 8})
    assert info["index"].tolist() == [8, 8, 8]
    _, info = env.reset()
    assert info["index"].tolist() != [8, 8, 8]
    disabled = {"autoreset_mode": "Disabled", "reveal": True}
    env = GlimpseVectorEnv("DigitsPlain", 3, split="test", **disabled)
    env.reset(seed=0)
    mask = np.array([False, True, False])
    _, info = env.reset(options={"index": 8, "reset_mask": mask})
    assert (info["index"] == 8).tolist() == mask.tolist()
    for wrong in (-1, 359, [1, 2], 1.0, True):
        with pytest.raises(ValueError, match=r"options\['index'\]"):
            env.reset(options={"index": wrong})


def test_resets_refuse_what_they_do_not_know() -> None:
    env = GlimpseVectorEnv(problem(), 2)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(env.action_space.sample())
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.reset(options={"reset_mask": np.array([True, False])})
    env.reset(seed=[3, None])
    for options, kind in (
        ({"indx": 1}, ValueError),
        ({"reset_mask": [True, False]}, TypeError),
        ({"reset_mask": np.array([1, 0])}, TypeError),
        ({"reset_mask": np.array([True])}, ValueError),
        ({"reset_mask": np.array([False, False])}, ValueError),
        ({"reset_mask": np.array([True, False]), "one_pass": True}, ValueError),
        ({"index": 0, "one_pass": True}, ValueError),
    ):
        with pytest.raises(kind):
            env.reset(options=options)
    for seeds in ([1], [1, -1], -3):
        with pytest.raises((ValueError, gymnasium.error.Error)):
            env.reset(seed=seeds)
    with pytest.raises(ValueError, match="at least"):
        GlimpseVectorEnv(problem(), 0)
    single = GlimpseEnv(problem(looks=1))
    single.reset(seed=0)
    single.step({"location": [0, 0], "answer": 0})
    with pytest.raises(gymnasium.error.ResetNeeded):
        single.step({"location": [0, 0], "answer": 0})


def test_seeds_reach_their_environments() -> None:
    env = GlimpseVectorEnv(problem(), 3, tensors=True, autoreset_mode="Disabled")
    env.reset(seed=11)
    image = env.scenes.image.clone()
    env.reset(seed=[11, mix(11, 1), 2**64 + mix(11, 2)])
    assert torch.equal(env.scenes.image, image)
    env.reset()
    second = env.scenes.image.clone()
    assert not torch.equal(second, image)
    env.reset(seed=[11, None, None])
    assert torch.equal(env.scenes.image[0], image[0])
    assert not torch.equal(env.scenes.image[1:], second[1:])
    mask = torch.tensor([False, True, False])
    env.reset(seed=[0, mix(11, 1), 0], options={"reset_mask": mask})
    assert torch.equal(env.scenes.image[1], image[1])
    env.reset()
    assert torch.equal(env.scenes.image[:2], second[:2])
    other = GlimpseVectorEnv(problem(), 3, tensors=True)
    other.reset()
    assert len({each.numpy().tobytes() for each in other.scenes.image}) == 3
