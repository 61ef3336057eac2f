"""Notebooks are what their pages say, without outputs; the pages run with all others."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))
import notebook  # noqa: E402

PAGES = notebook.pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_notebook_is_its_page(page: Path) -> None:
    """If not: python docs/notebook.py."""
    text = page.read_text(encoding="utf-8")
    assert page.with_suffix(".ipynb").read_text(encoding="utf-8") == notebook.notebook(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_it_is_a_notebook_without_outputs(page: Path) -> None:
    held: dict[str, Any] = json.loads(page.with_suffix(".ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in held["cells"] if cell["cell_type"] == "code"]
    assert len(code) > 3 and not any(cell["outputs"] for cell in code)
    assert len({cell["id"] for cell in held["cells"]}) == len(held["cells"])
    text = page.read_text(encoding="utf-8")
    assert ["".join(cell["source"]) for cell in code] == [
        found.strip("\n") for found in notebook.FENCE.findall(text)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_it_runs_as_jupyter_runs_it(page: Path, tmp_path: Path) -> None:
    nbformat: Any = pytest.importorskip("nbformat")
    client: Any = pytest.importorskip("nbclient")
    held = nbformat.read(page.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(held)
    client.NotebookClient(held, timeout=1000, resources={"metadata": {"path": str(ROOT)}}).execute()
    outputs = [each for cell in held["cells"] for each in cell.get("outputs", ())]
    assert any("image/png" in each.get("data", {}) for each in outputs)
