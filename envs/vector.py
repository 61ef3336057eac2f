"""Many glimpse environments behind one Gymnasium face."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from hardattn.rng import apart
from hardattn.scenes import Scenes

from .actions import Actions
from .catalogue import document, problem_of, unexpected
from .episodes import Problem, RandomEpisodes
from .observations import Observations, array
from .rewards import Rewards
from .small import Small, serves
from .stepping import Facts, Flag, Stepping, StepResult, settled

OPTIONS = ("index", "reset_mask", "one_pass")
PASSED = ("label", "index", "return", "looks", "loss")  # what a pass keeps of each episode


class GlimpseVectorEnv(VectorEnv[Any, Any, Any]):
    """B environments in which an image is looked at through glimpses, and a question answered.

    An observation is what was seen at the last look; an action is what to answer now and where to
    look next. So an episode of T looks has T steps, at the last of which, or at a stop, no look
    follows: the last observation stands.

    problem: a name of the catalogue, or a `Problem`. split: train, validation or test, of a named
    problem; **settings: its own (canvas, looks, size, ...). action, answer, stop, flat_actions,
    cells: see `Actions`. flat_observations: one Box in place of a Dict. The reward is the task's,
    minus its loss where logits are answered; minus move_cost times the distance from look to look;
    plus shaping times what the answer's likelihood has gained, in nats, since the last look.
    reveal: tell the answer from the first look on, in infos and in pictures.
    tensors: take and return torch tensors on `device`, to be read and not written to; otherwise
    NumPy arrays, as Gymnasium has it, with `_key` masks in infos.

    reset(seed=s): the first environment has the seed s, number i
    `hardattn.rng.mix(s, i)`, so that no other seed has one of these
    (`hardattn.rng.apart`); of a list, the i-th. Its episodes are a function of that seed alone,
    however many others there are. options: "index", which images of the split, a number or (B,);
    "reset_mask", (B,) bool, which environments; "one_pass", True or seeds (scenes, first looks),
    for every image of the split once and in order,
    see `one_pass`, until False, or a seed.
    infos: "loss", of logits; "valid", in a pass; at the end "return", "looks", and what would tell
    the answer before: "label", "box" (0 where there is none) and "index".

    autoreset_mode: as in Gymnasium. Where it is disabled, what has ended stays as it is, with a
    reward of 0, until it is reset. max_episode_steps: what `make_vec` hands over; the looks say how
    long an episode is, and `spec.max_episode_steps` says so, too.
    """

    _spec: EnvSpec | None = None
    metadata = {
        "render_modes": ["rgb_array"],
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        problem: str | Problem,
        num_envs: int = 1,
        *,
        split: str = "train",
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        action: str | None = None,
        answer: str | None = None,
        stop: bool = False,
        flat_actions: bool = False,
        flat_observations: bool = False,
        cells: tuple[int, int] = (7, 7),
        move_cost: float = 0.0,
        shaping: float = 0.0,
        reveal: bool = False,
        device: torch.device | str = "cpu",
        tensors: bool = False,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        **settings: Any,
    ):
        _check(num_envs, {"move_cost": move_cost, "shaping": shaping})
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"no render mode {render_mode!r}: rgb_array, or None")
        if isinstance(problem, str):
            self.__doc__ = document(problem)
        self.problem = problem = _found(problem, split, settings).to(device)
        self.num_envs, self.tensors, self.render_mode = num_envs, tensors, render_mode
        self.world = problem.world
        self.answers = problem.answers if self.world.asks else ()
        mode = AutoresetMode(autoreset_mode)
        self.autoreset_mode, self.metadata = mode, {**self.metadata, "autoreset_mode": mode}
        if max_episode_steps is not None and -1 != max_episode_steps < self.world.looks:
            fewer = f"for fewer, set looks={max_episode_steps}"
            raise ValueError(f"an episode has {self.world.looks} looks: {fewer}")
        moves = self.world.reach is not None and self.world.places == 2
        action = action or ("move" if moves else "place")
        answer = answer or ("class" if self.answers else "none")
        self.device = problem.split.device
        self.actions = Actions(self.world, action, answer, stop, flat_actions, cells, self.device)
        judge = Rewards(self.world, num_envs, answer, shaping, self.device)
        example = RandomEpisodes(problem).one().scenes
        self.world.check(example)
        self.small: Small | None = None
        more = tensors or reveal or move_cost or shaping or render_mode
        if not more and serves(problem, num_envs, judge, self.actions, example):
            self.small = Small(problem, num_envs, mode, judge, example)
        self.stepping = self.small or Stepping(problem, num_envs, mode, judge, move_cost, reveal)
        self.observations = Observations(self.world, example, flat_observations)
        self.single_action_space = self.actions.space
        self.single_observation_space = self.observations.space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._alike = {up: torch.full((num_envs,), up, device=self.device) for up in (False, True)}
        self.gallery = None
        if render_mode is not None:
            from .rendering import Renderer

            self.gallery = Renderer(self.stepping, self.answers)

    @property
    def spec(self) -> EnvSpec | None:
        """By what it was made, and how long its episodes are."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = spec and lasting(spec, self.world.looks)

    @property
    def scenes(self) -> Scenes:
        """What is looked at: to be read, and before the next step."""
        return self.stepping.episodes.scenes

    def reset(
        self,
        *,
        seed: int | list[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """New episodes, see the class. Raises ValueError for seeds or options that are none."""
        self.restart(seed, options)
        return self._shown(), self._told(self.stepping.facts())

    def restart(self, seed: int | list[int | None] | None, options: dict[str, Any] | None) -> None:
        """What a reset does."""
        if seed is None and options is None and self.stepping.starts is not None:
            return self._restart()
        options = {} if options is None else options
        if not isinstance(options, Mapping):
            raise TypeError(f"reset options are a dict, not {type(options).__name__}")
        if unknown := sorted(map(str, set(options) - set(OPTIONS))):
            raise ValueError(f"no reset option {unknown[0]!r}: there are {', '.join(OPTIONS)}")
        which = self._mask(options.get("reset_mask"))
        one_pass, index = _seeds_of_pass(options.get("one_pass")), options.get("index")
        if one_pass is not None and which is not True:
            raise ValueError("a pass is of all environments: one_pass without reset_mask")
        rows = None if index is None else self._index(index)
        if isinstance(seed, int | np.integer):
            super().reset(seed=int(seed))
        seeds, seeded = self._seeds(seed, which)
        self._restart(seeds, seeded, which, rows, one_pass)

    def _restart(self, *asked: Any) -> None:
        self.stepping.reset(*asked)
        if self.gallery:
            self.gallery.note()

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """One action of each environment. Raises ValueError, naming the field, for what is none."""
        moved = self.move(actions)
        info = self._told(self.stepping.facts() | moved.facts)
        if moved.seen is not None:
            info |= self._farewell(moved, self._flags(moved.terminated))
        reward = moved.reward
        if not self.tensors:
            reward = array(reward).astype(np.float64)
        return self._shown(), reward, self._flags(moved.terminated), self._flags(False), info

    def move(self, actions: Any, single: bool = False) -> StepResult:
        """What a step does. single: the action is of one environment, and has no B."""
        stepping = self.stepping
        if self.small is not None and self.small.usual:
            plain = self.actions.plain(actions, self.num_envs, single)
            if plain and (usual := self.small.usually(*plain)):
                return usual
        if stepping.seen is None:
            raise gymnasium.error.ResetNeeded("call reset before step")
        act = self.actions.read(actions, stepping.place, single)
        moved = stepping.advance(act)
        if self.gallery:
            self.gallery.note(act)
        return moved

    def one_pass(
        self, act: Callable[[Any], Any], seeds: tuple[int, int] = (1, 0)
    ) -> dict[str, Any]:
        """What `act`, from observations to actions, does with every image of the split, in order.

        A row each: "label", "index", "answer" at the last look, "return", "looks" and, of logits,
        "loss". The scenes and first looks of these two seeds are those on which `evaluate` measures
        agents.
        """
        self.restart(None, {"one_pass": seeds})
        stepping, count = self.stepping, len(self.problem)
        columns: dict[str, Tensor] = {}
        done = 0
        while done < count:
            shown = stepping.facts()
            given = self.actions.read(act(self._shown()), stepping.place)
            moved = stepping.advance(given)
            facts = moved.ended if moved.seen is not None else shown | moved.facts
            valid, final = facts["valid"][0], facts.get("looks", (None, False))[1]
            if stepping.mode is AutoresetMode.DISABLED:
                stepping.begin(stepping.over)
            if final is False:
                continue
            said = {name: value for name, (value, _) in facts.items() if name in PASSED}
            if self.answers:
                said["answer"] = given.likelihood(self.world.task).argmax(-1)
            rows = (valid & final).nonzero()[:, 0]
            for name, value in said.items():
                if name not in columns:
                    columns[name] = value.new_zeros(count, *value.shape[1:])
                columns[name][said["index"][rows]] = value[rows]
            done += len(rows)
        self.restart(None, {"one_pass": False})
        return {name: self._out(column) for name, column in columns.items()}

    def render(self) -> tuple[Any, ...] | None:
        """A picture of each environment, (H, W, 3) uint8: see `rendering.Renderer`."""
        if self.gallery is None:
            return None
        return tuple(self.gallery.picture(row) for row in range(self.num_envs))

    def _shown(self) -> Any:
        return self._out(self.observations.of(*self.stepping.shown()))

    def _told(self, facts: Facts) -> dict[str, Any]:
        """An info: NumPy arrays that are 0 where there is nothing to tell, each with its mask."""
        if self.tensors:
            return {name: value for name, (value, flag) in facts.items() if flag is not False}
        info: dict[str, Any] = {}
        for name, (value, flag) in facts.items():
            mask = self._flags(flag)
            if flag is not True and not mask.any():
                continue
            info[name], info[f"_{name}"] = self._out(value), mask
            if flag is not True:
                info[name][~mask] = 0
        return info

    def _farewell(self, moved: StepResult, mask: Any) -> dict[str, Any]:
        """What Gymnasium wants to hear of episodes in whose place others were begun."""
        assert moved.seen is not None and moved.context is not None
        last, flat = self.observations.of(moved.seen, moved.context), self.observations.flat
        last = self._out(last)
        if not self.tensors:
            if not mask.any():
                return {}
            rows = np.full(self.num_envs, None, dtype=object)
            for row in mask.nonzero()[0]:
                rows[row] = last[row] if flat else {name: last[name][row] for name in last}
            last = rows
        info = {"final_obs": last, "final_info": self._told(moved.ended)}
        return info | {"_final_obs": mask, "_final_info": self._flags(moved.terminated)}

    def _out(self, tree: Any) -> Any:
        """Tensors as they are, or NumPy arrays that nobody else holds."""
        if self.tensors:
            return tree
        if isinstance(tree, dict):
            return {name: self._out(value) for name, value in tree.items()}
        return array(tree).copy()

    def _flags(self, flag: Flag) -> Any:
        if self.tensors:
            return flag if isinstance(flag, Tensor) else self._alike[flag]
        if isinstance(flag, Tensor):
            return flag.cpu().numpy().copy()
        return np.full(self.num_envs, flag)

    def _mask(self, mask: Any) -> Flag:
        """Which environments a reset is of, as Gymnasium asks for it."""
        if mask is None:
            return True
        kinds = (np.ndarray, Tensor) if self.tensors else np.ndarray
        if not isinstance(mask, kinds):
            raise TypeError(f"options['reset_mask'] must be an array, not {type(mask).__name__}")
        if mask.dtype not in (np.bool_, torch.bool):
            raise TypeError(f"options['reset_mask'] must be of bool, not {mask.dtype}")
        flags = mask if isinstance(mask, Tensor) else torch.from_numpy(mask.copy())
        flags = flags.to(self.device)
        if flags.shape != (self.num_envs,) or not flags.any():
            raise ValueError(f"options['reset_mask'] must be ({self.num_envs},) and not all False")
        which = settled(flags)
        if which is not True and self.stepping.seen is None:
            raise gymnasium.error.ResetNeeded("reset all environments before some of them")
        return which

    def _index(self, index: Any) -> Tensor:
        """(B,) images of the split."""
        array = np.array(index.cpu() if isinstance(index, Tensor) else index)
        count = len(self.problem)
        if array.dtype.kind not in "iu" or array.shape not in ((), (self.num_envs,)):
            raise ValueError(
                f"options['index'] must be an integer, or {self.num_envs} of them, not {index!r}"
            )
        if array.min() < 0 or array.max() >= count:
            raise ValueError(f"options['index'] must be from 0 to {count - 1}, not {index!r}")
        wide = np.broadcast_to(array, self.num_envs).astype(np.int64)
        return torch.from_numpy(wide).to(self.device)

    def _seeds(self, seed: Any, which: Flag) -> tuple[Tensor | None, Flag]:
        """(B,) seeds, and which environments they are for."""
        count, fresh = self.num_envs, self.stepping.starts is None
        if seed is None and not fresh:
            return None, False
        many: list[int | None] = [None] * count
        if seed is None:  # what Gymnasium then says the seed was makes the same again
            seed = self.np_random_seed
            if seed is not None and seed >= 0:
                many = [*apart(seed, count)]
        elif isinstance(seed, int | np.integer):
            many = [*apart(int(seed), count)]
        elif isinstance(seed, Iterable):
            many = [int(each) if isinstance(each, np.integer) else each for each in seed]
            if len(many) != count:
                raise ValueError(f"{count} environments need as many seeds, not {len(many)}")
        else:
            raise ValueError(f"a seed is an integer of at least 0, not {seed!r}")
        if wrong := [each for each in many if each is not None and not _counts(each)]:
            raise ValueError(f"a seed is an integer of at least 0, not {wrong[0]!r}")
        drawn = self.np_random.integers(2**63, size=count).tolist() if None in many else many
        numbers = [new if each is None else each for each, new in zip(many, drawn, strict=True)]
        array = np.array([number % 2**64 for number in numbers], np.uint64).view(np.int64)
        seeds = torch.from_numpy(array).to(self.device)
        if fresh:
            return seeds, True
        given = torch.tensor([each is not None for each in many], device=self.device)
        return seeds, settled(given & which)


def lasting(spec: EnvSpec, looks: int) -> EnvSpec:
    """The same, which says how many steps an episode has at most.

    Known only of an environment that was made, for looks are a setting; registered with an id, it
    would have Gymnasium end every episode there, whatever the setting, and call its end a cut.
    """
    spec = copy.copy(spec)
    spec.max_episode_steps = looks
    return spec


def _found(problem: Any, split: str, settings: dict[str, Any]) -> Problem:
    """The problem, or that of this name with these settings."""
    if isinstance(problem, str):
        return problem_of(problem, split, **settings)
    if settings:
        hint = "only a problem by its name has settings"
        raise unexpected(GlimpseVectorEnv.__name__, settings, hint)
    if not isinstance(problem, Problem):
        raise TypeError(f"a problem is a name or a Problem, not {type(problem).__name__}")
    return problem


def _check(num_envs: Any, rates: dict[str, Any]) -> None:
    """Raises ValueError for a number of environments that is none, or a rate that is not finite."""
    if not _counts(num_envs) or num_envs < 1:
        raise ValueError(f"there must be an environment at least, not {num_envs!r}")
    for name, number in rates.items():
        if not isinstance(number, int | float) or not math.isfinite(number):
            raise ValueError(f"{name} must be a finite number, not {number!r}")


def _seeds_of_pass(given: Any) -> tuple[int, int] | bool | None:
    """What the option "one_pass" says, as `Stepping.reset` has it."""
    if given is None or isinstance(given, bool):
        return (1, 0) if given else given
    if isinstance(given, list | tuple) and len(given) == 2 and all(map(_counts, given)):
        return int(given[0]), int(given[1])
    raise ValueError(f"options['one_pass'] must be True, False or two seeds, not {given!r}")


def _counts(number: Any) -> bool:
    """Whether that is an integer of at least 0."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        return False
    return int(number) >= 0
