"""What is learned without labels: equal to slow losses, blind to labels, before a probe."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.agents import RAM, MaskedAutoencoder, SelfDistilled
from hardattn.data import load
from hardattn.estimators import ESTIMATORS
from hardattn.estimators.pretraining import MaskedPixels, SelfDistillation, labelled, sinkhorn
from hardattn.scenes import Scenes, fixed_scenes, translated
from hardattn.sensors import Whole
from hardattn.tasks import Classify
from hardattn.world import World, whole

WORLD = World(Whole(), Classify(10, each=True), 1, first="centre")
AGENTS: dict[str, Any] = {"masked_pixels": MaskedAutoencoder, "self_distillation": SelfDistilled}


def scenes(count: int = 6) -> Scenes:
    return fixed_scenes(partial(translated, canvas=12), load("digits").train, 0).slice(0, count)


def built(name: str, **options: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    agent = AGENTS[name]((1, 12, 12), 10, width=8)
    return agent, ESTIMATORS[name].build(agent, WORLD, **options)


def relabelled(of: Scenes) -> Scenes:
    return Scenes(of.picture, (of.target + 1) % 10, *of[2:])


def gradients(agent: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    found = torch.autograd.grad(loss, list(agent.parameters()), allow_unused=True)
    names = [name for name, _ in agent.named_parameters()]
    return {name: each for name, each in zip(names, found, strict=True) if each is not None}


@pytest.mark.parametrize("name", list(AGENTS))
def test_no_label_is_read_before_the_probe(name: str) -> None:
    found = []
    for given in (scenes(), relabelled(scenes())):
        agent, estimator = built(name, pretraining=1)
        loss = estimator(agent, WORLD, given, torch.Generator().manual_seed(1))
        found.append(gradients(agent, loss.total))
        assert torch.allclose(loss.path.loss.sum(0).mean(), loss.total)
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][each], found[1][each]) for each in found[0])
    moved = {each.partition(".")[0] for each in found[0]}
    assert "features" in moved and "probe" not in moved


@pytest.mark.parametrize("name", list(AGENTS))
def test_then_a_probe_alone_or_everything_learns_the_task(name: str) -> None:
    for probe in (True, False):
        agent, estimator = built(name, probe=probe, pretraining=0)
        loss = estimator(agent, WORLD, scenes(), torch.Generator().manual_seed(1))
        moved = {each.partition(".")[0] for each in gradients(agent, loss.total)}
        assert moved == {"probe"} if probe else moved == {"probe", "features"}
        wanted = F.cross_entropy(loss.path.logits[0], scenes().target)
        assert torch.allclose(loss.total, wanted)


@pytest.mark.parametrize("name", list(AGENTS))
def test_or_both_at_once_and_labels_move_the_probe_alone(name: str) -> None:
    found = []
    for given in (scenes(), relabelled(scenes())):
        agent, estimator = built(name)
        loss = estimator(agent, WORLD, given, torch.Generator().manual_seed(1))
        found.append(gradients(agent, loss.total))
    for each in found[0]:
        assert torch.equal(found[0][each], found[1][each]) == (not each.startswith("probe")), each


def test_its_updates_are_counted_and_kept() -> None:
    agent, estimator = built("masked_pixels", pretraining=2)
    noise = torch.Generator().manual_seed(1)
    moved = []
    for _ in range(3):
        loss = estimator(agent, WORLD, scenes(), noise)
        moved.append("features.norm.norm.weight" in gradients(agent, loss.total))
    assert moved == [True, True, False]
    other = built("masked_pixels", pretraining=2)[1]
    other.load_state_dict(estimator.state_dict())
    assert other.updates == 3


def test_masked_pixels_by_a_slow_loss() -> None:
    agent, estimator = built("masked_pixels", pretraining=1)
    image = whole(scenes())
    found = estimator.unlabelled(agent, scenes(), torch.Generator().manual_seed(3))
    noise = torch.empty(6, 9).uniform_(generator=torch.Generator().manual_seed(3))
    kept = noise.argsort(1)[:, :2]  # a quarter of nine
    restored = agent.restore(image, kept)
    for row in range(6):
        missed = []
        for patch in set(range(9)) - set(kept[row].tolist()):
            y, x = patch // 3 * 4, patch % 3 * 4
            pixels = image[row, 0, y : y + 4, x : x + 4].flatten()
            pixels = (pixels - pixels.mean()) / (pixels.var(unbiased=False) + 1e-6).sqrt()
            missed.append((restored[row, patch] - pixels).square().mean())
        assert torch.allclose(found[row], torch.stack(missed).mean(), atol=1e-5)


def test_what_is_hidden_is_not_seen() -> None:
    agent, _ = built("masked_pixels")
    image = whole(scenes())
    kept = torch.tensor([[0, 4]]).expand(6, -1)
    other = image.clone()
    other[:, :, 8:] = torch.rand(6, 1, 4, 12)  # the last row of patches
    assert torch.equal(agent.restore(image, kept), agent.restore(other, kept))
    other[:, :, :4, :4] += 0.5
    assert not torch.equal(agent.restore(image, kept), agent.restore(other, kept))


def test_self_distillation_by_a_slow_loss() -> None:
    agent, estimator = built("self_distillation", pretraining=9)
    with torch.no_grad():
        for weight in estimator.teacher.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
        estimator.centre.normal_(generator=torch.Generator().manual_seed(0))
    estimator.eval()
    seen: list[Tensor] = []
    represent = agent.represent
    agent.represent = lambda image: seen.append(image) or represent(image)
    found = estimator.unlabelled(agent, scenes(), torch.Generator().manual_seed(3))
    features, project = estimator.teacher
    total = torch.zeros(6)
    for one, other in (seen, seen[::-1]):
        told = project(features(one).mean((2, 3))) - estimator.centre
        said = agent.project(represent(other))
        for row in range(6):
            p, q = torch.softmax(told[row] / 0.04, 0), torch.softmax(said[row] / 0.1, 0)
            total[row] -= (p * q.log()).sum() / 2
    assert torch.allclose(found, total, atol=1e-4) and not torch.equal(*seen)


def test_every_prototype_is_told_as_often_as_any_other() -> None:
    logits = torch.randn(64, 8, generator=torch.Generator().manual_seed(0)).double()
    logits[:, 0] += 3  # what everybody would say
    assert logits.softmax(1).sum(0)[0] > 30
    found = sinkhorn(logits, 200)
    assert torch.allclose(found.sum(1), torch.ones(64).double())
    assert torch.allclose(found.sum(0), torch.full((8,), 8.0).double())
    # Of all such, the one nearest to exp(logits): rows times columns.
    apart = found.log() - logits
    assert (apart - apart[:1] - apart[:, :1] + apart[0, 0]).abs().max() < 1e-9


def test_who_says_the_same_of_all_is_told_to_tell_them_apart_only_if_balanced() -> None:
    """Sharp differences that are small beside what all have in common are what is left to learn."""
    told = torch.tensor([[[0.9, 0.1], [0.8, 0.1]]])
    kept: Any = SelfDistillation(SelfDistilled((1, 8, 8), 10, prototypes=2), WORLD, balanced=True)
    wanted = kept.train()._wanted(told)
    assert wanted[0, 0, 0] > 0.7 and wanted[0, 1, 1] > 0.7
    plain: Any = SelfDistillation(SelfDistilled((1, 8, 8), 10, prototypes=2), WORLD)
    assert (plain._wanted(told)[0].argmax(1) == 0).all()


def test_the_teacher_follows_and_is_not_learned() -> None:
    agent, estimator = built("self_distillation", pretraining=9, follow=0.75)
    before = [weight.clone() for weight in estimator.teacher.parameters()]
    with torch.no_grad():
        for weight in (*agent.features.parameters(), *agent.project.parameters()):
            weight.add_(1.0)
    loss = estimator(agent, WORLD, scenes(), torch.Generator().manual_seed(3))
    for was, weight in zip(before, estimator.teacher.parameters(), strict=True):
        assert torch.allclose(weight, was + 0.25, atol=1e-5) and not weight.requires_grad
    assert estimator.centre.abs().sum() > 0
    loss.total.backward()
    assert all(weight.grad is None for weight in estimator.teacher.parameters())


def test_the_same_share_of_images_is_labelled_in_every_run() -> None:
    index = torch.arange(10_000)
    few, more = labelled(index, 0.05), labelled(index, 0.2)
    assert abs(few.float().mean() - 0.05) < 0.005 and abs(more.float().mean() - 0.2) < 0.01
    assert (more | ~few).all() and labelled(index, 1.0).all()
    agent, estimator = built("masked_pixels", labels=0.5, pretraining=0)
    given = scenes(12)
    read = labelled(given.index, 0.5)
    loss = estimator(agent, WORLD, given, torch.Generator().manual_seed(1))
    each = F.cross_entropy(loss.path.logits[0], given.target, reduction="none")
    assert 0 < read.sum() < 12 and torch.allclose(loss.total, each[read].sum() / 6)


def test_parts_of_a_batch_agree_with_all_of_it_however_many_labels_each_has() -> None:
    agent, estimator = built("masked_pixels", labels=0.3, pretraining=0)
    agent.eval()  # norms at rest
    given = scenes(12)
    read = labelled(given.index, 0.3)
    halves = [given.slice(0, 6), given.slice(6, 12)]
    assert read[:6].sum() != read[6:].sum(), "one has more labels than the other"
    parts = [estimator(agent, WORLD, half).total for half in halves]
    assert torch.allclose(sum(parts) / 2, estimator(agent, WORLD, given).total)


def test_what_cannot_be_is_refused() -> None:
    ram = RAM((1, 4, 4), 10, hidden=4, what=4, where=4)
    with pytest.raises(ValueError, match="RAM restores no patches"):
        MaskedPixels(ram, WORLD)
    with pytest.raises(ValueError, match="RAM projects no features"):
        SelfDistillation(ram, WORLD)
    with pytest.raises(ValueError, match="a share of patches is hidden"):
        built("masked_pixels", masked=1.0)
    with pytest.raises(ValueError, match="labels a share above 0 and up to 1"):
        built("masked_pixels", labels=0.0)
