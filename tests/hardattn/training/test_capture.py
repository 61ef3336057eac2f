"""A step that is replayed does what one that is called does, and needs nothing of the host."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from hardattn.agents import AdaGlimpse, DasNet, MaskedAutoencoder, ReSAN, SelfDistilled
from hardattn.estimators import ESTIMATORS
from hardattn.estimators.counted import Counted
from hardattn.problem import Problem
from hardattn.training import capture
from hardattn.training.capture import WARM, Called, Captured, launcher
from hardattn.training.loop import Training
from tests.support.selection import two_levels
from tests.support.training import agent_of, begun as training, digits, left, problem, same

UPDATES = 3 * (WARM + 2)  # of each of three numbers of looks more than are called
# Of torch's operations those for which a GPU is waited for, or that copy what the host has made.
WAITS = (
    "_local_scalar_dense nonzero masked_select unique _unique2 equal is_nonzero bincount lift_fresh"
).split()


class Unwaited(TorchDispatchMode):
    """Raises where something is read back to the host, or comes from it."""

    def __torch_dispatch__(
        self, function: Any, types: Any, given: Any = (), named: Any = None
    ) -> Any:
        name = function.overloadpacket.__name__
        assert name not in WAITS, f"{name} makes a GPU wait for the host"
        return function(*given, **(named or {}))


def recorded(act: Callable[[], None]) -> Callable[[], None]:
    """In place of a graph: the same function again, of which nothing may wait."""

    def again() -> None:
        with Unwaited():
            act()

    return again


@pytest.mark.parametrize(
    "name, options, graphs",
    [
        ("learned_baseline", {"led": 0.4, "optimizer": "adamw"}, 2),
        ("moving_average", {"curriculum": 0.8, "optimizer": "sgd", "max_grad_norm": 1.0}, 3),
        ("nvil", {"schedule": "linear"}, 1),
        ("ppo", {"momentum": 0.5}, 1),
    ],
)
def test_what_is_replayed_is_what_is_called(
    tmp_path: Path, name: str, options: dict[str, Any], graphs: int
) -> None:
    """The function that was recorded first goes on to be right: all that changes is in tensors."""
    eager, other = (training(tmp_path, name, **options) for _ in range(2))
    steps: list[Callable[[], None]] = []

    def record(act: Callable[[], None]) -> Callable[[], None]:
        steps.append(act)
        return recorded(act)

    other.launch = Captured(other.learners.values(), record, lambda act: act())
    buffers = [one.data_ptr() for each in other.learners.values() for one in each.buffers()]
    for _ in range(UPDATES):
        assert eager.update() == other.update()
    assert same(left(eager), left(other)) and eager.done == other.done == UPDATES
    assert len(steps) == graphs  # one for each number of looks, and for those that are led
    assert buffers == [one.data_ptr() for each in other.learners.values() for one in each.buffers()]


def test_it_is_called_before_it_is_recorded_and_anew_for_another_kind() -> None:
    told: list[str] = []

    def record(act: Callable[[], None]) -> Callable[[], None]:
        told.append("record")
        return act

    def aside(act: Callable[[], None]) -> None:
        told.append("aside")
        act()

    sums: list[float] = []
    one = Captured((), record, aside)
    for kind in (1, 2):
        for number in range(WARM + 2):
            one(kind, lambda x: sums.append(float(x)), torch.tensor(float(number)))
    assert told == 2 * [*["aside"] * WARM, "record"]
    assert sums == 2 * [*map(float, range(WARM + 2))]


@pytest.mark.parametrize(
    "options, words",
    [
        ({}, "a CUDA graph needs a GPU, and it is on cpu"),
        ({"optimizer": "sam"}, "a CUDA graph needs a GPU"),
    ],
)
def test_what_cannot_be_captured_is_refused_in_a_line(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    run = training(tmp_path, **options)
    world, make, _ = problem()
    given = (agent_of(0), Problem(world, make, ()), run.estimator, digits(), tmp_path, run.options)
    with pytest.raises(ValueError, match=words) as refused:
        Training(*given, 0, capture=True)
    assert "\n" not in str(refused.value) and "--capture False" in str(refused.value)
    assert isinstance(Training(*given, 0).launch, Called)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"optimizer": "sam"}, "'sam' does more than to change tensors"),
        ({"growing": 0.5}, "scenes that grow change their size"),
    ],
)
def test_what_stands_against_it_on_a_gpu(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    assert words in training(tmp_path, **options).obstacles()
    assert not any(word in training(tmp_path).obstacles() for word in ("sam", "grow", "reads"))


def test_an_estimator_whose_updates_are_not_alike_says_so(tmp_path: Path) -> None:
    """What hangs on a count would be replayed as it was when it was recorded."""
    run = training(tmp_path)
    assert "counts" not in run.obstacles()
    makes = {name: row.make for name, row in ESTIMATORS.items() if isinstance(row.make, type)}
    plain = torch.nn.Module.get_extra_state
    own = {name for name, kind in makes.items() if kind.get_extra_state is not plain}
    assert own == {name for name, kind in makes.items() if issubclass(kind, Counted)} != set()
    # Each has what one of them asks for: a policy apart, a decoder, a projection, a summary.
    agents: dict[str, Any] = {
        "masked_pixels": MaskedAutoencoder,
        "self_distillation": SelfDistilled,
        "soft_actor_critic": partial(AdaGlimpse, looks=2),
    }
    for name in own:
        agent = agents.get(name, DasNet)((1, 8, 8), 10)
        run.estimator = makes[name](two_levels()[0] if name == "base_first" else agent, run.world)
        assert "its estimator counts its updates" in run.obstacles(), name


def test_an_agent_that_reads_back_says_so(tmp_path: Path) -> None:
    run = training(tmp_path)
    run.agent = ReSAN((1, 8, 8), 10, context=(1, 8, 8), grid=(4, 4))
    assert "its agent reads numbers back" in run.obstacles()


def test_where_something_forbids_it_or_nobody_wants_it_steps_are_called() -> None:
    generator = torch.Generator()
    assert isinstance(launcher(None, "a reason", [generator], ()), Called)
    assert isinstance(launcher(False, "", [generator], ()), Called)
    with pytest.raises(ValueError, match="cannot be captured: a reason"):
        launcher(True, "a reason", [generator], ())


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_learning_rate_may_be_a_tensor(tmp_path: Path, name: str) -> None:
    """As it is where steps are captured; the steps are the same."""
    runs = [training(tmp_path, optimizer=name) for _ in range(2)]
    for run in runs:
        run.update()
    for number, run in enumerate(runs):
        rate = 0.00123456789
        for group in run.optimizer.param_groups:
            group["lr"] = torch.tensor(rate, dtype=torch.float64) if number else rate
        run.optimizer.descend(torch.zeros(()))
    assert same(runs[0].agent.state_dict(), runs[1].agent.state_dict())


# Where a GPU is.


def close(one: Any, other: Any) -> bool:
    """Equal up to the order of sums, tensors and all that holds them."""
    if isinstance(one, Tensor):
        return torch.allclose(one.double(), other.double(), rtol=1e-3, atol=1e-4)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(close, one, other))
    return bool(one == other)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["learned_baseline", "moving_average", "ppo"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_on_a_gpu_captured_agrees_with_eager(tmp_path: Path, name: str, optimizer: str) -> None:
    options: dict[str, Any] = {"curriculum": 0.8, "optimizer": optimizer}
    eager, other = (training(tmp_path, name, "cuda", **options) for _ in range(2))
    assert not other.obstacles()
    made = launcher(True, "", [other.generator], other.learners.values())
    assert isinstance(made, Captured)
    other.launch = made
    for _ in range(UPDATES):
        assert eager.update() == other.update()
    assert made.again is not None
    assert close(left(eager), left(other))


@pytest.mark.gpu
def test_on_a_gpu_what_reads_back_is_refused_in_a_line(tmp_path: Path) -> None:
    graphs = capture._Graphs([torch.Generator("cuda")])
    x = torch.ones(3, device="cuda")
    with pytest.raises(ValueError, match="--capture False goes on"):
        graphs.record(lambda: print(x.sum().item()))
