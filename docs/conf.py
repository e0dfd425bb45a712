"""Sphinx settings. ``make docs`` builds the pages; the code in them is run by ``tests/functional/test_docs.py``."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

project = "xnat"
author = "The xnat developers"
copyright = "The xnat developers, Apache License 2.0"
release = re.search(r'__version__ = "([^"]+)"', (ROOT / "xnat" / "version.py").read_text()).group(1)
version = release


def layers():
    """Layer → modules, as tests/meta/test_layers.py holds the imports against it; so the page can't be wrong."""
    tree = ast.parse((ROOT / "tests" / "meta" / "test_layers.py").read_text())
    table = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "LAYERS"
    )
    found = {}
    for module, layer in ast.literal_eval(table).items():
        found.setdefault(layer, []).append(f"``{module}``")
    return found


# |layer-0|, |layer-1|, ... in architecture.rst
rst_prolog = "\n".join(f".. |layer-{layer}| replace:: {', '.join(names)}" for layer, names in layers().items())

extensions = ["sphinx.ext.autodoc"]  # no intersphinx: a build needs no network
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
toc_object_entries_show_parents = "hide"

highlight_language = "default"
pygments_style = "friendly"

html_theme = "furo"
html_title = f"xnat {release}"
html_show_sphinx = False
html_copy_source = False
