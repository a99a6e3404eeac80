"""Directives that read the code, so that what they show cannot fall behind it."""

import importlib
from collections.abc import Iterator
from enum import StrEnum

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from strawberry_response_cache import CacheSettings

PACKAGE = "strawberry_response_cache"


class Settings(SphinxDirective):
    """``.. settings::`` shows each field of `CacheSettings`, with its type, its default and why."""

    def run(self) -> list[nodes.Node]:
        """Return one entry for each field."""
        lines = []
        for name, field in CacheSettings.model_fields.items():
            kind = getattr(field.annotation, "__name__", "")
            lines += [
                f".. py:attribute:: CacheSettings.{name}",
                f"   :type: {kind}",
                f"   :value: {field.default!r}",
                "",
                *(f"   {line}" for line in (field.description or "").splitlines()),
                "",
            ]
        return _parsed(self, lines)


class Members(SphinxDirective):
    """``.. members:: Reason`` shows each member of an enumeration of strings, and what it means."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return one entry for each member."""
        kind: type[StrEnum] = getattr(importlib.import_module(PACKAGE), self.arguments[0])
        return _parsed(self, list(_members(kind)))


def _members(kind: type[StrEnum]) -> Iterator[str]:
    documented = ModuleAnalyzer.for_module(kind.__module__).find_attr_docs()
    for member in kind:
        yield f".. py:attribute:: {kind.__name__}.{member.name}"
        yield f'   :value: "{member.value}"'
        yield ""
        yield from (f"   {line}" for line in documented.get((kind.__name__, member.name), ()))
        yield ""


def _parsed(directive: SphinxDirective, lines: list[str]) -> list[nodes.Node]:
    return directive.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directives."""
    app.add_directive("settings", Settings)
    app.add_directive("members", Members)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
