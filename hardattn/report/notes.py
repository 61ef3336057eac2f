"""What a reader must know of a table's numbers, said below it."""

from collections.abc import Iterator, Sequence

from hardattn.report.asked import counted
from hardattn.report.column import Column
from hardattn.report.controls import soft
from hardattn.report.rows import MANY, Table
from hardattn.report.strongest import TOO_SHORT

METHODS = {"student-t": "Student's t"}


def notes(table: Table, columns: Sequence[Column]) -> list[str]:
    """Each where it applies, those of columns in their order."""
    own = [one.note if isinstance(one.note, str) else one.note(table) for one in columns]
    said = [*_errors(table), *_comparisons(table), *own, *_cautions(table)]
    return list(dict.fromkeys(filter(None, said)))


def _errors(table: Table) -> Iterator[str]:
    """How errors were measured, what their intervals are over, and whose code changed."""
    yield (
        "Error: one pass, greedy looks (of soft attention, soft ones). Rows are ordered within a "
        "class of sight, not across."
    )
    yield counted(table)
    by_seed = [row.error for row in table.rows if row.error.unit == "seed" and row.error.n > 1]
    if by_seed:
        names = ", ".join(sorted({METHODS.get(one.method, one.method) for one in by_seed}))
        yield f"In brackets: 95 % interval over training seeds ({names})."
    if any(row.error.unit == "image" and row.error.low is not None for row in table.rows):
        yield (
            "Rows with 1 seed: in brackets a 95 % interval over test images for that one trained "
            "agent; it says nothing of another training seed."
        )
    for row in table.rows:
        for seed, why in row.group.failed.items():
            yield f"Failed, and left out: {row.title}, seed {seed}: {why or 'nobody knows why'}."
    mixed = [f"{row.title} ({code})" for row in table.rows if (code := row.group.mixed)]
    if mixed:
        yield (
            "Trained under more than one version of the code, and which source files changed: "
            f"{'; '.join(mixed)}."
        )


def _comparisons(table: Table) -> Iterator[str]:
    """What rows are compared with, and when one beats it."""
    if any(row.control and soft(row.group.first) is None for row in table.rows):
        yield (
            "Control: the strongest of those that did not learn where to look, on the same scenes "
            "and in the same world. They are the same agent, or the one it is a variant of, "
            "trained for looks that fall anywhere, on the centre, or line by line (of several "
            "scripts the one with the least error); and where it was measured, its observer, "
            "retrained for the best fixed path."
        )
    attending = [row for row in table.rows if row.control and soft(row.group.first)]
    if attending:
        wide = "; its layers are widened to as many weights"
        matched = all(row.group.first.recipe.get("weights") for row in attending)
        yield f"Control of soft attention: the network without a block{wide * matched}."
    if any(row.verdict for row in table.rows):
        yield (
            "Beats it: yes where the whole interval of the difference lies below 0, worse where it "
            "lies above; no where it holds 0, and the two cannot be told apart."
        )
    if any(row.verdict == TOO_SHORT for row in table.rows):
        yield (
            "Too short: it has no verdict, as the validation error of the one that is behind still "
            "fell by more than a fifth in the last quarter of its training."
        )


def _cautions(table: Table) -> Iterator[str]:
    """What luck does to many intervals, and who has none."""
    compared = [row for row in table.rows if row.verdict not in ("", "unsure", TOO_SHORT)]
    if len(compared) >= MANY:
        yield (
            f"Of {len(compared)} intervals of 95 % about {round(len(compared) / 20)} miss the true "
            "difference by chance."
        )
    alone = [row.title for row in table.rows if row.error.low is None]
    if alone:
        yield f"1 seed, so no interval: {'; '.join(alone)}."
