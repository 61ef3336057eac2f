"""Which networks are compared, how each is trained, and in which order: cheapest first.

Every row has the same backbone, as wide with a block as without. Two networks are its controls: the
one without a block, and a widened one, which has at least as many weights more as the block adds.
Each row's learning rate is the better of RATES by validation, from a shorter training of its own
seed; the same search for all, controls too. Then all are trained with the same SEEDS, so that
differences are of pairs.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hardattn.attention import BLOCKS, HEADS
from hardattn.evaluation import cost
from hardattn.storage import replace_text

from ...command_line.parse import called
from ...kinds import Settings
from ...recipe import Recipe, RunOptions, choose_rows
from ...recipes import RECIPES
from ...run import Setting, build, prepare

RATES = (1e-3, 3e-3)
SEARCH_SEED = 100  # none of those that are compared
SEARCH_SHARE = 0.25  # of the images
CONTROL = ""  # the name of the row without a block

# Rows of BLOCKS that are not trained here, and why.
LEFT_OUT = {
    "danet_position": "its equations and its start are those of `sagan`, so its runs are, too",
    "hoga_search": "it is a search, whose finding is `hoga`",
}

Kind = Literal["control", "longer", "wider", "block", "head"]
# What a number that is worked on, but not in a product, costs in training, in operations: norms,
# softmax and copies move memory. For the order of cells alone.
ELEMENTWISE = 100


class Protocol(NamedTuple):
    """How much is trained."""

    recipe: str
    """The row of RECIPES that all are variants of."""
    seeds: int
    search: bool
    """Whether learning rates are chosen; otherwise all have the recipe's."""


FULL = Protocol("soft-long", 5, True)
QUICK = Protocol("soft", 1, False)
"""A smoke test, which says nothing of how far a block gets: tables of it have no verdicts."""


@dataclass(frozen=True)
class Row:
    """One network."""

    name: str
    """What differs from the control, as runs are named: "block=se"; CONTROL of the control."""
    kind: Kind
    changes: Settings
    """The same as settings of the recipe."""
    weights: int = 0
    flops: int = 0
    work: float = 0.0
    """By which rows are sorted: operations of one image, and a price for all other numbers."""


class Cell(NamedTuple):
    """One training."""

    row: Row
    rate: float
    seed: int
    search: bool


def cells(protocol: Protocol, rows: list[Row], rates: dict[str, float]) -> Iterator[Cell]:
    """All trainings: the search first, then a seed of all before the next; cheapest first.

    rates: what was found for rows, as far as it is known; rows without are left out. The control
    that is trained for longer has the rate of the control.
    """
    if protocol.search:
        for row in rows:
            if row.kind != "longer":
                yield from (Cell(row, rate, SEARCH_SEED, True) for rate in RATES)
    for seed in range(protocol.seeds):
        for row in rows:
            name = CONTROL if row.kind == "longer" else row.name
            if name in rates:
                yield Cell(row, rates[name], seed, False)


def recipe_of(protocol: Protocol, cell: Cell) -> tuple[str, Recipe]:
    """The name of its runs, and its recipe: what `hardattn train` makes of the same options."""
    base = RECIPES[protocol.recipe]
    changes = dict(cell.row.changes)
    if cell.search:
        changes["images"] = int(SEARCH_SHARE * changes.get("images", base.training.images))
    return called(protocol.recipe, base, changed(base, changes | {"lr": cell.rate}))


def changed(base: Recipe, changes: Settings) -> Recipe:
    """The recipe with another block, head or estimator, and other settings."""
    parts = {part: changes[part] for part in ("block", "head") if part in changes}
    rows = {part: changes[part] for part in ("estimator",) if part in changes}
    others = {name: value for name, value in changes.items() if name not in {*parts, *rows}}
    made = replace(base, agent=base.agent.but(**parts)) if parts else base
    return choose_rows(made, rows).changed(others).complete()


def rows_of(protocol: Protocol, root: Path | None = None) -> list[Row]:
    """All networks, measured, the cheapest first."""
    base = RECIPES[protocol.recipe]
    setting = prepare(base.problem, RunOptions(root=root, device="cpu"))
    given = [Row(CONTROL, "control", {})]
    if protocol.search:
        longer = 2 * base.training.images
        given.append(Row(f"images={longer}", "longer", {"images": longer}))
    blocks = [name for name in BLOCKS if name not in LEFT_OUT]
    given += [Row(f"block={name}", "block", {"block": name}) for name in blocks]
    given.append(Row("block=em_attention,bases=4", "block", {"block": "em_attention", "bases": 4}))
    given += [Row(f"head={name}", "head", {"head": name}) for name in HEADS]
    rows = [_measured(row, base, setting) for row in given]
    rows += _wider(rows, base, setting)
    return sorted(rows, key=lambda row: (row.kind != "control", row.work, row.name))


def _measured(row: Row, base: Recipe, setting: Setting) -> Row:
    """With what it costs to ask it once."""
    recipe = changed(base, row.changes)
    agent = build(recipe, setting.world, setting.image).eval()
    after, others = cost.operations(agent, setting.world, setting.validation)
    weights = sum(weight.numel() for weight in agent.parameters())
    images = recipe.training.images / base.training.images
    work = images * (after[-1] + ELEMENTWISE * others)
    return replace(row, weights=weights, flops=after[-1], work=work)


def _wider(rows: list[Row], base: Recipe, setting: Setting) -> list[Row]:
    """The control with wider hidden layers, by 1, 2, 4, ... units, until it has most weights."""
    network: Any = build(base, setting.world, setting.image)
    width = network.features.norm.num_features
    most = max(row.weights for row in rows)
    found: list[Row] = []
    while not found or found[-1].weights < most:
        middle = width + 2 ** len(found)
        row = Row(f"middle={middle}", "wider", {"middle": middle})
        found.append(_measured(row, base, setting))
    return found


def wider_than(row: Row, rows: list[Row]) -> Row | None:
    """The second control: the narrowest widened network with at least the weights of the row.

    None where the row has no more weights than the first control.
    """
    control = next(each for each in rows if each.kind == "control")
    if row.weights <= control.weights:
        return None
    wide = [each for each in rows if each.kind == "wider" and each.weights >= row.weights]
    return min(wide, key=lambda each: each.weights, default=None)


def kept(path: Path, protocol: Protocol, root: Path | None = None) -> list[Row]:
    """The rows as a file has them, written where there is none: so all who work agree on them."""
    if not path.exists():
        rows = [vars(row) for row in rows_of(protocol, root)]
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps({"recipe": protocol.recipe, "rows": rows}, indent=1) + "\n")
    return [Row(**row) for row in json.loads(path.read_text())["rows"]]
