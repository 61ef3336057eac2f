"""Tables for papers: LaTeX with booktabs."""

from collections.abc import Sequence

from hardattn.report.column import Column
from hardattn.report.columns import details, results
from hardattn.report.notes import notes
from hardattn.report.render.markdown import LEFT
from hardattn.report.rows import Table

# What has a meaning of its own in LaTeX's text, or is not in every font.
TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "’": "'",
}


def latex(tables: Sequence[Table], command: str = "") -> str:
    """Tables to be \\input: results of each set of scenes, then what they cost.

    A row in italics opens each class of sight. command: what made this.
    """
    parts = ["% Needs \\usepackage{booktabs} and, for wide tables, \\usepackage{graphicx}."]
    parts += [f"% Made by: {' '.join(command.split())}"] if command else []
    for number, table in enumerate(tables):
        agent, *found = results(table)
        said = " ".join(notes(table, [*found, *details(table)]))
        parts.append(_tabular(table, [agent, *found], f"results-{number}", said))
        costs = details(table)
        if costs:
            parts.append(_tabular(table, [agent, *costs], f"details-{number}", ""))
    return "\n\n".join(parts) + "\n"


def tex(text: str) -> str:
    """Text as LaTeX sets it."""
    return "".join(TEX.get(letter, letter) for letter in text)


def _tabular(table: Table, shown: Sequence[Column], key: str, said: str) -> str:
    kinds = "".join("l" if column.key in LEFT else "r" for column in shown)
    lines = []
    for at, (sees, rows) in enumerate(table.sections):
        lines += [r"\midrule"] * (at > 0)
        lines.append(rf"\multicolumn{{{len(shown)}}}{{l}}{{\textit{{{tex(sees)}}}}} \\")
        # Braces, because a line that began with a bracket would be read as a length.
        lines += [
            "{}" + " & ".join(tex(column.text(row, table.decimals)) for column in shown) + r" \\"
            for row in rows
        ]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{tex(f'{table.scenes}. {said}'.strip())}}}",
            rf"\label{{tab:{key}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{kinds}}}",
            r"\toprule",
            " & ".join(tex(column.head) for column in shown) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )
