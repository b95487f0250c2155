"""How Sphinx is set up for the site: `site.py` calls it with the pages laid out."""

from __future__ import annotations

import importlib.metadata

project = "Parcela"
version = release = importlib.metadata.version("parcela")
html_title = "Parcela"
html_theme = "furo"
html_static_path: list[str] = []
html_use_index = False
html_domain_indices = False
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signature and the docstring say it
