"""The plan: every cell made as wide as its task asks and measured, the cheapest first."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from hardattn.data import Dataset, load
from hardattn.evaluation import cost
from hardattn.evaluation.training_cost import of_update
from hardattn.rollout import DRAWS
from hardattn.scenes import Scenes
from hardattn.storage import replace_text
from hardattn.world import World

from ...build import built
from ...recipe import ProblemOptions, Recipe, UsageError
from ...recipes import RECIPES
from ...run import build, estimator
from ..soft.plan import changed
from .cells import (
    AGENTS,
    NONE_IS_BEST,
    TASKS,
    TOLERANCE,
    VALIDATIONS,
    WIDEST,
    Cell,
    best_of_soft,
    given,
)

PLAN = "plan.json"
# What a number that is worked on, but not in a product, costs in training, in operations: norms,
# softmax and copies move memory. For the order of cells alone.
ELEMENTWISE = 100
# What a map of attention over all pairs of places may take; a network that needs more is not built.
MOST_PLACES = 16_384


class Protocol(NamedTuple):
    """How much is searched and trained."""

    name: str
    trials: int
    seeds: int
    images: int | None = None
    """Of each training; None: as the task says."""


FULL = Protocol("full", 8, 5)
QUICK = Protocol("quick", 2, 2, 2_048)
"""A smoke test, which says nothing of how good anybody gets."""


def kept(path: Path, protocol: Protocol, root: Path | None = None) -> list[Cell]:
    """The cells as a file has them, written where there is none: so all who work agree on them.

    Raises UsageError where it is that of another protocol.
    """
    if not path.exists():
        content = {
            "protocol": protocol.name,
            "cells": [vars(each) for each in made(protocol, root)],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps(content, indent=1) + "\n")
    held = json.loads(path.read_text())
    if held["protocol"] != protocol.name:
        raise UsageError(
            f"{path.parent} holds runs of the {held['protocol']} comparison, not of the "
            f"{protocol.name} one: choose another --out"
        )
    cells = [Cell(**each) for each in held["cells"]]
    there = {cell.name for cell in given() if not cell.missing}
    if any(cell.missing == NONE_IS_BEST and cell.name in there for cell in cells):
        # The best blocks are known since; all others come out as they were.
        path.unlink()
        return kept(path, protocol, root)
    return cells


def made(protocol: Protocol, root: Path | None = None) -> list[Cell]:
    """All cells, measured: those that can be trained first, the cheapest first."""
    cells = [shortened(cell, protocol) for cell in given()]
    sized: dict[tuple[str, str], Cell] = {}
    found = []
    for cell in cells:
        if cell.missing:
            found.append(cell)
            continue
        key = cell.task, cell.agent
        if cell.script == "":
            sized[key] = measured(cell, root)
            found.append(sized[key])
        else:
            found.append(_control(cell, sized[key]))
    return sorted(found, key=lambda one: (bool(one.missing), bool(one.script), one.work, one.name))


def shortened(cell: Cell, protocol: Protocol) -> Cell:
    """With the images of the protocol."""
    if protocol.images is None or cell.missing:
        return cell
    images = {"images": protocol.images, "validate_every": max(1, protocol.images // 4)}
    return replace(cell, changes=cell.changes | images)


def measured(cell: Cell, root: Path | None = None) -> Cell:
    """As wide as its task asks, with what it costs; one that no machine could hold is missing."""
    base = RECIPES[cell.recipe]
    recipe = changed(base, cell.changes)
    world, scenes, image = _sample(recipe, root)
    places = image[1] * image[2] // 16
    if recipe.agent.name == "soft" and places > MOST_PLACES and "block" in cell.changes:
        return replace(cell, missing=f"a map over all pairs of {places:,} places is too large")

    def weights(width: int) -> int:
        made = changed(base, cell.changes | {_knob(cell): width})
        agent = build(made, world, image)
        return sum(weight.numel() for weight in agent.parameters())

    wanted = TASKS[cell.task].weights
    width = wanted if _knob(cell) == "weights" else fitting(weights, wanted)
    found = replace(cell, changes=cell.changes | {_knob(cell): width})
    recipe = found.full_recipe
    agent = build(recipe, world, image)
    draw = DRAWS[recipe.problem.draw]
    told = world.context_shape(image)
    before = told[1] * told[2] if len(told) == 3 else 0
    flops = cost.flops(agent.eval(), world, scenes, draw)
    learned = of_update(agent.train(), world, estimator(recipe, agent, world), scenes)
    return replace(
        found,
        weights=sum(weight.numel() for weight in agent.parameters()),
        flops=flops,
        training_flops=learned.flops,
        pixels=before + world.looks * world.sensor.pixels(image),
        work=recipe.training.images * float(learned.flops + ELEMENTWISE * learned.uncounted)
        + _measured_on(recipe.problem, root) * flops,
    )


def _measured_on(problem: ProblemOptions, root: Path | None) -> float:
    """Scenes that a run is measured on: in its validations, and in the end."""
    data = _dataset(problem.dataset, root)
    images = VALIDATIONS * len(data.validation) + len(data.test)
    return images * problem.test_draws * (problem.test_fraction or 1.0)


def _knob(cell: Cell) -> str:
    return (AGENTS | best_of_soft())[cell.agent].knob


def _control(cell: Cell, of: Cell) -> Cell:
    """The same network under other looks: it costs what the agent costs."""
    width = {_knob(of): of.changes[_knob(of)]}
    same = {name: getattr(of, name) for name in ("weights", "flops", "training_flops", "pixels")}
    return replace(cell, changes=cell.changes | width, work=of.work, **same)


def fitting(weights: Callable[[int], int], wanted: int) -> int:
    """The width, in units of 4, whose weights are nearest to so many; they grow with it.

    Raises UsageError where even that is not within TOLERANCE.
    """
    low, high = 1, WIDEST // 4
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if weights(4 * middle) <= wanted else (low, middle)
    best = min((4 * low, 4 * high), key=lambda width: abs(weights(width) - wanted))
    if abs(weights(best) - wanted) > TOLERANCE * wanted:
        raise UsageError(f"no width has about {wanted:,} weights: {best} has {weights(best):,}")
    return best


@cache
def _dataset(name: str, root: Path | None) -> Dataset:
    return load(name, root, torch.device("cpu"))


def _sample(recipe: Recipe, root: Path | None) -> tuple[World, Scenes, tuple[int, int, int]]:
    """The world of a recipe, two of its scenes, and the shape of their image."""
    data = _dataset(recipe.problem.dataset, root)
    world, make, _ = built(recipe.problem, data.classes, data.train.images.shape[1:])
    scenes = make(data.train, torch.arange(2), torch.Generator().manual_seed(0))
    return world, scenes, scenes.shape
