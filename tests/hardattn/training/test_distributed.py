"""Several processes that share each batch end as one does, whatever befalls one of them."""

import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents import (
    SCAL,
    MeanPool,
    SoftAgent,
    Variational,
    no_block,
)
from hardattn.agents.variational import VariationalDirichlet
from hardattn.attention import BLOCKS, HEADS
from hardattn.estimators import ESTIMATORS, refuse
from hardattn.scenes import Scenes
from hardattn.sensors import Cells, GaussianWindow, Whole
from hardattn.tasks import Classify
from hardattn.training import checkpoint
from hardattn.training.distributed import ALONE, LOST, Lost, Ranks, joined
from hardattn.training.interrupt import Stopped
from hardattn.training.log import Log, read_metrics
from hardattn.training.metrics import NotFinite
from hardattn.training.optimizers import OPTIMIZERS
from hardattn.world import World
from tests.support import training
from tests.support.estimators import CLASSES, Setting, cells, patches, plane, points, three, weights
from tests.support.ranks import in_ranks
from tests.support.selection import some_patches, two_levels
from tests.support.settings import clusters, episodes, gates, hidden, stacks, views, zoomed
from tests.support.training import BATCH, EVERY, UPDATES, before_update, outcome, same


class Plain(Log):
    """Without pictures, which take longer than these trainings."""

    def _pictures(self, *given: Any) -> Any:
        return iter(())


def learn(folder: Path, **options: Any) -> Any:
    return training.learn(folder, log=Plain(folder, quiet=True), **options)


ROUNDING = 5e-6  # relative, of a gradient; one weight's own noise is a hundred thousand times that
# Sums over noises, which nearly cancel, divided by a small sigma: 3e-14 in double precision. Three
# images of 4x4, normalised by their small deviations: 2e-12. Layers one on the other that normalise
# maps of few places by the batch: 3e-14.
ROUNDING_OF = {
    "estimator perturbed_top_k": 1e-4,
    "estimator full_view_teacher": 1e-3,
    "estimator instructed": 1e-3,
    "estimator cross_attention": 1e-3,
}


def features(agent: Callable[..., Any] = SCAL, **sizes: int) -> Setting:
    torch.manual_seed(9)
    world = World(Cells(2, 2), Classify(CLASSES), 2, first="centre", context="whole")
    return agent((1, 2, 2), CLASSES, context=(1, 4, 4), features=8, hidden=8, **sizes), world


SETTINGS: tuple[Callable[[], Setting], ...] = (
    *(points, partial(points, bonus=0.0), cells, patches, partial(patches, bonus=0.0), weights),
    *(partial(plane, GaussianWindow(2, sigma=0.8), bonus=0.0), partial(features, reduction=2)),
    *(clusters, episodes, partial(features, Variational), partial(features, VariationalDirichlet)),
    *(some_patches, partial(some_patches, "attention_sampling"), zoomed),
    *(two_levels, stacks),
)
# Those that `points` does not suit.
WHOLE = {
    **{"gat_cluster": clusters, "frozen_base": gates},
    **{"masked_pixels": hidden, "self_distillation": views},
}


def gradients(
    ranks: Ranks, agent: Any, world: World, estimator: Any, scenes: Scenes
) -> list[Tensor]:
    """Of two updates, all in one; and what is kept beside the weights after them."""
    learners = [one for one in (agent, estimator) if isinstance(one, nn.Module)]
    generator, found = torch.Generator().manual_seed(7), []
    mine = scenes.rows(ranks.rows(torch.arange(len(scenes))))
    parameters = [weight for each in learners for weight in each.parameters()]
    for _ in range(2):
        look = partial(estimator, agent, world, mine, generator)
        loss = ranks.together(look, learners, len(mine))()
        loss.total.backward()
        moved = [(one, one.grad) for one in parameters if one.grad is not None]
        found.append(torch.cat([gradient.flatten() for _, gradient in moved]))
        with torch.no_grad():
            for weight, gradient in moved:
                weight -= 0.05 * gradient
                weight.grad = None
    kept = [buffer.flatten().double() for each in learners for buffer in each.buffers()]
    return [*found, torch.cat([*kept, torch.ones(1)])]


def of_estimator(name: str, ranks: Ranks) -> list[Tensor]:
    row = ESTIMATORS[name]
    agent, world = next(
        setting for setting in (each() for each in SETTINGS) if not row.refusal(*setting, three())
    )
    torch.manual_seed(5)
    return gradients(ranks, agent, world, row.build(agent, world), three().repeat(8))


def of_layer(name: str, ranks: Ranks) -> list[Tensor]:
    torch.manual_seed(1)
    agent = soft(name)
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(256, (24, 1, 12, 12), generator=generator, dtype=torch.uint8)
    number = torch.arange(24)
    scenes = Scenes(image, number % 4, torch.zeros(24, 1, 4), number)
    world = World(Whole(), Classify(4), 1, "centre")
    return gradients(ranks, agent, world, ESTIMATORS["learned_baseline"].make, scenes)


def soft(name: str) -> SoftAgent:
    block = BLOCKS[name].make if name in BLOCKS else no_block
    head = HEADS[name].make if name in HEADS and name not in BLOCKS else MeanPool
    return SoftAgent((1, 12, 12), 4, width=16, block=block, head=head)


SHARED = [name for name, row in ESTIMATORS.items() if not row.whole]
# Its running bases are brought to length one after a mean over the batch, and rounding grows in it.
UNSTEADY = ("em_attention",)


def normed() -> list[str]:
    """Layers that look at the batch in training, or draw in it."""
    drawing = ("stochastic", "bayesian", "dropout", "uncertainty", "gaussian")
    kind = nn.modules.batchnorm._BatchNorm
    count = {
        name: sum(isinstance(layer, kind) for layer in soft(name).modules())
        for name in (*BLOCKS, *HEADS)
    }
    return [
        name
        for name in count
        if name not in UNSTEADY
        and (count[name] > min(count.values()) or any(word in name for word in drawing))
    ]


@pytest.mark.parametrize("size, every", [(2, 1), (3, 5)])
def test_gradients_are_those_of_one_process(tmp_path: Path, size: int, every: int) -> None:
    """Of all estimators; and of layers that normalise by the batch, or draw."""
    layers, estimators = normed()[::every], SHARED[::every]
    assert len(layers) > 1

    def all_of_them(ranks: Ranks) -> dict[str, list[Tensor]]:
        found = {f"estimator {name}": of_estimator(name, ranks) for name in estimators}
        return found | {f"layer {name}": of_layer(name, ranks) for name in layers}

    first, *others = in_ranks(size, tmp_path, all_of_them)
    assert all(same(first, other) for other in others)
    for name, wanted in all_of_them(ALONE).items():
        for one, other in zip(wanted, first[name], strict=True):
            assert (one - other).norm() <= ROUNDING_OF.get(name, ROUNDING) * one.norm(), name


def test_what_needs_a_whole_batch_is_refused() -> None:
    for name, row in ESTIMATORS.items():
        setting = WHOLE.get(name, points)()
        if row.whole:
            with pytest.raises(ValueError, match=f"{name}.*whole, and 2 processes share it"):
                refuse(name, *setting, processes=2)
        refuse("learned_baseline", *setting, processes=2)
    assert sum(row.whole for row in ESTIMATORS.values()) == 6


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_a_training_is_that_of_one_process(tmp_path: Path, optimizer: str) -> None:
    options: dict[str, Any] = dict(optimizer=optimizer, max_grad_norm=1.0, curriculum=0.3)

    def work(ranks: Ranks) -> dict[str, Any]:
        folder = tmp_path / ("shared" if ranks.first else "nothing")
        trained, agent = learn(folder, ranks=ranks, **options)
        return {"curve": trained.curve, "agent": agent.state_dict()}

    trained, agent = learn(tmp_path / "alone", **options)
    found = in_ranks(2, tmp_path / "ranks", work)
    assert same(found[0], found[1]) and not (tmp_path / "nothing").exists()
    assert [seen for seen, _ in found[0]["curve"]] == [seen for seen, _ in trained.curve]
    for one, other in zip(agent.parameters(), found[0]["agent"].values(), strict=True):
        assert (one - other).abs().max() <= 1e-6 * UPDATES
    logs = (read_metrics(tmp_path / name) for name in ("alone", "shared"))
    for one, other in zip(*logs, strict=True):
        known = {key: value for key, value in one["training"].items() if value is not None}
        assert len(known) > 4 and one["training"].keys() == other["training"].keys()
        for key, value in known.items():
            assert other["training"][key] == pytest.approx(value, rel=1e-4, abs=1e-6), key


def test_a_signal_to_one_stops_all_at_the_same_update_and_resuming_is_exact(tmp_path: Path) -> None:
    def work(ranks: Ranks) -> int:
        learn(tmp_path / "whole", ranks=ranks)
        strike = partial(os.kill, os.getpid(), signal.SIGTERM)
        # Twice, as torchrun and whoever stops torchrun may both pass it on.
        twice = (lambda: [strike(), strike()]) if ranks.rank == 1 else (lambda: None)
        with pytest.raises(Stopped, match="the same command goes on") as stopped:
            learn(tmp_path / "parts", ranks=ranks, estimator=before_update(7, twice))
        found = checkpoint.latest(tmp_path / "parts" / "checkpoints")
        learn(tmp_path / "parts", ranks=ranks)
        assert found is not None
        return 1000 * stopped.value.code + found[0]

    # Signals are asked for where figures are read: here at the validation after update 12.
    assert in_ranks(2, tmp_path / "ranks", work) == [143_000 + 2 * EVERY] * 2
    assert same(outcome(tmp_path / "parts"), outcome(tmp_path / "whole"))


def test_who_loses_another_says_so_and_all_go_on_from_the_last_checkpoint(tmp_path: Path) -> None:
    def lose(ranks: Ranks) -> str:
        gone = partial(os._exit, 0) if ranks.rank == 1 else (lambda: None)
        with pytest.raises(Lost, match="the same command goes on from the last") as lost:
            learn(tmp_path / "parts", ranks=ranks, estimator=before_update(8, gone))
        assert lost.value.code == LOST
        return str(lost.value)

    def work(ranks: Ranks) -> int:
        learn(tmp_path / "whole", ranks=ranks)
        learn(tmp_path / "parts", ranks=ranks)
        return 0

    (tmp_path / "first").mkdir()
    torch.save("", tmp_path / "first" / "1.pt")  # which the lost one does not leave
    said = in_ranks(2, tmp_path / "first", lose)
    assert "another process of this training ended" in said[0]
    found = checkpoint.latest(tmp_path / "parts" / "checkpoints")
    assert found is not None and found[0] == EVERY
    shutil.copytree(tmp_path / "parts", tmp_path / "alone")
    in_ranks(2, tmp_path / "second", work)
    # Or in any other number of processes.
    learn(tmp_path / "alone")
    ends = (outcome(tmp_path / name)["last"]["agent"].values() for name in ("alone", "whole"))
    for one, other in zip(*ends, strict=True):
        assert (one - other).abs().max() <= 1e-6 * UPDATES
    assert same(outcome(tmp_path / "parts"), outcome(tmp_path / "whole"))


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_not_finite_in_one_stops_all_before_the_update(tmp_path: Path, where: str) -> None:
    def work(ranks: Ranks) -> str:
        count = iter(range(UPDATES))

        def estimator(*given: Any) -> Any:
            loss = ESTIMATORS["learned_baseline"].make(*given)
            if next(count) == 4 and ranks.rank == 1:
                held = next(given[0].parameters()).sum()
                # The first has a gradient that is finite.
                wrong = loss.total + torch.inf if where == "loss" else loss.total + torch.nan * held
                return loss._replace(total=wrong)
            return loss

        with pytest.raises(NotFinite) as fault:
            learn(tmp_path / "run", ranks=ranks, estimator=estimator)
        return str(fault.value)

    said = in_ranks(2, tmp_path / "ranks", work)
    assert said[0] == said[1] and "not finite at update 5;" in said[0]


def test_noise_is_that_of_the_whole_batch(tmp_path: Path) -> None:
    chance = torch.linspace(0, 1, 36).view(12, 3)

    def draws(rows: int, chance: Tensor) -> list[Tensor]:
        generator = torch.Generator().manual_seed(3)
        torch.manual_seed(4)
        like = torch.zeros(rows, 5)
        return [
            torch.rand(rows, generator=generator),
            torch.randn(rows, 17, generator=generator),
            torch.randint(9, (rows, 3), generator=generator),
            torch.randint(-2, 9, (3 * rows, 2), generator=generator),
            like.new_empty(rows, 4, 4).uniform_(-1, 1, generator=generator),
            like.new_empty(2 * rows, 30).normal_(generator=generator),
            like.new_empty(rows, 2).exponential_(generator=generator),
            torch.rand_like(like),
            torch.bernoulli(like + 0.5),
            nn.functional.dropout(like + 1),
            nn.functional.gumbel_softmax(like),
            nn.Dropout(0.3)(like + 1),
            torch.multinomial(like + 1, 3, generator=generator),
            torch._standard_gamma(chance + 0.1, generator=generator),
            like.new_empty(rows, 3).bernoulli_(chance, generator=generator),
            torch.randn(rows, generator=generator),
        ]

    def work(ranks: Ranks) -> dict[str, Any]:
        with ranks.drawing(6):
            mine = draws(6, ranks.rows(chance))
            shared = torch.randn(7, 3), torch.randperm(5), torch.rand(())
            query = torch.ones(6, 2, 4, 8)
            nn.functional.scaled_dot_product_attention(query, query, query)
        return {"mine": mine, "shared": shared}

    parts = in_ranks(2, tmp_path, work)
    for at, whole in enumerate(draws(12, chance)):
        copies = len(whole) // 12
        both = torch.cat([part["mine"][at] for part in parts])
        assert torch.equal(both, whole), (at, copies)
    assert same(parts[0]["shared"], parts[1]["shared"])


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match="3 processes cannot share 16 scenes evenly"):
        Ranks(0, 3).rows(torch.arange(BATCH))


def test_who_was_started_with_something_else_is_told(tmp_path: Path) -> None:
    def work(ranks: Ranks) -> str:
        ranks.same("recipe", {"lr": 1})
        if ranks.first:
            ranks.same("data", "abc")
            return ""
        with pytest.raises(ValueError) as fault:
            ranks.same("data", "abd")
        return str(fault.value)

    assert "process 1 of 2 has another data than the first" in in_ranks(2, tmp_path, work)[1]


def test_alone_nothing_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as ranks:
        assert ranks is ALONE and ranks.first and not torch.distributed.is_initialized()
    assert ALONE.device("auto") == "auto" and ALONE.from_first(lambda: 3) == 3
    assert ALONE.asked([143], due=False) == 143 and ALONE.asked([], due=True) == 0
