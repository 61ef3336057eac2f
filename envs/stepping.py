"""The one implementation of stepping: B environments as tensors, all cut in one call.

It calls what `hardattn.rollout` calls, World.open, first, place, advance, observe and outcome, in
the same order, so that both agree to the bit. Gymnasium's faces are vector.py and single.py.
"""

from typing import Any, NamedTuple

import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor

from hardattn.rng import STEP, mixed
from hardattn.scenes import Scenes
from hardattn.world import Observation

from .actions import Act
from .episodes import Episodes, Prefetch, Problem, RandomEpisodes, SplitEpisodes, mapped
from .rewards import Rewards

# Whether something holds: for all environments alike, or (B,) bool for each. Those that begin
# together and cannot stop end together, and then no tensor has to be asked.
Flag = bool | Tensor
# Where a tensor can be asked for its value and nobody has to wait.
FREE = ("cpu",)
# What there is to know beside the observation: values of all environments, tensors or of a small
# vector arrays, and which have them.
Facts = dict[str, tuple[Any, Flag]]


class StepResult(NamedTuple):
    """What a step did: tensors, or of a small vector arrays."""

    reward: Any  # (B,)
    terminated: Flag
    facts: Facts  # beside those of the episodes
    # Of episodes in whose place others were begun:
    seen: Observation | None = None
    context: Any = None
    ended: Facts = {}


class Stepping:
    """B environments in one of Gymnasium's ways of going on after the end.

    Same step: the next episode begins at once. Next step: with the next action, which is not read.
    Disabled: what has ended stays as it is, with a reward of 0.
    """

    def __init__(
        self,
        problem: Problem,
        count: int,
        mode: AutoresetMode,
        judge: Rewards,
        move_cost: float,
        reveal: bool = False,
    ):
        self.problem, self.world, self.count = problem, problem.world, count
        self.mode, self.judge, self.move_cost, self.reveal = mode, judge, move_cost, reveal
        self.device = problem.split.device
        self.nothing: Any = judge.nothing  # the reward of a step for which there is none
        self.row = torch.arange(count, device=self.device)
        self.fresh = RandomEpisodes(problem)
        self.source: RandomEpisodes | SplitEpisodes = self.fresh
        horizon = self.world.horizon
        steps = [look / horizon for look in range(horizon + 1)]
        self.steps = torch.tensor(steps, device=self.device)
        self.starts: Tensor | None = None  # (B,) int64, the seeds, well mixed
        self.next: int | Tensor = 0  # the number of the next episode of each
        self.resume: int | Tensor = 0  # and of the one after a pass
        self.look: int | Tensor = 0  # the number of the last look
        self.over: Flag = False  # whether the episode has ended, and no other begun
        self.gained = torch.zeros(count, device=self.device)
        self.passes: SplitEpisodes | None = None
        self.ahead: Prefetch | None = None
        self.episodes: Episodes
        self.view: Any
        self.seen: Observation | None = None

    def reset(
        self,
        seeds: Tensor | None = None,
        seeded: Flag = True,
        which: Flag = True,
        index: Tensor | None = None,
        one_pass: tuple[int, int] | bool | None = None,
    ) -> None:
        """New episodes, of `which` environments.

        seeds: (B,) int64, which the sequences of the `seeded` start again from. index: (B,), which
        images are to be shown. one_pass: seeds of scenes and first looks, see `SplitEpisodes`. A
        pass lasts until one_pass=False, or seeds; then the sequences go on where they were.
        """
        if isinstance(self.source, SplitEpisodes) and (one_pass is not None or seeds is not None):
            self.source, self.next, self.ahead = self.fresh, self.resume, None
        if seeds is not None:
            starts = mixed(seeds + STEP)
            self.starts = starts if self.starts is None else _where(seeded, starts, self.starts)
            self.next, self.ahead = _where(seeded, 0, self.next), None
        if one_pass:
            assert isinstance(one_pass, tuple)
            if self.passes is None or self.passes.seeds != one_pass:
                self.passes = SplitEpisodes(self.problem, self.count, one_pass)
            self.resume, self.next = self.next, 0
            self.source, self.ahead = self.passes, None
        if index is not None and isinstance(self.source, SplitEpisodes):
            raise ValueError("a pass shows every image in its turn: there is no index to choose")
        self.begin(which, index)

    @property
    def place(self) -> Tensor:
        """(B, P) where the last look fell."""
        assert self.seen is not None
        return self.seen.location

    @property
    def who(self) -> Tensor:
        """(B,) int64: by what the source knows an environment."""
        assert self.starts is not None
        return self.row if isinstance(self.source, SplitEpisodes) else self.starts

    def __getstate__(self) -> dict[str, Any]:
        """Without the episodes that were made ahead, whose memory those shown are a part of."""
        state = self.__dict__ | {"ahead": None}
        if self.seen is not None:
            names = "episodes", "view", "seen"
            state |= {name: mapped(Tensor.clone, getattr(self, name)) for name in names}
        return state

    def begin(self, which: Flag = True, index: Tensor | None = None) -> None:
        """The next episode of some, or of all. index: (B,), which images they are to show."""
        which = settled(which)
        if which is False:
            return
        self.judge.begin(which)
        self.gained = _but(self.gained, which)
        self.over = settled(_but(self.over, which))
        if which is True and isinstance(self.next, int) and index is None:
            if self.ahead is None:
                self.ahead = Prefetch(self.source.draw, self.who)
            self._become(self.ahead.take(self.next))
        elif which is True:
            self._become(self.source.draw(self.who, self.next + 0 * self.row, index))
        else:
            self._become_in_part(which, index)
        self.next = self.next + (1 if which is True else which.long())

    def _become(self, episodes: Episodes) -> None:
        self.episodes, self.view, self.seen = episodes, episodes.view, episodes.seen
        self.look = 0

    def _become_in_part(self, which: Tensor, index: Tensor | None) -> None:
        assert self.seen is not None
        rows, chosen = self.row, self.who
        if self.device.type in FREE:  # elsewhere it costs less to make too many than to ask
            rows = which.nonzero()[:, 0]
        number = (self.next + 0 * self.row)[rows]
        new = self.source.draw(chosen[rows], number, None if index is None else index[rows])

        def put(new: Tensor, old: Tensor) -> Tensor:
            if not len(old):
                return old
            if len(rows) == self.count:
                return _where(which, new, old)
            return old.index_copy(0, rows, new)

        def put_within(new: Tensor, old: Tensor) -> Tensor:
            # The large ones, which nobody was handed, and which are copied only where they must.
            if len(rows) == self.count or not old.is_contiguous():
                return put(new, old)
            return old.index_copy_(0, rows, new)

        old = self.episodes
        picture = mapped(put_within, new.scenes.picture, old.scenes.picture)
        scenes = Scenes(picture, *mapped(put, tuple(new.scenes[1:]), tuple(old.scenes[1:])))
        self.view = mapped(put_within, new.view, self.view)
        self.seen = mapped(put, new.seen, self.seen)
        rest = mapped(put, tuple(new[3:]), tuple(old[3:]))
        self.episodes = Episodes(scenes, self.view, self.seen, *rest)
        self.look = _where(which, 0, self.look)

    def advance(self, act: Act) -> StepResult:
        """Answer, and look on."""
        assert self.seen is not None
        world, over, look = self.world, self.over, self.look
        last = look == world.looks - 1
        final = settled(_but(last if act.stop is None else last | act.stop, over))
        reward, loss = self.judge(self.view, self.episodes.scenes.target, act, look, final)
        stands = settled(final | over)
        if stands is not True:
            place = world.place(act.location, self.place)
            view = world.advance(self.view, place)
            if isinstance(look, int):
                seen = world.observe(view, place, look + 1)
            else:
                seen = world.observe(view, place, 0)
                seen = seen._replace(step=self.steps[look + 1])
            if self.move_cost:
                way = (world.point(seen.location) - world.point(self.place)).norm(dim=-1)
                reward = reward - self.move_cost * _but(way, stands)
            if stands is False:
                self.view, self.seen = view, seen
            else:
                # A world that stands still hands back the very tensors that it was given.
                self.view, self.seen = mapped(
                    lambda old, new: old if old is new else _where(stands, old, new),
                    (self.view, self.seen),
                    (view, seen),
                )
        if over is not False:
            reward = _but(reward, over)
        if reward is not self.judge.nothing:
            self.gained = self.gained + reward
        told: Facts = {} if loss is None else {"loss": (loss, _but(True, over))}
        self.look = _where(stands, look, look + 1)
        if final is False and over is False:
            return StepResult(reward, False, told)
        looks = look + 1 if isinstance(look, Tensor) else torch.full_like(self.row, look + 1)
        ended: Facts = {"return": (self.gained, final), "looks": (looks, final)}
        return self._go_on(reward, final, told, ended)

    def _go_on(self, reward: Tensor, final: Flag, told: Facts, ended: Facts) -> StepResult:
        """After a step in which something ended, or had ended before."""
        if self.mode is AutoresetMode.SAME_STEP:
            every = self.facts() | self.truth(final) | told
            kept = {name: (value, final) for name, (value, _) in every.items()}
            seen, context = self.seen, self.episodes.context
            self.begin(final)
            told = {name: (value, _but(True, final)) for name, (value, _) in told.items()}
            return StepResult(reward, final, told, seen, context, kept | ended)
        if not self.reveal:
            ended |= self.truth(final)
        if self.mode is AutoresetMode.NEXT_STEP:
            self.begin(self.over)
            self.over = final
            return StepResult(reward, final, told | ended)
        self.over = settled(self.over | final)
        return StepResult(reward, self.over, told | ended)

    def shown(self) -> tuple[Observation, Tensor]:
        """What was seen at the last looks, and the contexts."""
        assert self.seen is not None
        return self.seen, self.episodes.context

    def facts(self) -> Facts:
        """What may be known of the episodes that are shown, while they last."""
        facts = self.truth(True) if self.reveal else {}
        if self.episodes.valid is not None:
            facts["valid"] = (self.episodes.valid, True)
        return facts

    def truth(self, which: Flag) -> Facts:
        """What tells the answer, of these episodes, and 0 of the others.

        Users who copy an info into an observation would hand it to whoever is to find it.
        """
        scenes = self.episodes.scenes
        told = {"label": scenes.target, "box": self.episodes.box, "index": scenes.index}
        if isinstance(which, Tensor):
            told = {name: _where(which, value, 0) for name, value in told.items()}
        return {name: (value, which) for name, value in told.items()}


def settled(flag: Flag) -> Flag:
    """The same, as a bool if it is alike for all, and if to ask does not make the host wait."""
    if isinstance(flag, bool) or flag.device.type not in FREE:
        return flag
    some = bool(flag.any())
    return flag if some and not bool(flag.all()) else some


def _but(value: Any, flag: Flag) -> Any:
    """The value, or False or 0 where the flag is up."""
    if flag is False:
        return value
    if isinstance(value, bool):
        return value and (False if flag is True else ~flag)
    if flag is True:
        return torch.zeros_like(value)
    return value & ~flag if value.dtype == torch.bool else value.masked_fill(flag, 0)


def _where(flag: Flag, one: Any, other: Any) -> Any:
    """`one` where the flag is up, else `other`: numbers, or tensors of B rows."""
    if isinstance(flag, bool):
        return one if flag else other
    wide = max(each.dim() if isinstance(each, Tensor) else 1 for each in (one, other))
    return torch.where(flag.view(-1, *(1,) * (wide - 1)), one, other)
