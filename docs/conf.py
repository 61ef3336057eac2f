"""How Sphinx builds these pages: `make docs`, into docs/_build/html."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import expand  # noqa: E402

import hardattn  # noqa: E402  before torch

project = "hardattn"
author = "the hardattn authors"
copyright = author
version = release = hardattn.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
default_role = "code"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# `text` is drawn as it stands; the shell's lexer colours commands.
highlight_language = "text"
copybutton_only_copy_prompt_lines = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
# A class is told by its docstring; what torch gives it besides is torch's to explain.
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"hardattn {release}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_copy_source = False
html_show_sourcelink = False


def setup(app):
    """Pages may ask for rows of tables, and docstrings are prose."""
    app.connect("source-read", expand.expand)
    # Before napoleon, whose priority is 500, and after it.
    app.connect("autodoc-process-docstring", expand.plain, priority=400)
    app.connect("autodoc-process-docstring", expand.fields, priority=600)
