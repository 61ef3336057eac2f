"""The columns of a table, each written once: the same in Markdown, a terminal, LaTeX and a page."""

from collections.abc import Callable

from hardattn.report import policy_gain
from hardattn.report.asked import ASKED, error_head
from hardattn.report.column import Cell, Column, draws, measured, somebody_looks
from hardattn.report.controls import soft
from hardattn.report.details import DETAILS
from hardattn.report.rows import Row, Table, mean, percent


def _added(name: str) -> Callable[[Row], Cell]:
    """Points of error that a control of the maps adds; None where there was no map to replace."""

    def found(row: Row) -> Cell:
        changed = [run.result.controls.get(name) or {} for run in row.group.runs]
        error = percent(mean([figures.get("error") for figures in changed]))
        return None if error is None else error - mean([*row.seeds.values()])

    return found


def _less(table: Table) -> str:
    """What is subtracted, if it is the same for all."""
    controls = table.controls
    titles = {row.group.name: row.title for row in table.rows}
    if len(controls) == 1:
        return f"minus {titles.get(controls[0], controls[0])}"
    return "minus its control"


def _seeds(row: Row) -> str:
    count, failed = len(row.group.runs), len(row.group.failed)
    said = str(count) if count > 1 else "1 seed"
    return f"{said} ({failed} failed)" if failed else said


def _machine(row: Row) -> str:
    made = row.group.first.made_with
    threads = made.get("threads")
    count = f"{threads} thread{'s' * (threads != 1)}" if threads else ""
    return ", ".join(filter(None, [made.get("processor"), count]))


def _gains(table: Table) -> str:
    groups = [row.group for row in table.rows]
    whose = policy_gain.draws(policy_gain.measured(groups))
    return (
        "Policy gain: points of error more when the same observer is given random looks, or of "
        f"soft attention the mean map. {whose}".rstrip()
    )


def _times(table: Table) -> str:
    machines = sorted({_machine(row) for row in table.rows if row.seconds} - {""})
    return (
        "Train s, images/s: of the processor's own clock, which other programs do not lengthen "
        "(on a GPU of the wall's); median over seeds, in brackets quartiles of three or more. "
        f"– was timed by the wall alone, beside others. {'; '.join(machines)}."
    )


def _maps(table: Table) -> str:
    pointed = any(row.pointing is not None for row in table.rows)
    of = "Pointing, MaxBoxAcc (Choe et al. 2020), box IoU and map" if pointed else "Map"
    return (
        f"{of} entropy: of the last block's map or, of hard looks over cells, of the cells looked "
        "at. Map entropy is 1 where all is alike; – is a map that is not about places."
    )


CLUSTERS = (
    "Clusters: nobody was told a label. Error is that of the best one-to-one matching of "
    "clusters with classes (Kuhn 1955); NMI and ARI are 1 where they agree and about 0 by "
    "chance."
)
SPARSE = (
    "Gini: of the same map, 0 where it is alike everywhere, 1 of a single cell. Kept: the "
    "share of cells that are attended to at all."
)
# Who it is, how good, whether it beats its control, and where it looked or attended.
RESULTS = (
    Column(
        "agent",
        "agent",
        "",
        lambda row: row.title,
        at_once=True,
        heading=lambda table: (
            "block" if all(soft(row.group.first) for row in table.rows) else "agent"
        ),
    ),
    Column(
        "estimator",
        "estimator",
        "what looking was learned by",
        lambda row: row.estimator or "–",
        drop_at=31,
    ),
    Column(
        "seeds",
        "seeds",
        "training seeds",
        lambda row: len(row.group.runs),
        words=_seeds,
        drop_at=28,
        at_once=True,
    ),
    Column(
        "error",
        "error %",
        "greedy, one pass, with its 95 % interval",
        lambda row: row.error,
        at_once=True,
        heading=error_head,
    ),
    Column(
        "difference",
        "minus its control",
        "points of error, paired, with its 95 % interval; below 0 is better",
        lambda row: row.difference,
        sign=True,
        lacking="",
        at_once=True,
        heading=_less,
    ),
    Column(
        "beats",
        "beats it",
        "yes, no (cannot be told), worse, or too short to say",
        lambda row: row.verdict,
        drop_at=35,
        at_once=True,
    ),
    Column(
        "chance",
        "P(better) %",
        "probability of improvement: that a run has less error than one of the control",
        lambda row: row.chance,
        decimals=0,
        lacking="",
        drop_at=29,
        at_once=True,
        note="P(better): how often a run of it has less error than one of the control, ties "
        "counted half, over all pairs of seeds (Agarwal et al. 2021); interval by Newcombe (2006).",
    ),
    Column(
        "gain",
        "policy gain",
        "points of error more when others choose its looks, or maps",
        lambda row: row.gain,
        sign=True,
        lacking="",
        drop_at=34,
        at_once=True,
        note=_gains,
    ),
    Column(
        "nmi",
        "NMI",
        "of clusters with classes",
        measured("nmi"),
        decimals=2,
        drop_at=14,
        at_once=True,
        note=CLUSTERS,
    ),
    Column(
        "ari",
        "ARI",
        "of clusters with classes",
        measured("ari"),
        decimals=2,
        drop_at=13,
        at_once=True,
    ),
    *ASKED,
    Column(
        "hit",
        "hit %",
        "chosen looks inside the target's box",
        lambda row: row.hit,
        decimals=1,
        drop_at=27,
    ),
    Column(
        "entropy",
        "entropy",
        "of where chosen looks may fall, nats",
        measured("entropy"),
        decimals=2,
        drop_at=11,
        note="Entropy: mean over chosen looks, in nats. Of one among N cells it is 0 to ln N; of "
        "a point of the plane it is that of a density, and may be below 0; – where looks are "
        "certain, or fall on all cells by weights.",
    ),
    Column(
        "mean_map",
        "mean map",
        "points of error more with the mean map for its own",
        _added("mean"),
        sign=True,
        drop_at=30,
        at_once=True,
        note="Mean map, other's map: points of error more when, after training, every map, and the "
        "weights of soft looks, are replaced by the mean of the batch, or by those of another "
        "image. Near 0, it did not matter where they were large.",
    ),
    Column(
        "foreign_map",
        "other's map",
        "points of error more with another image's map for its own",
        _added("foreign"),
        sign=True,
        drop_at=33,
        at_once=True,
    ),
    Column(
        "pointing",
        "pointing %",
        "maps whose largest cell is in the target's box",
        lambda row: row.pointing,
        decimals=1,
        drop_at=32,
        at_once=True,
    ),
    Column(
        "box_accuracy",
        "MaxBoxAcc %",
        "maps that find the target's box at an IoU of 0.5",
        measured("box_accuracy", 100.0),
        decimals=1,
        drop_at=23,
        at_once=True,
    ),
    Column(
        "box_iou",
        "box IoU %",
        "of the target's box with the map's, mean at the best threshold",
        measured("box_iou", 100.0),
        decimals=1,
        drop_at=18,
    ),
    Column(
        "map_entropy",
        "map entropy",
        "0: one cell, 1: all alike",
        measured("map_entropy"),
        decimals=2,
        drop_at=22,
        at_once=True,
        note=_maps,
    ),
    Column(
        "gini",
        "Gini",
        "0: all alike, 1: one cell",
        measured("gini"),
        decimals=2,
        drop_at=17,
        note=SPARSE,
    ),
    Column(
        "kept",
        "kept %",
        "cells attended to at all",
        measured("kept", 100.0),
        decimals=1,
        drop_at=16,
        note=SPARSE,
    ),
    Column(
        "activation_pointing",
        "CAM pointing %",
        "class activation maps whose largest cell is in the target's box",
        lambda row: row.activation_pointing,
        decimals=1,
        drop_at=12,
        at_once=True,
        note="CAM: the class activation map that the answer is read from (Zhou et al. 2016), which "
        "networks without a block have too.",
    ),
    Column(
        "seconds",
        "train s",
        "seconds of training, median over seeds with quartiles",
        lambda row: row.seconds,
        decimals=0,
        drop_at=25,
        note=_times,
    ),
)


def results(table: Table) -> list[Column]:
    """Those of RESULTS that have something to say of some row."""
    return [one for column in RESULTS if (one := column.of(table)).tells(table)]


def details(table: Table) -> list[Column]:
    """Those of DETAILS that have something to say of some row."""
    return [one for column in DETAILS if (one := column.of(table)).tells(table)]


def at_once(table: Table) -> list[Column]:
    """What to know of agents that all see everything at once, in one table."""
    return [column for column in (*results(table), *details(table)) if column.at_once]


def columns(table: Table) -> list[Column]:
    """All of them, for who has the room: what tells rows apart comes first."""
    both = [*results(table), *details(table)]
    return both if somebody_looks(table) else sorted(both, key=lambda column: not column.at_once)


def somebody_draws(table: Table) -> bool:
    """Whether any row draws its looks or its maps, so that passes differ."""
    return any(map(draws, table.rows))
