"""Learning without labels first, and then from a few: masked pixels, and self-distillation."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from hardattn.distributions import full
from hardattn.estimators.counted import Counted
from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, Decision, greedy, rollout
from hardattn.scenes import Scenes, random_affine
from hardattn.world import Observation, World, whole

GOLDEN, WRAP = 2_654_435_761, 2**32  # Knuth's multiplicative hash


class Fixed:
    """The agent, of which a loss moves the probe alone."""

    def __init__(self, agent: Any):
        self.agent = agent

    def start(self, context: Tensor) -> Any:
        return self.agent.start(context)

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        found: tuple[Any, Decision] = self.agent.probed(state, seen)
        return found


class Pretraining(Counted):
    """For some updates what needs no label, then the task: see those who inherit this.

    pretraining: updates without labels; None: all, and the task beside them. probe: whether the
    task moves the probe alone, or everything. labels: the share of the images whose label is read,
    which depends on their number alone: the same images in every run, hardly more of one class than
    of another.
    """

    def __init__(self, pretraining: int | None, probe: bool, labels: float):
        super().__init__()
        if (pretraining or 0) < 0 or not 0 < labels <= 1:
            raise ValueError(
                "updates without labels are 0 or more, and labels a share above 0 and up to 1, not "
                f"{pretraining} and {labels}"
            )
        self.pretraining, self.probe, self.labels = pretraining, probe, labels

    def unlabelled(self, agent: Any, scenes: Scenes, generator: torch.Generator | None) -> Tensor:
        """(B,): the loss of each image, of which no label is read."""
        raise NotImplementedError

    def forward(
        self,
        agent: Agent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None = None,
    ) -> Loss:
        before, both = self.count(), self.pretraining is None
        if not both and before >= (self.pretraining or 0):
            return self._task(agent, world, scenes, generator)
        each = self.unlabelled(agent, scenes, generator)
        if both:
            loss = self._task(agent, world, scenes, generator)
            return loss._replace(total=loss.total + each.mean())
        with torch.no_grad():
            path = rollout(agent, world, scenes, greedy, generator)
        path = path._replace(loss=each.expand_as(path.loss) / len(path.loss))
        return Loss(each.mean(), path, torch.zeros_like(path.loss))

    def _task(
        self, agent: Any, world: World, scenes: Scenes, generator: torch.Generator | None
    ) -> Loss:
        """The task's loss, of the images whose label is read.

        It is their sum over how many there are to be expected. By how many there are, an image
        would count the more the fewer are read beside it, and processes that share a batch would
        not agree with one that has it all.
        """
        path = rollout(Fixed(agent) if self.probe else agent, world, scenes, greedy, generator)
        read = labelled(scenes.index, self.labels).to(path.loss)
        total = ((path.loss + path.cost).sum(0) * read).mean() / self.labels
        return Loss(total, path, torch.zeros_like(path.loss))


class MaskedPixels(Pretraining):
    """Patches that are hidden are to be restored (MAE; He et al. 2022, arXiv:2111.06377).

    Of each image a random share of patches is kept; the loss is the squared error of the pixels of
    all others, each patch with mean 0 and spread 1. Biased: it is no gradient of the task's loss,
    which comes after `pretraining` updates.

    Departures: no augmentation, where the paper crops; rate and schedule are those of the run, for
    both parts.

    Args:
        pretraining: Updates without labels, before those with labels; by default all have both.
        probe: Whether labels move the linear probe alone, or everything.
        labels: Share of the images whose label is read.
        masked: Share of patches that is hidden.
    """

    def __init__(
        self,
        agent: Any,
        world: World,
        *,
        pretraining: int | None = None,
        probe: bool = True,
        labels: float = 1.0,
        masked: float = 0.75,
    ):
        super().__init__(pretraining, probe, labels)
        if not hasattr(agent, "restore"):
            name = type(agent).__name__
            raise ValueError(f"{name} restores no patches: use agents.MaskedAutoencoder")
        if not 0 < masked < 1:
            raise ValueError(f"a share of patches is hidden, above 0 and below 1, not {masked}")
        self.masked = masked

    def unlabelled(self, agent: Any, scenes: Scenes, generator: torch.Generator | None) -> Tensor:
        image = whole(scenes)
        wanted = agent.wanted(image)
        count, patches = wanted.shape[:2]
        noise = torch.empty(count, patches, device=image.device).uniform_(generator=generator)
        kept = noise.argsort(1)[:, : max(1, round((1 - self.masked) * patches))]
        hidden = torch.ones_like(noise).scatter(1, kept, 0.0)
        missed = (full(agent.restore(image, kept)) - full(wanted)).square().mean(2)
        return (missed * hidden).sum(1) / hidden.sum(1).clamp_min(1)


class SelfDistillation(Pretraining):
    """Two views of an image are to be told alike (DINO; Caron et al. 2021, arXiv:2104.14294).

    The teacher is the running mean of the student, features and projection. Of views u, v of an
    image (`random_affine`; turn, stretch, shift) the loss is the mean of
    H(softmax((t(u) - c) / teacher_temperature), softmax(s(v) / student_temperature)) and the same
    of v, u; c is the running mean of what the teacher says, which keeps it from saying one thing.
    Balanced, softmax and c give way to what Sinkhorn and Knopp make of exp(t / teacher_temperature)
    of all views of a batch: every prototype is told as often as any other, which keeps it from
    saying nothing as well (Caron et al. 2020, arXiv:2006.09882; Oquab et al. 2023,
    arXiv:2304.07193). Biased: it is no gradient of the task's loss, which comes after `pretraining`
    updates.

    Departures: two views of the whole image, and no crops; views are moved, where the paper's are
    cropped, coloured and blurred; the teacher follows at one rate, and neither its temperature nor
    the weight decay has a schedule.

    Args:
        pretraining: Updates without labels, before those with labels; by default all have both.
        probe: Whether labels move the linear probe alone, or everything.
        labels: Share of the images whose label is read.
        student_temperature: Of the student's softmax.
        teacher_temperature: Of the teacher's, lower: it is surer.
        follow: The teacher's share of itself that it keeps at an update.
        centre: The same of what it says in the mean.
        balanced: Whether a batch is told all prototypes equally often, in place of the centre.
        turn: Degrees by which a view is turned at most.
        stretch: Factor by which a view is magnified at most.
        shift: How far a view is shifted at most, in half-sides.
    """

    def __init__(
        self,
        agent: Any,
        world: World,
        *,
        pretraining: int | None = None,
        probe: bool = True,
        labels: float = 1.0,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        follow: float = 0.99,
        centre: float = 0.9,
        balanced: bool = False,
        turn: float = 15.0,
        stretch: float = 1.25,
        shift: float = 0.4,
    ):
        super().__init__(pretraining, probe, labels)
        if not hasattr(agent, "project"):
            name = type(agent).__name__
            raise ValueError(f"{name} projects no features: use agents.SelfDistilled")
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.follow, self.keep, self.balanced = follow, centre, balanced
        self.moves: dict[str, float] = dict(turn=turn, stretch=stretch, shift=shift)
        self.teacher = nn.ModuleList(copy.deepcopy([agent.features, agent.project]))
        self.teacher.requires_grad_(False)
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(agent.project.prototypes.out_features))

    def unlabelled(self, agent: Any, scenes: Scenes, generator: torch.Generator | None) -> Tensor:
        if self.training:
            self._follow(agent)
        views = [whole(random_affine(scenes, generator, **self.moves)) for _ in range(2)]
        said = [full(agent.project(agent.represent(view))) for view in views]
        with torch.no_grad():
            features, project = self.teacher
            told = [full(project(features(view).mean((2, 3)))) for view in views]
            wanted = self._wanted(torch.stack(told))
            if self.training:
                self.centre.lerp_(torch.cat(told).mean(0), 1 - self.keep)
        guess = [(one / self.student_temperature).log_softmax(1) for one in said]
        return -((wanted[0] * guess[1]).sum(1) + (wanted[1] * guess[0]).sum(1)) / 2

    def _wanted(self, told: Tensor) -> Tensor:
        """(views, B, K) of what the teacher says -> what the student is to say."""
        if self.balanced:
            return sinkhorn(told.flatten(0, 1) / self.teacher_temperature).view_as(told)
        return ((told - self.centre) / self.teacher_temperature).softmax(2)

    @torch.no_grad()
    def _follow(self, agent: Any) -> None:
        """The teacher goes towards the student."""
        for held, one in zip(self.teacher, (agent.features, agent.project), strict=True):
            for mean, weight in zip(held.parameters(), one.parameters(), strict=True):
                mean.lerp_(weight, 1 - self.follow)


def sinkhorn(logits: Tensor, rounds: int = 3) -> Tensor:
    """(N, K) logits -> (N, K) distributions, after some rounds such that each of K has N / K.

    Rows and columns of exp(logits) are scaled in turn, in logarithms (Cuturi 2013,
    arXiv:1306.0895).
    """
    found = logits
    for _ in range(rounds):
        found = found.log_softmax(0)  # a column of all alike
        found = found.log_softmax(1)  # a row of one
    return found.exp()


def labelled(index: Tensor, share: float) -> Tensor:
    """(B,) numbers of images -> (B,) bool: about that share of all, always the same ones."""
    return (index * GOLDEN % WRAP) < share * WRAP
