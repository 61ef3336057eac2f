"""The one flow: an agent looks at scenes in a world, and what happened is a `Trajectory`."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from hardattn.distributions import LocationDistribution, Stop
from hardattn.noise import noise_from
from hardattn.scenes import Scenes
from hardattn.world import Observation, World


class Decision(NamedTuple):
    """What an agent makes of an observation."""

    location: LocationDistribution  # over the next place, event (P,), batch (B,)
    logits: Tensor  # (B, K) the answer so far
    value: Tensor  # (B,) return still expected, from the next look on; zeros without a critic
    cost: Tensor  # (B,) what the agent charges itself: a KL, an entropy price, a ponder cost
    halt: Stop | None = None  # over stopping now; None = always looks T times


class Agent(Protocol):
    """Whoever looks. Two methods, no base class; the state is explicit and the forward pure."""

    def start(self, context: Tensor) -> Any:
        """The state before the first look: tensors of B rows, one or several in nested tuples.

        context is (B, ...), (B, 0) where there is none.
        """

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        """State and observation -> next state and decision."""


class Trajectory(NamedTuple):
    """One episode an image; row t is about look t, and rows after a stop are dead."""

    location: Tensor  # (T, B, P) as drawn; `World.path` says where that is
    log_prob: Tensor  # (T, B) of all that was drawn for this row: its place, and whether it stops
    entropy: Tensor  # (T, B) of the distribution that the place was drawn from
    logits: Tensor  # (T, B, K)
    value: Tensor  # (T, B) return expected after this look
    cost: Tensor  # (T, B)
    reward: Tensor  # (T, B)
    loss: Tensor  # (T, B)
    alive: Tensor  # (T, B) 1.0 while the episode runs, then 0.0; cost, reward, loss are 0 there

    def to_go(self, signal: Tensor | None = None) -> Tensor:
        """(T, B): `signal`, by default loss + cost - reward, summed over this row and all after."""
        if signal is None:
            signal = self.loss + self.cost - self.reward
        return signal.flip(0).cumsum(0).flip(0)


# A value and its log-probability for each episode. A draw may branch: where it returns n rows for
# each episode, next to each other, every episode goes on as n.
Draw = Callable[[LocationDistribution, torch.Generator | None], tuple[Tensor, Tensor]]


def sample(
    places: LocationDistribution, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """A draw for score-function estimators: detached, with the density of the very value drawn."""
    value = places.draw(generator).detach()
    return value, places.log_prob(value)


def greedy(
    places: LocationDistribution, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """The most probable place; uniform distributions, which have none, are drawn from."""
    value = places.mode_or_draw(generator).detach()
    return value, places.log_prob(value)


def pathwise(
    places: LocationDistribution, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """A draw that its distribution's parameters can be reached through; needs no density."""
    if not places.has_rsample:
        raise ValueError(f"{type(places).__name__} has no pathwise draw: use a score function")
    value = places.draw(generator)
    return value, value.new_zeros(places.batch_shape)


def soft(
    places: LocationDistribution, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """The mean place, with its gradient: of weights over cells, this is soft attention.

    There is no half a stop: whether to go on is decided greedily.
    """
    value = places.mean if places.event_shape else places.mode
    return value, value.new_zeros(places.batch_shape)


DRAWS: dict[str, Draw] = {"sample": sample, "greedy": greedy, "pathwise": pathwise, "soft": soft}


def rollout(
    agent: Agent,
    world: World,
    scenes: Scenes,
    draw: Draw = sample,
    generator: torch.Generator | None = None,
    first: Tensor | None = None,
) -> Trajectory:
    """Look T times. `first` replaces the world's first place, so that episodes can share it.

    Row t holds the log-probability of what made row t: the place, drawn from the decision before,
    and whether to stop here. The last decision's place is never looked at, so it is never drawn.
    Where a draw branches, episodes share what was seen and computed before. Layers that draw do so
    from the same generator; in evaluation only where the draw is `sample`.
    """
    rows = []
    with noise_from(generator, sampled=draw is sample):
        view = world.open(scenes)
        asked = world.first(scenes, generator) if first is None else first
        place = world.place(asked)
        state = agent.start(world.context(scenes))
        log_place = entropy = torch.zeros_like(asked[:, 0])
        for look in range(world.looks):
            state, decision = agent.step(state, world.observe(view, place, look))
            last = look + 1 == world.looks
            stop = torch.full_like(decision.logits[:, 0], float(last))
            log_stop = torch.zeros_like(log_place)
            if decision.halt is not None and not last:
                stop, log_stop = draw(decision.halt, generator)
            answer = (decision.logits, decision.value, decision.cost)
            rows.append((asked, log_place, log_stop, entropy, *answer, stop))
            if not last:
                asked, log_place = draw(decision.location, generator)
                entropy = decision.location.entropy()
                times = len(asked) // len(decision.logits)
                view, state, place = (branched(each, times) for each in (view, state, place))
                place = world.place(asked, place)
                view = world.advance(view, place)
    # A row is as wide as the episodes were many when it was made.
    episodes = len(asked)
    location, log_place, log_stop, entropy, logits, value, cost, final = (
        torch.stack([branched(each, episodes // len(each)) for each in field])
        for field in zip(*rows, strict=True)
    )
    alive = torch.cat([torch.ones_like(final[:1]), (1 - final[:-1]).cumprod(0)])
    target = branched(scenes.target, episodes // len(scenes))
    logits = world.answers(view, logits)
    reward, loss = world.outcome(view, logits, target, final)
    return Trajectory(
        location,
        (log_place + log_stop) * alive,
        entropy * alive,
        logits,
        value,
        cost * alive,
        reward * alive,
        loss * alive,
        alive,
    )


def branched(tree: Any, times: int) -> Any:
    """Every row of every tensor in nested tuples `times` times, copies next to each other."""
    if times == 1:
        return tree
    if isinstance(tree, Tensor):
        return tree.repeat_interleave(times, 0)
    if isinstance(tree, tuple):
        parts = [branched(part, times) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return tree
