"""Rewards are what they say, and come when they are due."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn.catch import Catch
from hardattn.envs import GlimpseVectorEnv
from hardattn.sensors import Retina
from hardattn.tasks import Classify, Cluster, Sequence
from hardattn.world import World
from tests.support.envs import OFFLINE, PROBLEMS, Drifting, problem
from tests.support.stepping import generator


def likelier(logits: Tensor, label: Tensor, looks: int, choices: int) -> float:
    """Nats by which answers, (T, K), make the truth likelier than where all are alike.

    By hand, from probabilities; a symbol of those that share the looks has the last answer where
    its own did not come. Of several questions at once, (T, P * choices), the mean of those asked.
    """
    if choices < logits.shape[1]:
        each = zip(logits.split(choices, 1), label, strict=True)
        asked = [likelier(one, truth, looks, choices) for one, truth in each if truth >= 0]
        return sum(asked) / max(len(asked), 1)
    said = logits.double().softmax(-1)
    symbols = label.tolist() if label.dim() else [int(label)]
    alike, gained = 1 / said.shape[1], 0.0
    for number, symbol in enumerate(symbols):
        look = min((number + 1) * looks // len(symbols), len(said)) - 1
        gained += math.log(said[look, symbol] / alike) if symbol >= 0 else 0.0
    return gained


@pytest.mark.parametrize("stop", [False, True])
@pytest.mark.parametrize("name", [*PROBLEMS, *OFFLINE, "clusters"])
def test_shaping_pays_for_the_likelihood_of_all_that_was_asked(name: str, stop: bool) -> None:
    """Over an episode, in every world: beside what is paid without, and to whoever stops early."""
    one: Any = PROBLEMS.get(name, name)
    if name == "clusters":
        one = problem(task=Cluster(10))
    options: dict[str, Any] = {"action": "place", "answer": "logits", "stop": stop, "tensors": True}
    bare, shaped = (
        GlimpseVectorEnv(one, 3, **options, shaping=shaping, autoreset_mode="Disabled", reveal=True)
        for shaping in (0.0, 0.7)
    )
    label = shaped.reset(seed=5)[1]["label"]
    bare.reset(seed=5)
    looks = shaped.world.looks
    drawn = generator()
    said: list[list[Tensor]] = [[], [], []]
    paid, over = torch.zeros(3), torch.zeros(3, dtype=torch.bool)
    for look in range(looks):
        action: dict[str, Tensor] = {
            "location": torch.rand(3, shaped.world.places, generator=drawn),
            "answer": 3 * torch.randn(3, shaped.world.task.classes, generator=drawn),
        }
        if stop:  # at the first look, in the middle, and never
            action["stop"] = torch.tensor([look == 0, look == looks // 2, False])
        for row in (~over).nonzero()[:, 0].tolist():
            said[row].append(action["answer"][row])
        step = shaped.step(action)
        paid += step[1] - bare.step(action)[1]
        over = torch.as_tensor(step[2])
    assert over.all()
    choices = shaped.world.task.choices
    for row in range(3):
        gained = (
            likelier(torch.stack(said[row]), label[row], looks, choices)
            if name != "clusters"
            else 0.0
        )
        assert paid[row].item() == pytest.approx(0.7 * gained, abs=1e-4)


def test_who_judges_in_its_own_way_says_when() -> None:
    """Or an environment would ask only at the end what is paid before."""
    for name in ("outcome", "answers"):
        with pytest.raises(TypeError, match="judged_at_end"):
            type("Silent", (World,), {name: lambda self, *given: given})
    for kind, when in ((World, True), (Drifting, False), (Catch, False)):
        task = () if kind is Catch else (Classify(10),)
        assert kind(Retina(5), *task, 4).judged_at_end is when  # type: ignore[call-arg,arg-type]
    assert not World(Retina(5), Sequence(11), 4).judged_at_end


def test_rewards_are_what_they_say() -> None:
    """By hand, on two looks: the task, the way, and what likelihood was gained."""
    one = problem(Retina(5), Classify(10, each=True, bonus=2.0), looks=2)
    given = {"answer": "logits", "move_cost": 0.5, "shaping": 3.0, "reveal": True}
    env = GlimpseVectorEnv(one, 1, tensors=True, **given)
    seen, info = env.reset(seed=0)
    label, start = int(info["label"]), seen["location"]
    logits = torch.zeros(1, 10)
    logits[0, label] = 2.0
    nll = torch.nn.functional.cross_entropy(logits, info["label"])
    goal = torch.tensor([[0.3, -0.4]])
    seen, reward, *_ = env.step({"location": goal, "answer": logits})
    way = (goal - start).norm()
    gained = torch.log(torch.tensor(10.0)) - nll
    assert torch.allclose(reward, 0.5 * (2 - nll) - 0.5 * way + 3 * gained)
    wrong = -logits
    worse = torch.nn.functional.cross_entropy(wrong, info["label"])
    *_, reward, terminated, _, info = env.step({"location": goal, "answer": wrong})
    assert torch.allclose(reward, -0.5 * worse + 3 * (nll - worse)) and terminated.all()
    total = 0.5 * (2 - nll) - 0.5 * way + 3 * gained - 0.5 * worse + 3 * (nll - worse)
    assert torch.allclose(info["final_info"]["return"], total)
    with pytest.raises(ValueError, match="logits"):
        GlimpseVectorEnv(one, 1, shaping=1.0)
