"""THE harness: whoever looks, at whatever, becomes the same per-example columns."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from hardattn.evaluation.grounding import attended, grounded
from hardattn.maps import Map, recorded
from hardattn.rollout import Agent, Draw, Trajectory, greedy, rollout
from hardattn.scenes import Scenes, inside
from hardattn.sensors import Grid
from hardattn.tasks import Localise, apart
from hardattn.world import World

NOWHERE = torch.empty(0, 0, 0)
UNASKED = torch.empty(0)
UNGROUNDED = torch.empty(0, 0)
APART = 104_729  # between the seeds of first looks and of what is drawn after them
Kept = TypeVar("Kept")


class Columns(NamedTuple):
    """N examples, T looks, on the CPU. Every figure is computed from these and from nothing else.

    After an agent has stopped, its answer stands.
    """

    # (N, T, K) of every answer after each look; (N, T, P, K) of P questions answered at once
    log_probability: Tensor
    location: Tensor  # (N, T, 2) where each look fell; NaN where one look shows everything
    hit: Tensor  # (N, T) bool, the place lies in a target's box
    entropy: Tensor  # (N, T) of the distribution the place came from
    looks: Tensor  # (N,) int64, how many looks were taken
    # (N,) int64; (N, S) of sequences, -1 where they are over; (N, P) of P questions, -1: not asked
    target: Tensor
    index: Tensor  # type: ignore[assignment]  # (N,) int64, which image of the split the target is
    box: Tensor = NOWHERE  # (N, M, 4) of the targets, NaN where absent
    density: Tensor = NOWHERE  # (N, h, w) where it attended, over all looks; (N, 0, 0) if unsaid
    activation: Tensor = NOWHERE  # (N, h, w) what the answer was read from: the class activation
    layout: Tensor = NOWHERE  # (N, 4) int64, see `tasks.Task.layout`; (N, 0) where it says nothing
    overlap: Tensor = UNASKED  # (N,) IoU of the place answered and the true one; (0,) if unasked
    frame: Tensor = NOWHERE  # (N, T, F) bool, which of F frames a look showed; (N, 0, 0): no clip
    grounded: Tensor = UNGROUNDED  # (N, S) how far a word's looks lie on what it names, NaN: none

    @property
    def together(self) -> bool:
        """Whether several questions are answered at once."""
        return self.log_probability.dim() == 4

    @property
    def asked(self) -> Tensor:
        """(N, P) bool: which of several questions are asked."""
        return self.target >= 0

    @property
    def prediction(self) -> Tensor:
        """(N, T) int64: the most probable answer, the first of equals; -1, which is never right,
        where what was answered is no number. (N, T, P) of several questions.
        """
        nothing = self.log_probability.isnan().any(-1)
        return self.log_probability.argmax(-1).masked_fill(nothing, -1)

    @property
    def correct(self) -> Tensor:
        """(N, T) bool; of a sequence, whether all that was answered so far is right; of several
        questions, whether all are answered rightly.
        """
        return correct_so_far(self.prediction, self.target)

    @property
    def share_correct(self) -> Tensor:
        """(N, T) of float64: 1 where it is `correct`, else 0; of several questions, the share of
        those asked that are answered rightly, and 1 where none is asked.
        """
        return share_correct_so_far(self.prediction, self.target).double()

    @property
    def answer(self) -> Tensor:
        """(N,) int64, the final answer; (N, S) of sequences, each symbol's after its last look;
        (N, P) of several questions.
        """
        if self.target.dim() == 1 or self.together:
            return self.prediction[:, -1]
        return self.prediction.unflatten(1, (self.target.shape[1], -1))[..., -1]

    @property
    def nll(self) -> Tensor:
        """(N, T) nats; of a sequence, those of all symbols so far; of several questions, the mean
        over those that are asked.
        """
        if self.together:
            truth = self.target.clamp_min(0)[:, None, :, None]
            truth = truth.expand(*self.log_probability.shape[:-1], 1)
            return self._of_asked(-self.log_probability.gather(3, truth)[..., 0])
        if self.target.dim() == 1:
            target = self.target[:, None, None].expand(-1, self.log_probability.shape[1], 1)
            return -self.log_probability.gather(2, target)[..., 0]
        target = self.target.repeat_interleave(self.each, 1)
        given = -self.log_probability.gather(2, target.clamp_min(0)[..., None])[..., 0]
        return self._so_far(given * (target >= 0))

    @property
    def confidence(self) -> Tensor:
        """(N, T): the probability of the answer given; of a sequence, of all symbols so far; of
        several questions, the mean over those that are asked. 0 of an answer that is no number.
        """
        given = self.log_probability.max(-1).values
        if self.together:
            return self._of_asked(given.exp().nan_to_num(nan=0.0))
        if self.target.dim() == 1:
            return given.exp().nan_to_num(nan=0.0)
        # What it says after an end of its own counts for nothing.
        end = self.log_probability.shape[2] - 1
        ends = (self.answer == end).cumsum(1) - (self.answer == end).long()
        over = ends.bool().repeat_interleave(self.each, 1)
        return self._so_far(given.masked_fill(over, 0.0)).exp().nan_to_num(nan=0.0)

    @property
    def each(self) -> int:
        """How many looks a symbol of a sequence has."""
        return self.log_probability.shape[1] // self.target.shape[1]

    def _of_asked(self, value: Tensor) -> Tensor:
        """(N, T, P) -> (N, T): the mean over the questions that are asked; 0 where none is."""
        asked = self.asked[:, None]
        count = asked.sum(-1).clamp_min(1)
        return torch.where(asked, value, 0.0).sum(-1) / count

    def _so_far(self, value: Tensor) -> Tensor:
        """(N, T) of the symbols at hand -> with the sum over the symbols before."""
        groups = value.unflatten(1, (-1, self.each))
        before = groups[..., -1].cumsum(1) - groups[..., -1]
        return (groups + before[..., None]).flatten(1)


def evaluate(
    agent: Agent,
    world: World,
    scenes: Scenes,
    draw: Draw = greedy,
    seed: int = 0,
    batch: int | None = None,
    first: Tensor | None = None,
) -> Columns:
    """Look once at every scene, as in use: no gradient, evaluation mode, draws from `seed` alone.

    First looks are drawn on the CPU for all scenes at once, so that agents, batch sizes and
    devices share them. first: these instead. batch: scenes at a time, by default as many as are not
    too many bytes (see `World.at_once`).
    What the task has to say about all scenes together it has said: clusters have the numbers of
    classes, of which `metrics` can then be asked.
    """

    def measured(part: Scenes, path: Trajectory, maps: list[Map]) -> Columns:
        return columns(path, world, part, maps)

    return finished(world, episodes(agent, world, scenes, measured, draw, seed, batch, first))


def finished(world: World, parts: Sequence[Columns]) -> Columns:
    """The columns of a set of scenes, from those of its batches, finished by the world's task."""
    return world.task.finish(concatenate(parts))


def episodes(
    agent: Agent,
    world: World,
    scenes: Scenes,
    keep: Callable[[Scenes, Trajectory, list[Map]], Kept],
    draw: Draw = greedy,
    seed: int = 0,
    batch: int | None = None,
    first: Tensor | None = None,
) -> list[Kept]:
    """What `keep` makes of each batch, as `evaluate` looks at it: its scenes, episodes and maps."""
    world.check(scenes)
    # From the same seed as the first looks, a random agent's second would be its first again.
    generator = torch.Generator(scenes.device).manual_seed(seed + APART)
    if first is None:
        first = world.first(scenes, torch.Generator().manual_seed(seed))
    training = isinstance(agent, nn.Module) and agent.training
    if isinstance(agent, nn.Module):
        agent.eval()
    kept, batch = [], batch or world.at_once(scenes)
    try:
        with torch.no_grad():
            for start in range(0, len(scenes), batch):
                part = scenes.slice(start, start + batch)
                begin = first[start : start + batch]
                with recorded(agent) as maps:
                    path = rollout(agent, world, part, draw, generator, begin)
                kept.append(keep(part, path, maps))
    finally:
        if training and isinstance(agent, nn.Module):
            agent.train()
    return kept


def concatenate(parts: Sequence[Columns]) -> Columns:
    """One after the other."""
    return Columns(*(torch.cat(column) for column in zip(*parts, strict=True)))


def average(passes: list[Columns]) -> Columns:
    """The mean probability over several passes (Ba et al. 2015); places are those of the first."""
    stacked = torch.stack([one.log_probability for one in passes])
    mean = stacked.logsumexp(0) - torch.log(torch.tensor(float(len(passes))))
    return passes[0]._replace(log_probability=mean)


def correct_so_far(answer: Tensor, target: Tensor) -> Tensor:
    """(N, T) answers, targets -> (N, T) bool: was all that was answered so far right?

    Of (N, T, P) answers to (N, P) questions: are all that are asked answered rightly? Of (N, S)
    sequences each symbol has T / S looks, of which the last one counts once it is over; what is
    answered after the end of a sequence does not.
    """
    if target.dim() == 1:
        return answer == target[:, None]
    if answer.dim() == 3:
        return ((answer == target[:, None]) | (target < 0)[:, None]).all(-1)
    asked = target[..., None]
    good = (answer.unflatten(1, (target.shape[1], -1)) == asked) | (asked < 0)
    # Wrong once is wrong for good: of the symbols before, each at its last look.
    before = torch.cat([torch.ones_like(good[:, :1, -1]), good[:, :-1, -1]], 1)
    return (good & before.cumprod(1).bool()[..., None]).flatten(1)


def share_correct_so_far(answer: Tensor, target: Tensor) -> Tensor:
    """As `correct_so_far`, bool; of several questions, in float64, the share that is right."""
    if answer.dim() < 3:
        return correct_so_far(answer, target)
    asked = (target >= 0)[:, None]
    wrong = (asked & (answer != target[:, None])).sum(-1)
    return 1 - wrong / asked.sum(-1).clamp_min(1).double()


def columns(path: Trajectory, world: World, scenes: Scenes, maps: list[Map]) -> Columns:
    """What one batch's episodes, and the maps recorded meanwhile, come to."""
    looks = path.alive.sum(0).long()
    row = torch.arange(world.looks, device=looks.device)[:, None]
    held = torch.minimum(row, looks - 1)[..., None].expand_as(path.logits)
    place = world.path(path.location)
    point = world.point(place)
    hit = inside(point, scenes.box) & path.alive.bool()
    if world.sensor.everything:
        point, hit = torch.full_like(point, torch.nan), torch.zeros_like(hit)
    layout = scenes.index.new_tensor(world.task.layout)
    by_example = (
        apart(path.logits.gather(0, held), world.task).log_softmax(-1).transpose(0, 1),
        point.transpose(0, 1),
        hit.T,
        path.entropy.T,
        looks,
        scenes.target,
        scenes.index,
        scenes.box,
        _density(path, place, world, scenes, maps),
        _last(maps, activation=True, like=path.logits),
        layout.expand(len(scenes), -1),
        _overlap(world, path.logits.gather(0, held)[-1], scenes.target),
        _frames(point, world, looks),
        grounded(world, place, scenes, maps),
    )
    return Columns(*(column.cpu() for column in by_example))


def _overlap(world: World, logits: Tensor, target: Tensor) -> Tensor:
    """What the final answers (N, K) are worth to a task that asks for a place; (0,) to others."""
    if not isinstance(world.task, Localise):
        return UNASKED
    return world.task.worth(logits.argmax(-1), target)


def _frames(point: Tensor, world: World, looks: Tensor) -> Tensor:
    """(T, B, 2) points -> (B, T, F) bool: which frames of a clip each look showed."""
    if world.frames == 1:
        return looks.new_zeros(len(looks), 0, 0, dtype=torch.bool)
    number = torch.arange(world.frames, device=point.device)
    # One look at everything, whose place is not known, shows all of them.
    frame = ((point[..., :1] + 1) / 2 * world.frames).floor().clamp(0, world.frames - 1)
    shown = (frame == number) | point[..., :1].isnan()
    taken = torch.arange(len(point), device=point.device)[:, None] < looks
    return (shown & taken[..., None]).transpose(0, 1)


def _density(
    path: Trajectory, place: Tensor, world: World, scenes: Scenes, maps: list[Map]
) -> Tensor:
    """Of looks over cells their mean place, but for the first; otherwise the last block's map.

    Of who says a sentence the mean of all its maps, but for the first word's.
    """
    if isinstance(world.sensor, Grid) and len(place) > 1:
        chosen = path.alive[1:, :, None, None]
        return (world.sensor.density(place[1:]) * chosen).sum(0) / chosen.sum(0).clamp_min(1)
    if scenes.named.numel() and (at := attended(world, place, maps)) is not None:
        return at[1:].mean(0)
    return _last(maps, activation=False, like=path.logits)


def _last(maps: list[Map], activation: bool, like: Tensor) -> Tensor:
    """The last map's density, of class activations or of the others; (N, 0, 0) if there is none."""
    found = [one for one in maps if (one.kind == "gradient") == activation and one.at is not None]
    density = found[-1].density if found else None
    return like.new_zeros(like.shape[1], 0, 0) if density is None else density
