"""Sphinx: the tutorial, the pages and the reference as HTML. `make html` builds target/html.

The pages are all of docs/ (`sphinx-build -c docs/reference docs target/html`); this folder has the reference.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "python")]

project = "rustnn"
author = "the rustnn authors"
project_copyright = author
templates_path = [str(HERE / "templates")]
exclude_patterns = ["reference/templates"]
version = release = str(import_module("rustnn").__version__)

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "myst_parser", "public_names"]
root_doc = "reference/index"
smartquotes = False
html_theme = "furo"
html_title = f"rustnn {version}"
html_show_sourcelink = False
# Thousands of names in the sidebar of every page would take half of the time.
toc_object_entries = False

myst_heading_anchors = 2
# Links out of docs/, to examples and tests, are for readers of the repository.
suppress_warnings = ["myst.xref_missing"]

autodoc_inherit_docstrings = False
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
