"""The settings of Sphinx; `python -m docs.site` builds the site (see __main__.py)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import minidl

project = "minidl"
author = "The minidl authors"
version = release = minidl.__version__
project_copyright = "The minidl authors"

extensions = [
    "myst_nb",
    "sphinx.ext.linkcode",
    "sphinx_copybutton",
    "docs.site.extension",
]
exclude_patterns = ["**/.ipynb_checkpoints"]
nitpicky = True
# types in signatures are words, most of Python or NumPy; other names must be there
nitpick_ignore_regex = [("py:class", ".*")]

# notebooks are shown with the outputs that are committed; nothing runs here
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}  # these would come from elsewhere
myst_enable_extensions = ["dollarmath", "deflist"]
myst_update_mathjax = False
myst_heading_anchors = 3

add_module_names = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 170
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "minidl"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_favicon = "static/icon.svg"
html_copy_source = False
html_show_sphinx = False
pygments_style = "a11y-light"
pygments_dark_style = "a11y-dark"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Return the page of the book for the link [source] of an entry."""
    from docs.site.extension import resolve_source

    return resolve_source(domain, info)
