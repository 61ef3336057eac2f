"""What a run measures: an agent's passes over test scenes, their figures, its maps replaced."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hardattn.blocks.general import General
from hardattn.clustering import ari, nmi
from hardattn.data.memory import at_once
from hardattn.distributions import LocationDistribution
from hardattn.estimators import Loss
from hardattn.evaluation.evaluate import Columns, average, concatenate, evaluate
from hardattn.evaluation.metrics import compute
from hardattn.evaluation.training_cost import of_update
from hardattn.maps import CONTROLS, Map, recorded, replaced
from hardattn.rollout import Agent, Draw, greedy, rollout, sample, soft
from hardattn.scenes import Scenes
from hardattn.tasks import Cluster, Task
from hardattn.world import World

from .kinds import Json

PASSES = 10  # of the sampled policy, for the averaged figures


def measure(
    agent: Agent, world: World, scenes: Scenes, draw: Draw = greedy, seed: int = 0, draws: int = 1
) -> dict[str, Columns]:
    """One pass as in use, greedy or soft; one of sampled looks and maps; the average of several.

    All three are one and the same for an agent that sees everything and draws nothing. seed: of the
    training, for draws of its own; first looks are the world's, the same of all. draws: of an agent
    whose looks are drawn in use, too; if several, "drawn" holds them all, one after the other.
    """

    def look(draw: Draw, number: int, first: int) -> Columns:
        place = world.first(scenes, torch.Generator().manual_seed(first))
        apart = (seed * 1000 + number) % 2**62
        return evaluate(agent, world, scenes, draw, apart, first=place)

    use, one = look(draw, 0, 0), look(sample, 0, 0)
    if world.sensor.everything and torch.equal(one.log_probability, use.log_probability):
        return {"greedy": use, "sampled": use, "averaged": use}
    passes = [one, *(look(sample, number, number) for number in range(1, PASSES))]
    found = {"greedy": use, "sampled": passes[0], "averaged": average(passes)}
    if draws > 1:
        found["drawn"] = concatenate([use, *(look(draw, number, 0) for number in range(1, draws))])
    return found


def figures_of(measured: dict[str, Columns], task: Task) -> Json:
    """The figures of each kind; those of one and the same pass are computed once."""
    once = {id(columns): columns for columns in measured.values()}
    known: dict[int, Json] = {key: compute(columns) for key, columns in once.items()}
    if isinstance(task, Cluster):
        for key, columns in once.items():
            known[key] |= {"nmi": nmi(columns), "ari": ari(columns)}
    found = {kind: dict(known[id(columns)]) for kind, columns in measured.items()}
    if "drawn" in found:
        count = found["greedy"]["n"]
        drawn = found.pop("drawn")
        found["greedy"] = drawn | {"n": count, "draws": drawn["n"] // count}
    alike = measured["averaged"] is measured["greedy"]
    found["averaged"]["passes"] = 1 if alike else PASSES
    return found


def controls(agent: Agent, world: World, scenes: Scenes, draw: Draw) -> Json:
    """The figures of `controlled`."""
    return {key: compute(one) for key, one in controlled(agent, world, scenes, draw).items()}


def controlled(
    agent: Agent, world: World, scenes: Scenes, draw: Draw, most: int | None = None
) -> dict[str, Columns]:
    """What happens with each map replaced, by the mean map or another image's: did it matter?

    The weights of soft looks over cells are a map, too. Empty where there is no map that could be
    replaced, and for a scene alone, which has no other's. A map comes from the scene before, of the
    same batch; means are over batches of `most`, by default 1,000 and fewer of large images, or a
    few less: no scene is alone in one.
    """
    if len(scenes) < 2:
        return {}
    with torch.no_grad(), recorded(agent) as maps:
        rollout(agent, world, scenes.slice(0, 1), draw)
    weighed = draw is soft and world.of_cells
    if not weighed and all(one.kind == "gradient" for one in maps):
        return {}
    found = {}
    batch = together(len(scenes), most or max(2, at_once(scenes.shape)))
    for name, change in CONTROLS.items():
        with replaced(agent, change):
            changed = elsewhere(change) if weighed else draw
            found[name] = evaluate(agent, world, scenes, changed, batch=batch)
    return found


def elsewhere(change: Callable[[Map], Tensor]) -> Draw:
    """Soft looks whose weights over cells are those of a control."""

    def draw(
        places: LocationDistribution, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        weights, log_prob = soft(places, generator)
        if not places.event_shape:  # whether to stop
            return weights, log_prob
        one = Map("looks", "pooled query", weights[:, None], (-1,), None)
        return change(one)[:, 0], log_prob

    return draw


def together(count: int, most: int) -> int:
    """The largest batch, of `most` at most, by which none of so many scenes is left alone."""
    return next(batch for batch in range(most, 1, -1) if count % batch != 1)


def mixed(agent: Agent) -> dict[str, dict[str, float]]:
    """What each kind of attention came to count in every `General` of an agent, by its name."""
    parts = agent.named_modules() if isinstance(agent, nn.Module) else ()
    return {name: part.shares for name, part in parts if isinstance(part, General)}


def learning(agent: Agent, world: World, estimator: Callable[..., Loss], scenes: Scenes) -> int:
    """The operations of one image in training; asked last, as it may leave a trace in what learns.

    Two scenes, as a norm of one scene alone has nothing to compare.
    """
    return of_update(agent, world, estimator, scenes.slice(0, 2)).flops
