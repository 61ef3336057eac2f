"""Whether anything is wrong with where it looks: how often attention is dead, saturated, ..."""

from hardattn.evaluation.failure_modes import states
from hardattn.report.page.plain import greedy, line, mean, plain
from hardattn.report.rows import Table


def symptoms(table: Table) -> str:
    """Of how many images attention is dead, saturated, ..., as HTML; "" without columns."""
    heads, lines = ["agent"], []
    for row in table.rows:
        found = [states(columns) for columns in greedy(row)]
        if found and any(value is not None for value in found[0].values()):
            heads = ["agent", *(name.replace("_", " ") for name in found[0])]
            means = [mean([one[name] for one in found]) for name in found[0]]
            lines.append(line(row.title, means))
    return plain(heads, lines)
