"""Pages as notebooks: `python docs/notebook.py` writes PAGE.ipynb beside each page of tutorials.

A fence of Python becomes a cell of code, all else cells of text. There are no outputs, and nothing
that changes from one writing to the next.
"""

import json
import re
from pathlib import Path
from typing import Any

TUTORIALS = Path(__file__).resolve().parent / "tutorials"
FENCE = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)


def notebook(page: str) -> str:
    """The text of the notebook of a page."""
    cells: list[dict[str, Any]] = []
    for number, part in enumerate(FENCE.split(page)):
        text = part.strip("\n")
        if not text:
            continue
        cell: dict[str, Any] = {"id": f"cell-{len(cells):02d}", "metadata": {}}
        cell["source"] = text.splitlines(keepends=True)
        if number % 2:
            cell |= {"cell_type": "code", "execution_count": None, "outputs": []}
        else:
            cell["cell_type"] = "markdown"
        cells.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def pages() -> list[Path]:
    """The pages that are notebooks, too."""
    found = sorted(TUTORIALS.glob("*.md"))
    return [page for page in found if FENCE.search(page.read_text(encoding="utf-8"))]


if __name__ == "__main__":
    for page in pages():
        path = page.with_suffix(".ipynb")
        path.write_text(notebook(page.read_text(encoding="utf-8")), encoding="utf-8")
        print(path)
