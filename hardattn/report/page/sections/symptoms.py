"""Whether anything is wrong with where it looks: how often attention is dead, saturated, ..."""

from hardattn.evaluation.failure_modes import states
from hardattn.report.page.context import Context, shown
from hardattn.report.page.plain import greedy, line, mean, plain
from hardattn.report.page.sections.provenance import origin
from hardattn.report.rows import Table


def section(context: Context) -> str:
    """Shares of scenes in which attention failed in one of the known ways."""
    words = (
        "Percent of the test scenes. Dead: looks stay where they are, or the map is empty. "
        "Saturated: at the edge of the image, or all gates open. Uniform: the map is nearly even. "
        "Collapsed: the same as for every image. Centre-biased: at the centre, where the target is "
        "not. Captured: settled on something that is not the target. – cannot be told."
    )
    return shown(words, symptoms(context.table), origin(context.table.rows))


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
