"""What each ingredient of RAM is worth: its recipe with one thing changed, beside itself.

All are trained on as many images, from the same seeds, and measured on the same scenes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hardattn.report.column import estimate_text
from hardattn.report.controls import script
from hardattn.report.costs import over_trainings
from hardattn.report.render.grid import heading, opening, row_of
from hardattn.report.rows import figure, mean, percent, percent_over_seeds
from hardattn.report.runs import Group, read
from hardattn.report.strongest import difference

from ..kinds import Settings

RECIPE = "ram-cluttered-digits"
BUDGET = "images"  # the setting that says for how long, and changes no ingredient
PLANNED = 500_000  # images, of the plan


class Ingredient(NamedTuple):
    """One thing that a run may change."""

    section: str
    says: str
    changes: Settings


CREDIT, OUT, ADDED, OTHER = (
    "Credit: what a look is paid, by whom",
    "Left out, or less of it",
    "Added, or more of it",
    "Other changes",
)
PLAN = (
    Ingredient(
        CREDIT, "the whole loss, less a learned baseline", {"estimator": "learned_baseline"}
    ),
    Ingredient(
        CREDIT, "the whole loss, less that of the greedy episode", {"estimator": "self_critical"}
    ),
    Ingredient(CREDIT, "the whole loss, no baseline", {"estimator": "reinforce"}),
    Ingredient(
        CREDIT,
        "the whole loss, four episodes a scene, each less the mean of the others",
        {"estimator": "leave_one_out", "batch_size": 64},
    ),
    Ingredient(CREDIT, "PPO, with a critic", {"estimator": "ppo"}),
    Ingredient(CREDIT, "its own gain alone, no later one", {"discount": 0.0}),
    Ingredient(CREDIT, "all later gains alike", {"discount": 1.0}),
    Ingredient(OUT, "the core does not learn from the looks", {"joint": False}),
    Ingredient(OUT, "draws stay as wide as at first", {"std_end": 0.2}),
    Ingredient(OUT, "no convolution over a glimpse", {"filters": None}),
    Ingredient(OUT, "half the memory", {"hidden": 64}),
    Ingredient(OUT, "four looks", {"looks": 4}),
    Ingredient(OUT, "a plain recurrent core", {"core": "rnn"}),
    Ingredient(
        OUT, "the same, its recurrence orthogonal at first", {"core": "rnn", "orthogonal": True}
    ),
    Ingredient(ADDED, "eight looks", {"looks": 8}),
    Ingredient(ADDED, "twice the memory", {"hidden": 256}),
    Ingredient(ADDED, "a recurrence that is orthogonal at first", {"orthogonal": True}),
    Ingredient(ADDED, "an observer warmed up on random looks", {"led": 0.2}),
    Ingredient(
        ADDED,
        "an observer warmed up on looks at the target (privileged: training is told where it is)",
        {"led": 0.2, "led_by": "target"},
    ),
    Ingredient(ADDED, "a curriculum over looks", {"curriculum": 0.3}),
    Ingredient(ADDED, "a curriculum over clutter and canvas", {"growing": 0.3}),
    Ingredient(ADDED, "a coarse view before the first look", {"context": "coarse"}),
    Ingredient(ADDED, "the last answer teaches earlier ones", {"distil": 0.5}),
    Ingredient(ADDED, "later answers weigh more", {"late": 2.0}),
    Ingredient(ADDED, "a share of greedy episodes", {"greedy": 0.3}),
    Ingredient(ADDED, "a spread that is learned", {"agent": "spread_ram", "std_end": None}),
    Ingredient(
        ADDED,
        "the same, with a price on its entropy",
        {"agent": "spread_ram", "std_end": None, "ent_coef": 0.003},
    ),
    Ingredient(ADDED, "a scale that is learned", {"agent": "zoom_ram", "sensor": "zoom"}),
)
HEADS = ("", "set", "seeds", "error %", "minus the base", "greedy − sampled", "hit %", "train s")


def ablated(group: Group) -> bool:
    """Whether it is the recipe with something changed, if only its budget; no control of it."""
    return _changes(group) is not None and bool(group.first.origin.get("overrides"))


def markdown(results: Path) -> str:
    """A table for each budget; "" where nothing is committed but the recipe itself."""
    files = sorted(results.glob(f"{RECIPE}*.json"))
    groups = [group for group in (read(files) if files else []) if _changes(group) is not None]
    budgets = sorted({_budget(group) for group in groups if ablated(group)})
    parts = []
    for budget in budgets:
        here = [group for group in groups if _budget(group) == budget]
        if any(_changes(group) for group in here) or budget == PLANNED:
            parts.append(_part(here, budget))
    return "\n\n".join(parts) + "\n" if parts else ""


def _changes(group: Group) -> Settings | None:
    """What is changed of the recipe beside its budget; None of another recipe, and of a script."""
    origin = group.first.origin
    if origin.get("recipe") != RECIPE or script(group.first):
        return None
    return {key: value for key, value in origin["overrides"].items() if key != BUDGET}


def _budget(group: Group) -> int:
    return int(group.first.recipe[BUDGET])


def _part(here: Sequence[Group], budget: int) -> str:
    base = next((group for group in here if not _changes(group)), None)
    lines = [f"## {budget:,} images", "", *heading(HEADS, HEADS[:2])]
    if base is not None:
        lines.append(_line("**the base**", base, None))
    else:
        lines.append(f"| **the base** | – | not run |{' |' * (len(HEADS) - 3)}")
    for section in (CREDIT, OUT, ADDED, OTHER):
        rows = [(says, group) for says, group in _of(section, here)]
        if rows:
            lines.append(opening(section, HEADS))
            lines += [_line(says, group, base) for says, group in rows]
    lines += ["", *_notes(here, base, budget)]
    return "\n".join(lines)


def _of(section: str, here: Sequence[Group]) -> list[tuple[str, Group]]:
    """The rows of a section, in the order of the plan; others by name."""
    if section == OTHER:
        known = [one.changes for one in PLAN]
        return [("", group) for group in here if _changes(group) and _changes(group) not in known]
    return [
        (one.says, group)
        for one in PLAN
        for group in here
        if one.section == section and _changes(group) == one.changes
    ]


def _line(says: str, group: Group, base: Group | None) -> str:
    changed = ", ".join(f"{key} {value}" for key, value in (_changes(group) or {}).items())
    sampled = figure(group, "sampled", "error")
    errors = [run.result.greedy["error"] for run in group.runs]
    apart = None if sampled is None else 100 * (mean(errors) - sampled)
    hit, seconds = percent(figure(group, "greedy", "hit")), over_trainings(group, lambda s, _: s)
    gap = "" if base is None else estimate_text(difference(group, base), 1, sign=True)
    cells = [
        says or "–",
        f"`{changed}`" if changed else "–",
        str(len(group.runs)),
        estimate_text(percent_over_seeds(errors), 1),
        gap,
        "–" if apart is None else f"{apart:+.1f}".replace("-", "−"),
        "–" if hit is None else f"{hit:.1f}",
        "–" if seconds is None else f"{seconds.point:,.0f}",
    ]
    return row_of(cells)


def _notes(here: Sequence[Group], base: Group | None, budget: int) -> list[str]:
    said = [
        "Points of error, paired by training seed; in brackets a 95 % interval over seeds, where "
        "there are several. A row of one seed has none, and says no more than that one training."
    ]
    if base is not None and len(base.runs) > 1:
        errors = [100 * run.result.greedy["error"] for run in base.runs]
        said.append(
            f"The base's own seeds range from {min(errors):.1f} to {max(errors):.1f} %: less than "
            "that is not told from luck by one seed."
        )
    found = [_changes(group) for group in here]
    waiting = [one.says for one in PLAN if one.changes not in found]
    if waiting and budget == PLANNED:
        said.append(f"Not run: {'; '.join(waiting)}.")
    return [
        *(f"- {one}" for one in said),
        "",
        f"Commands: `hardattn train {RECIPE} --images {budget} --seed SEED`, with what is set as "
        "options (`joint False` is `--joint False`).",
    ]
