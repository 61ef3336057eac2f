"""All agents there are, small, each with a world for it."""

from functools import lru_cache, partial
from inspect import signature
from typing import Any

import torch

from hardattn.agents import AGENTS, BACKBONES, NETS, RAM, SCRIPTS, FullView, Scripted, SoftAgent
from hardattn.blocks.se import SE
from hardattn.data import load
from hardattn.maps import Map, recorded
from hardattn.nn.layers import CORES
from hardattn.rollout import Decision
from hardattn.scenes import Scenes, fixed_scenes, translated
from hardattn.sensors import SENSORS, Affine, Cells, Pairs, Patches, Retina, Several, Whole
from hardattn.tasks import Classify
from hardattn.world import Observation, World

CLASSES, SIDE = 10, 12


SMALL: dict[str, Any] = dict(hidden=12, what=9, where=7)


# Who needs more than a retina: the options, the sensor and what is told before the first look.
GRID: dict[str, Any] = dict(sensor=Cells(3, 3), context="whole")


# Who is told the whole image, and attends inside.
ATTENDING: dict[str, Any] = dict(sensor=Whole(), context="whole", cell=4)


TOKENS = dict(features=8, hidden=12, groups=2, prior=0.5)


# Who looks at several patches at once.
SOME: dict[str, Any] = dict(sensor=Several(3, 3, 2), context="coarse", grid=(3, 3))


OTHERS: dict[str, dict[str, Any]] = {
    "dram": dict(hidden=12, features=9, filters=4, sensor=Retina(5, 2), context="coarse"),
    "edram": dict(hidden=12, features=9, filters=4, sensor=Affine(6), context="coarse"),
    "dt_ram": dict(SMALL, sensor=Retina(3, 2)),
    "mram": dict(SMALL, sensor=Retina(3, 2), joint=True),
    "show_attend_tell": dict(GRID, features=8, hidden=12),
    "ram_captioner": dict(SMALL, sensor=Retina(3, 2), joint=True),
    "sat_captioner": dict(GRID, features=8, hidden=12, embedding=6),
    "transformer_captioner": dict(ATTENDING, width=16, layers=2, heads=2),
    "x_linear_captioner": dict(ATTENDING, width=16, heads=2),
    "boosted_captioner": dict(GRID, features=8, hidden=12, embedding=6),
    "prophet_captioner": dict(GRID, features=8, hidden=12, embedding=6),
    "stacked_cross_attention": dict(sensor=Whole(), context="cue", cell=4, width=8),
    "variational": dict(GRID, features=8, hidden=12),
    "variational_dirichlet": dict(GRID, features=8, hidden=12),
    "sequential": dict(GRID, hidden=12, keys=4, values=6),
    "scal": dict(GRID, features=16, hidden=12, reduction=2, attention="both"),
    "draw": dict(SMALL, sensor=SENSORS["filterbank"](4)),
    "zoom_ram": dict(SMALL, sensor=SENSORS["zoom"](4), joint=True),
    "spread_ram": dict(SMALL, sensor=Retina(3, 2), joint=True),
    "move_ram": dict(SMALL, sensor=SENSORS["crop"](4, 0.4), joint=True),
    "player": dict(SMALL, sensor=SENSORS["zoom"](4), joint=True),
    "guided_ram": dict(SMALL, sensor=Retina(3, 2), joint=True),
    "glance_focus": dict(sensor=Retina(6), context="coarse", hidden=12, features=9),
    "temporal": dict(SMALL, sensor=Retina(3, 2), joint=True, attention=5),
    "kalman": dict(SMALL, sensor=Retina(3, 2), joint=True),
    "frame_ram": dict(SMALL, sensor=SENSORS["frames"](4), joint=True),
    "clip": dict(sensor=Whole(), width=8, frames=3, temporal="gltr"),
    "gat_cluster": dict(sensor=Whole(), width=8),
    "masked_autoencoder": dict(sensor=Whole(), width=8, decoder=4),
    "self_distilled": dict(sensor=Whole(), width=8, hidden=8, prototypes=5),
    "reinforced": dict(sensor=Pairs(3, 3), context="whole", grid=(3, 3), **TOKENS),
    "attention_sampling": dict(SOME, features=8, filters=4),
    "ada_glimpse": dict(sensor=SENSORS["zoom"](4), patch=2, width=8, depth=1, heads=2),
    "co_attention": dict(sensor=Whole(), context="whole", width=8, embedding=6, enlarge=1),
    "cross_attention": dict(sensor=Whole(), width=8),
    "das_net": dict(sensor=Whole(), filters=3),
    "stacked_hourglass": dict(sensor=Whole(), layout=(1, 2, 0, 0), width=8, depth=1),
    "multi_context_stack": dict(sensor=Whole(), layout=(1, 2, 0, 0), width=8, depth=1),
    "mask_ram": dict(SMALL, sensor=Retina(5, 2), layout=(2, 5, 0, 0), paint=4, joint=True),
    "dense": dict(sensor=Whole(), layout=(2, 5, 0, 0), width=8),
    "dynamic_capacity": dict(SOME, features=8, filters=4, hint=0.1),
    "expected_information": dict(
        sensor=Several(3, 3, 1), grid=(3, 3), features=8, hidden=12, latent=4, filters=4
    ),
    "iterative_patch_selection": dict(
        sensor=Retina(6), patch=3, kept=3, features=8, hidden=12, filters=4
    ),
    "patch_drop": dict(
        sensor=Patches(3, 3), context="coarse", grid=(3, 3), features=8, filters=4, prior=0.5
    ),
    "patch_selection": dict(SOME, features=8, hidden=12, filters=4),
    "stam": dict(
        sensor=Cells(3, 3), grid=(3, 3), features=8, heads=2, hidden=12, filters=4, joint=True
    ),
    "saccader": dict(GRID, grid=(3, 3), features=8, mixed=12),
    "two_level": dict(
        sensor=Several(3, 3, 3), context="whole", grid=(3, 3), parts=2, features=8, filters=4
    ),
    "adaptive_nn": dict(
        sensor=Retina(4), context="coarse", extent=(1 / 3, 1 / 3), features=8, hidden=12, filters=4
    ),
}


EVERYONE = [f"ram {core}" for core in CORES]


# Who is built in ways of its own, below.
KINDS = ("ram", "full_view", "soft")


EVERYONE += [f"agent {name}" for name in AGENTS if name not in KINDS]


EVERYONE += [
    "ram joint",
    *(f"script {name}" for name in SCRIPTS),
    *(f"net {name}" for name in NETS),
    *(f"backbone {name}" for name in BACKBONES),
]


@lru_cache
def scenes() -> Scenes:
    made = fixed_scenes(partial(translated, canvas=SIDE), load("digits").train, 0)
    return with_sentences(made.slice(0, 12))


def with_sentences(scenes: Scenes) -> Scenes:
    """The same, with a sentence for each class: what `stacked_cross_attention` is told."""
    drawn = torch.Generator().manual_seed(0)
    cue = torch.rand(len(scenes), 7 * CLASSES, generator=drawn)
    return Scenes(*scenes[:4], cue, *scenes[5:])


# Whom a picture alone does not tell what it needs to know.
TOLD = ("script oracle", "agent stacked_cross_attention")


def build(who: str, looks: int = 3, seed: int = 0) -> tuple[Any, World]:
    """An agent, and a world for it."""
    kind, name = who.split()
    torch.manual_seed(seed)
    if kind == "net":
        world = World(Whole(), Classify(CLASSES, each=True), looks, first="centre")
        return FullView((1, SIDE, SIDE), CLASSES, net=name), world
    if kind == "backbone":
        world = World(Whole(), Classify(CLASSES, each=True), looks, first="centre")
        # With fewer hidden units a gate is dead for a whole batch in many seeds: the mean over
        # places, which it sees, hardly depends on the image after a transformer.
        block = partial(SE, reduction=1)
        return SoftAgent((1, SIDE, SIDE), CLASSES, backbone=name, width=8, block=block), world
    if kind == "agent":
        given = dict(OTHERS.get(name, {}))
        sensor, told = given.pop("sensor", Retina(3, 2)), given.pop("context", "none")
        world = World(sensor, Classify(CLASSES, each=name != "dt_ram"), looks, context=told)
        if told not in ("none", "cue"):
            given["context"] = world.context_shape((1, SIDE, SIDE))
        if "looks" in signature(AGENTS[name].make).parameters:
            given["looks"] = looks
        try:
            agent = AGENTS[name].make(sensor.shape((1, SIDE, SIDE)), CLASSES, **given)
        except TypeError as fault:
            where = "OTHERS in tests/support/agents.py says what a small one needs"
            raise TypeError(f"{fault}: {where}, its sensor and its context, too") from fault
        return agent, world
    sensor = Retina(3, 2)
    context = "target" if name == "oracle" else "none"
    world = World(sensor, Classify(CLASSES, each=True), looks, context=context)
    options: dict[str, Any] = dict(joint=True) if name == "joint" else {}
    if name in CORES:
        options["core"] = name
    agent = RAM(sensor.shape((1, SIDE, SIDE)), CLASSES, **SMALL, **options)
    return (Scripted(agent, name, looks) if kind == "script" else agent), world


def looked(agent: Any, world: World, looks: int) -> tuple[list[Any], list[Decision], list[Map]]:
    """States, decisions and maps of looks at the same places, in float64."""
    generator = torch.Generator().manual_seed(0)
    view = world.open(scenes())
    state, states, decisions = agent.start(world.context(scenes()).double()), [], []
    with torch.no_grad(), recorded(agent) as maps:
        for look in range(looks):
            seen = world.observe(view, world.first(scenes(), generator), look)
            state, decision = agent.step(state, Observation(*(each.double() for each in seen)))
            states.append(state)
            decisions.append(decision)
    return states, decisions, maps
