"""The columns of a table, and the notes below it: the same in Markdown, a terminal and a page."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hardattn.report.controls import soft
from hardattn.report.policy_gain import draws, measured
from hardattn.report.rows import MANY, Row, Table
from hardattn.stats import Estimate

METHODS = {"student-t": "Student's t"}
QUARTERED = 4  # seeds from which on the interquartile mean is another than the mean
# What tells agents apart that see everything at once; of the others it takes two tables.
AT_ONCE = (
    *(
        "agent",
        "seeds",
        "error",
        "difference",
        "beats",
        "chance",
        "gain",
        "nmi",
        "ari",
        "mean_map",
        "foreign_map",
        "pointing",
    ),
    *("box_accuracy", "map_entropy", "activation_pointing", "parameters", "flops", "speed"),
    "control",
)


class Column(NamedTuple):
    """A column of every rendering: head, explanation, cell text, and what it sorts by."""

    key: str
    head: str
    help: str
    text: Callable[[Row, int], str]
    value: Callable[[Row], float | str | None]


def results(table: Table) -> list[Column]:
    """Who it is, how good, whether it beats its control, and where it looked or attended."""
    titles = {row.group.name: row.title for row in table.rows}
    controls = _controls(table)
    less = (
        f"minus {titles.get(controls[0], controls[0])}"
        if len(controls) == 1
        else "minus its control"
    )
    blocks = all(soft(row.group.first) for row in table.rows)
    return _telling(
        table,
        [
            _words("agent", "block" if blocks else "agent", "", lambda r: r.title),
            _words(
                "estimator",
                "estimator",
                "what looking was learned by",
                lambda r: r.estimator or "–",
            ),
            Column(
                "seeds",
                "seeds",
                "training seeds",
                lambda r, d: _seeds(r),
                lambda r: len(r.group.runs),
            ),
            Column(
                "error",
                "error %",
                "greedy, one pass, with its 95 % interval",
                lambda r, d: estimate_text(r.error, d),
                lambda r: r.error.point,
            ),
            Column(
                "difference",
                less,
                "points of error, paired, with its 95 % interval; below 0 is better",
                lambda r, d: (
                    "" if r.difference is None else estimate_text(r.difference, d, sign=True)
                ),
                lambda r: None if r.difference is None else r.difference.point,
            ),
            _words("beats", "beats it", "yes, no (cannot be told) or worse", lambda r: r.verdict),
            _estimate(
                "chance",
                "P(better) %",
                "probability of improvement: that a run has less error than one of the control",
                lambda r: r.chance,
                0,
            ),
            _estimate(
                "gain",
                "policy gain",
                "points of error more when others choose its looks, or maps",
                lambda r: r.gain,
                None,
                sign=True,
            ),
            _number("nmi", "NMI", "of clusters with classes", lambda r: r.nmi, 2),
            _number("ari", "ARI", "of clusters with classes", lambda r: r.ari, 2),
            _number("hit", "hit %", "chosen looks inside the target's box", lambda r: r.hit, 1),
            _number(
                "entropy", "entropy", "of where chosen looks may fall, nats", lambda r: r.entropy, 2
            ),
            _number(
                "mean_map",
                "mean map",
                "points of error more with the mean map for its own",
                lambda r: r.mean_map,
                None,
                sign=True,
            ),
            _number(
                "foreign_map",
                "other's map",
                "points of error more with another image's map for its own",
                lambda r: r.foreign_map,
                None,
                sign=True,
            ),
            _number(
                "pointing",
                "pointing %",
                "maps whose largest cell is in the target's box",
                lambda r: r.pointing,
                1,
            ),
            _number(
                "box_accuracy",
                "MaxBoxAcc %",
                "maps that find the target's box at an IoU of 0.5",
                lambda r: r.box_accuracy,
                1,
            ),
            _number(
                "box_iou",
                "box IoU %",
                "of the target's box with the map's, mean at the best threshold",
                lambda r: r.box_iou,
                1,
            ),
            _number(
                "map_entropy",
                "map entropy",
                "0: one cell, 1: all alike",
                lambda r: r.map_entropy,
                2,
            ),
            _number("gini", "Gini", "0: all alike, 1: one cell", lambda r: r.gini, 2),
            _number("kept", "kept %", "cells attended to at all", lambda r: r.kept, 1),
            _number(
                "activation_pointing",
                "CAM pointing %",
                "class activation maps whose largest cell is in the target's box",
                lambda r: r.activation_pointing,
                1,
            ),
            _estimate(
                "seconds",
                "train s",
                "seconds of training, median over seeds with quartiles",
                lambda r: r.seconds,
                0,
                lacking="–",
            ),
        ],
    )


def details(table: Table) -> list[Column]:
    """Measured otherwise, and at what cost."""
    several = len(_controls(table)) > 1
    middling = any(len(row.group.runs) >= QUARTERED for row in table.rows)
    shown = [
        _estimate("middle", "IQM %", "interquartile mean of the error", lambda r: r.middle, None)
        if middling
        else None,
        _number("sampled", "sampled %", "error of one sampled pass", lambda r: r.sampled, None),
        _number("averaged", _passes(table), "error of averaged passes", lambda r: r.averaged, None),
        _number("nll", "NLL", "negative log-likelihood, nats", lambda r: r.nll, 3),
        _number("ece", "ECE", "expected calibration error", lambda r: r.ece, 3),
        _number(
            "ece_averaged", "ECE avg", "the same of averaged passes", lambda r: r.ece_averaged, 3
        ),
        _number("aurc", "AURC %", "error among the most confident", lambda r: r.aurc, 2),
        _number("pixels", "pixels", "seen over all looks", lambda r: r.pixels, 0),
        _number("parameters", "weights", "parameters", lambda r: r.group.first["parameters"], 0),
        _number(
            "flops",
            "MFLOP",
            "million operations for one image",
            lambda r: None if r.flops is None else r.flops / 1e6,
            1,
        ),
        _estimate(
            "latency_ms",
            "latency ms",
            "for one image, with quartiles of passes",
            lambda r: r.latency_ms,
            2,
            lacking="–",
        ),
        _estimate(
            "throughput",
            "answers/s",
            "images a second in batches, with quartiles of passes",
            lambda r: r.throughput,
            0,
            lacking="–",
        ),
        _number("peak_mib", "peak MiB", "for one image, with weights", lambda r: r.peak_mib, 1),
        _estimate(
            "speed",
            "images/s",
            "in training, median over seeds with quartiles",
            lambda r: r.speed,
            0,
            lacking="–",
        ),
        _words("control", "its control", "what is subtracted", lambda r: r.control * several),
    ]
    alike = () if somebody_looks(table) else ("pixels",)
    given = [column for column in shown if column is not None and column.key not in alike]
    return _telling(table, given)


def at_once(table: Table) -> list[Column]:
    """What to know of agents that all see everything at once, in one table."""
    both = [*results(table), *details(table)]
    return [column for column in both if column.key in AT_ONCE]


def somebody_looks(table: Table) -> bool:
    """Whether any row draws places to look at; otherwise passes and pixels are all alike."""
    return any(row.looks_around for row in table.rows)


def somebody_draws(table: Table) -> bool:
    """Whether any row draws its looks or its maps, so that passes differ."""
    return any(row.averaged is not None for row in table.rows)


def columns(table: Table) -> list[Column]:
    """All of them, for who has the room: what tells rows apart comes first."""
    both = [*results(table), *details(table)]
    return both if somebody_looks(table) else sorted(both, key=lambda c: c.key not in AT_ONCE)


def estimate_text(estimate: Estimate, decimals: int, sign: bool = False) -> str:
    """`12.3 [11.0, 13.4]`, or the number alone where there is no interval."""
    form = f"{'+' if sign else ''},.{decimals}f"
    point = f"{estimate.point:{form}}"
    if estimate.low is None or estimate.high is None:
        return point.replace("-", "−")
    return f"{point} [{estimate.low:{form}}, {estimate.high:{form}}]".replace("-", "−")


def notes(table: Table, columns: Sequence[Column]) -> list[str]:
    """What a reader must know of the numbers in these columns, each note where it applies."""
    said = [
        "Error: one pass, greedy looks (of soft attention, soft ones). Rows are ordered within a "
        "class of sight, not across."
    ]
    by_seed = [row.error for row in table.rows if row.error.unit == "seed" and row.error.n > 1]
    if by_seed:
        names = ", ".join(sorted({METHODS.get(one.method, one.method) for one in by_seed}))
        said.append(f"In brackets: 95 % interval over training seeds ({names}).")
    if any(row.error.unit == "image" and row.error.low is not None for row in table.rows):
        said.append(
            "Rows with 1 seed: in brackets a 95 % interval over test images for that one trained "
            "agent; it says nothing of another training seed."
        )
    mixed = [f"{row.title} ({code})" for row in table.rows if (code := row.group.mixed)]
    if mixed:
        said.append(
            "Trained under more than one version of the code, and which source files changed: "
            f"{'; '.join(mixed)}."
        )
    compared = [row for row in table.rows if row.verdict not in ("", "unsure")]
    if any(row.control and soft(row.group.first) is None for row in table.rows):
        said.append(
            "Control: the same agent, or the one it is a variant of, trained for looks that fall "
            "anywhere, on the same scenes and in the same world."
        )
    attending = [row for row in table.rows if row.control and soft(row.group.first)]
    if attending:
        wide = "; its layers are widened to as many weights"
        matched = all(row.group.first["recipe"].get("weights") for row in attending)
        said.append(f"Control of soft attention: the network without a block{wide * matched}.")
    if any(row.verdict for row in table.rows):
        said.append(
            "Beats it: yes where the whole interval of the difference lies below 0, worse where it "
            "lies above; no where it holds 0, and the two cannot be told apart."
        )
    shown = {column.key for column in columns}
    if "chance" in shown:
        said.append(
            "P(better): how often a run of it has less error than one of the control, ties counted "
            "half, over all pairs of seeds (Agarwal et al. 2021); interval by Newcombe (2006)."
        )
    if "middle" in shown:
        said.append(
            "IQM: the mean without the lowest and the highest quarter of the seeds; of fewer than "
            "four seeds that is the mean."
        )
    if "gain" in shown:
        whose = draws(measured([row.group for row in table.rows]))
        said.append(
            "Policy gain: points of error more when the same observer is given random looks, or of "
            f"soft attention the mean map. {whose}".rstrip()
        )
    if len(compared) >= MANY:
        said.append(
            f"Of {len(compared)} intervals of 95 % about {round(len(compared) / 20)} miss the true "
            "difference by chance."
        )
    if "nmi" in shown:
        said.append(
            "Clusters: nobody was told a label. Error is that of the best one-to-one matching of "
            "clusters with classes (Kuhn 1955); NMI and ARI are 1 where they agree and about 0 by "
            "chance."
        )
    if "entropy" in shown:
        said.append(
            "Entropy: mean over chosen looks, in nats. Of one among N cells it is 0 to ln N; of a "
            "point of the plane it is that of a density, and may be below 0; – where looks are "
            "certain, or fall on all cells by weights."
        )
    if "mean_map" in shown:
        said.append(
            "Mean map, other's map: points of error more when, after training, every map is "
            "replaced by the mean of the batch, or by that of another image. Near 0, it did not "
            "matter where the map was large."
        )
    if "map_entropy" in shown:
        of = "Pointing, MaxBoxAcc (Choe et al. 2020), box IoU and map" * ("pointing" in shown)
        said.append(
            f"{of or 'Map'} entropy: of the last block's map or, of hard looks over cells, of the "
            "cells looked at. Map entropy is 1 where all is alike; – is a map that is not about "
            "places."
        )
    if "activation_pointing" in shown:
        said.append(
            "CAM: the class activation map that the answer is read from (Zhou et al. 2016), which "
            "networks without a block have too."
        )
    if {"gini", "kept"} & shown:
        said.append(
            "Gini: of the same map, 0 where it is alike everywhere, 1 of a single cell. Kept: the "
            "share of cells that are attended to at all."
        )
    if {"aurc", "ece_averaged"} & shown:
        said.append(
            "AURC: area under risk and coverage (Geifman et al. 2019), the error among the most "
            "confident answers, mean over how many of them are given; of averaged passes where "
            "something is drawn."
        )
    if "flops" in shown:
        said.append(
            "MFLOP: of one image, two for a product and its sum, in matrix products and "
            "convolutions alone."
        )
    if "seconds" in shown:
        machines = sorted({_machine(row) for row in table.rows if row.seconds} - {""})
        said.append(
            "Train s, images/s: of the processor's own clock, which other programs do not lengthen "
            "(on a GPU of the wall's); median over seeds, in brackets quartiles of three or more. "
            f"– was timed by the wall alone, beside others. {'; '.join(machines)}."
        )
    if "latency_ms" in shown:
        said.append(
            "Latency, answers/s: by the processor's own clock (on a GPU the wall's), one thread, "
            "with quartiles of passes; measured once an architecture, whatever the seed and the "
            "estimator, and not while others train."
        )
    if "averaged" in shown:
        said.append(
            "Averaged: the mean of several sampled passes, which sees that many times more."
        )
    alone = [row.title for row in table.rows if row.error.low is None]
    if alone:
        said.append(f"1 seed, so no interval: {', '.join(alone)}.")
    return said


def _words(key: str, head: str, help_text: str, value: Callable[[Row], str]) -> Column:
    return Column(key, head, help_text, lambda row, decimals: value(row), value)


def _number(
    key: str,
    head: str,
    help_text: str,
    value: Callable[[Row], float | None],
    decimals: int | None,
    sign: bool = False,
) -> Column:
    """decimals: those of errors if None. sign: of points more or less."""

    def text(row: Row, of_errors: int) -> str:
        number = value(row)
        if number is None:
            return "–"
        shown = f"{number:{'+' * sign},.{of_errors if decimals is None else decimals}f}"
        return shown.replace("-", "−")

    return Column(key, head, help_text, text, value)


def _estimate(
    key: str,
    head: str,
    help_text: str,
    value: Callable[[Row], Estimate | None],
    decimals: int | None,
    sign: bool = False,
    lacking: str = "",
) -> Column:
    """decimals: those of errors if None. lacking: what stands where there is no estimate."""

    def text(row: Row, of_errors: int) -> str:
        found = value(row)
        if found is None:
            return lacking
        return estimate_text(found, of_errors if decimals is None else decimals, sign)

    def point(row: Row) -> float | None:
        found = value(row)
        return None if found is None else found.point

    return Column(key, head, help_text, text, point)


def _telling(table: Table, given: list[Column]) -> list[Column]:
    """Those that have something to say of some row."""
    return [
        column
        for column in given
        if any(column.text(row, table.decimals).strip("–") for row in table.rows)
    ]


def _controls(table: Table) -> list[str]:
    return sorted({row.control for row in table.rows if row.control})


def _passes(table: Table) -> str:
    passes = {
        (row.group.first["figures"].get("averaged") or {}).get("passes") for row in table.rows
    }
    passes -= {None, 1}
    return f"avg of {passes.pop()} %" if len(passes) == 1 else "averaged %"


def _seeds(row: Row) -> str:
    count = len(row.group.runs)
    return str(count) if count > 1 else "1 seed"


def _machine(row: Row) -> str:
    made = row.group.first["made_with"]
    threads = made.get("threads")
    count = f"{threads} thread{'s' * (threads != 1)}" if threads else ""
    return ", ".join(filter(None, [made.get("processor"), count]))
