"""One stepping: the rollout, Gymnasium's vectors of singles and our vectors agree to the bit."""

import copy
import math
import pickle
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor

from hardattn.catch import Catch
from hardattn.data import Split
from hardattn.envs import GlimpseEnv, GlimpseVectorEnv, stepping
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import compute
from hardattn.rng import apart, mix
from hardattn.rollout import greedy, rollout
from hardattn.scenes import fixed_scenes
from hardattn.sensors import Retina, Zoom
from hardattn.tasks import Classify, Cluster, Sequence
from hardattn.world import World
from tests.support.envs import OFFLINE, PROBLEMS, Drifting, Wanderer, problem, same

MODES = list(AutoresetMode)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


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


def likelier(logits: Tensor, label: Tensor, looks: int) -> float:
    """Nats by which answers, (T, K), make the truth likelier than where all are alike.

    By hand, from probabilities; a symbol of those that share the looks has the last answer where
    its own did not come.
    """
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
    for row in range(3):
        gained = likelier(torch.stack(said[row]), label[row], looks) if name != "clusters" else 0.0
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
