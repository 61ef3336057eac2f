"""Columns of what was measured otherwise than by one greedy pass, and of what it costs."""

from hardattn.report.column import Column, drawn, measured, somebody_looks
from hardattn.report.costs import over_trainings, peak
from hardattn.report.rows import Table, mean

QUARTERED = 4  # seeds from which on the interquartile mean is another than the mean
SURE = (
    "AURC: area under risk and coverage (Geifman et al. 2019), the error among the most "
    "confident answers, mean over how many of them are given; of averaged passes where "
    "something is drawn."
)


def _passes(table: Table) -> str:
    passes = {(row.group.first.metrics.get("averaged") or {}).get("passes") for row in table.rows}
    passes -= {None, 1}
    return f"avg of {passes.pop()} %" if len(passes) == 1 else "averaged %"


DETAILS = (
    Column(
        "middle",
        "IQM %",
        "interquartile mean of the error",
        lambda row: row.middle,
        drop_at=5,
        where=lambda table: any(len(row.group.runs) >= QUARTERED for row in table.rows),
        note="IQM: the mean without the lowest and the highest quarter of the seeds; of fewer than "
        "four seeds that is the mean.",
    ),
    Column(
        "sampled",
        "sampled %",
        "error of one sampled pass",
        drawn("error", "sampled", 100.0),
        drop_at=24,
    ),
    Column(
        "averaged",
        "averaged %",
        "error of averaged passes",
        drawn("error", "averaged", 100.0),
        drop_at=10,
        heading=_passes,
        note="Averaged: the mean of several sampled passes, which sees that many times more.",
    ),
    Column("nll", "NLL", "negative log-likelihood, nats", measured("nll"), decimals=3, drop_at=8),
    Column("ece", "ECE", "expected calibration error", measured("ece"), decimals=3, drop_at=9),
    Column(
        "ece_averaged",
        "ECE avg",
        "the same of averaged passes",
        drawn("ece", "averaged"),
        decimals=3,
        drop_at=19,
        note=SURE,
    ),
    Column(
        "aurc",
        "AURC %",
        "error among the most confident",
        measured("aurc", 100.0, "averaged"),
        decimals=2,
        drop_at=15,
        note=SURE,
    ),
    Column(
        "pixels",
        "pixels",
        "seen over all looks",
        lambda row: row.pixels,
        decimals=0,
        drop_at=26,
        where=somebody_looks,
    ),
    Column(
        "parameters",
        "weights",
        "parameters",
        lambda row: row.group.first.parameters,
        decimals=0,
        drop_at=6,
        at_once=True,
    ),
    Column(
        "flops",
        "MFLOP",
        "million operations for one image",
        lambda row: None if row.flops is None else row.flops / 1e6,
        decimals=1,
        drop_at=21,
        at_once=True,
        note="MFLOP: of one image, two for a product and its sum, in matrix products and "
        "convolutions alone.",
    ),
    Column(
        "latency_ms",
        "latency ms",
        "for one image, with quartiles of passes",
        lambda row: row.latency_ms,
        decimals=2,
        drop_at=4,
        note="Latency, answers/s: by the processor's own clock (on a GPU the wall's), one thread, "
        "with quartiles of passes; measured once an architecture, whatever the seed and the "
        "estimator, and not while others train.",
    ),
    Column(
        "throughput",
        "answers/s",
        "images a second in batches, with quartiles of passes",
        lambda row: row.throughput,
        decimals=0,
        drop_at=3,
    ),
    Column(
        "peak_mib",
        "peak MiB",
        "for one image, with weights",
        lambda row: mean([peak(run) for run in row.group.runs]),
        decimals=1,
        drop_at=2,
    ),
    Column(
        "speed",
        "images/s",
        "in training, median over seeds with quartiles",
        lambda row: over_trainings(row.group, lambda seconds, images: images / seconds),
        decimals=0,
        drop_at=7,
        at_once=True,
    ),
    Column(
        "control",
        "its control",
        "what is subtracted",
        lambda row: row.control,
        drop_at=1,
        at_once=True,
        where=lambda table: len(table.controls) > 1,
    ),
)
