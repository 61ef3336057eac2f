"""The one flow: an agent looks at scenes in a world, and what happened is a `Trajectory`."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from hardattn.distributions import LocationDistribution, Stop, full
from hardattn.episode import episode
from hardattn.nn.heads import at_once
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


# A value for each episode, and its log-probability; None for the density of that very value, which
# a rollout works out for all looks at once. A draw may branch: where it returns n rows for each
# episode, next to each other, every episode goes on as n.
Draw = Callable[[LocationDistribution, torch.Generator | None], tuple[Tensor, Tensor | None]]


def sample(
    places: LocationDistribution, generator: torch.Generator | None = None
) -> tuple[Tensor, None]:
    """A draw for score-function estimators: detached, with the density of the very value drawn."""
    return places.draw(generator).detach(), None


def greedy(
    places: LocationDistribution, generator: torch.Generator | None = None
) -> tuple[Tensor, None]:
    """The most probable place; uniform distributions, which have none, are drawn from."""
    return places.mode_or_draw(generator).detach(), None


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
    from the same generator; in evaluation only where the draw is `sample`. What no look waits for,
    heads and densities, is worked out for all looks at once after the last.
    """
    decisions: list[Decision] = []
    draws: list[_Drawn] = []  # of places, one before each look but the first
    stops: list[_Drawn] = []
    with episode(world.looks, generator=generator, sampled=draw is sample):
        view = world.open(scenes)
        asked = world.first(scenes, generator) if first is None else first
        begun, place = asked, world.place(asked)
        state = agent.start(world.context(scenes))
        for look in range(world.looks):
            state, decision = agent.step(state, world.observe(view, place, look))
            decisions.append(decision)
            if look + 1 == world.looks:
                break
            if decision.halt is not None:
                stops.append(_Drawn(decision.halt, *draw(decision.halt, generator)))
            asked, log_prob = draw(decision.location, generator)
            draws.append(_Drawn(decision.location, asked, log_prob))
            if (times := len(asked) // decision.location.batch_shape[0]) > 1:
                view, state, place = (branched(each, times) for each in (view, state, place))
            place = world.place(asked, place)
            view = world.advance(view, place)
        answers = [
            at_once(each) for each in zip(*(decision[1:4] for decision in decisions), strict=True)
        ]
    episodes = len(asked)
    location = _rows([begun, *(drawn.value for drawn in draws)], episodes)
    logits, value, cost = (_rows(field, episodes) for field in answers)
    nothing = location.new_zeros(1, episodes)
    log_prob = _after(nothing, _log_probs(draws))
    entropy = _after(nothing, entropies([drawn.places for drawn in draws]))
    final = torch.cat([nothing.expand(world.looks - 1, -1), torch.ones_like(nothing)])
    alive = torch.ones_like(final)
    if stops:
        final = _rows([*(drawn.value for drawn in stops), final[-1]], episodes)
        alive = torch.cat([alive[:1], (1 - final[:-1]).cumprod(0)])
        log_stop = _rows([*_log_probs(stops), nothing[0]], episodes)
        log_prob, entropy, cost = ((log_prob + log_stop) * alive, entropy * alive, cost * alive)
    target = branched(scenes.target, episodes // len(scenes))
    logits = world.answers(view, logits)
    reward, loss = world.outcome(view, logits, target, final)
    if stops:
        reward, loss = reward * alive, loss * alive
    return Trajectory(location, log_prob, entropy, logits, value, cost, reward, loss, alive)


class _Drawn(NamedTuple):
    """What was drawn, from what, and its log-probability, if the draw told."""

    places: LocationDistribution
    value: Tensor
    log_prob: Tensor | None


def _log_probs(draws: list[_Drawn]) -> Tensor | list[Tensor]:
    told = [drawn.log_prob for drawn in draws if drawn.log_prob is not None]
    if len(told) == len(draws):
        return told
    if told:
        return [
            drawn.places.log_prob(drawn.value) if drawn.log_prob is None else drawn.log_prob
            for drawn in draws
        ]
    return log_probs([drawn.places for drawn in draws], [drawn.value for drawn in draws])


def _rows(rows: Tensor | list[Tensor], episodes: int) -> Tensor:
    """(T, B, ...): a row was as wide as the episodes were many when it was made."""
    if isinstance(rows, Tensor) and rows.shape[1] == episodes:
        return full(rows)
    return torch.stack([branched(full(each), episodes // len(each)) for each in rows])


def _after(nothing: Tensor, rows: Tensor | list[Tensor]) -> Tensor:
    """(T, B): nothing for the first look, which nobody draws, and then these."""
    return torch.cat([nothing, _rows(rows, nothing.shape[1])]) if len(rows) else nothing


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


def _together(several: Sequence[LocationDistribution]) -> LocationDistribution | None:
    kinds = {(type(one), one.batch_shape, one.event_shape) for one in several}
    return several[0].together(several) if len(kinds) == 1 else None


def log_probs(
    several: Sequence[LocationDistribution], values: Sequence[Tensor]
) -> Tensor | list[Tensor]:
    """Of each value by its distribution; (T, B) where all are put together."""
    whole = _together(several)
    if whole is None or len({value.shape for value in values}) != 1:
        return [one.log_prob(value) for one, value in zip(several, values, strict=True)]
    return whole.log_prob(torch.stack(list(values)))


def entropies(several: Sequence[LocationDistribution]) -> Tensor | list[Tensor]:
    """Of each; (T, B) where all are put together."""
    whole = _together(several)
    if whole is None:
        return [one.entropy() for one in several]
    return whole.entropy()
