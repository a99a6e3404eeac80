"""How Sphinx builds this documentation; CONTRIBUTING.md names the command."""

import strawberry_response_cache

project = "strawberry-response-cache"
author = "The strawberry-response-cache authors"
version = release = strawberry_response_cache.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["examples"]

# Every link to a page or to a heading is checked, and every name in backticks of a docstring.
nitpicky = True
# Types in signatures that belong to others, and their names in docstrings.
nitpick_ignore_regex = [("py:class", ".*"), ("py:exc", "GraphQLError"), ("py:obj", r"redis\..*")]
default_role = "py:obj"
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

autodoc_member_order = "bysource"
# The docstrings say what each attribute is; a line for its type doubles the length of a page.
napoleon_attr_annotations = False
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
add_module_names = False

html_theme = "furo"
html_title = "strawberry-response-cache"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
