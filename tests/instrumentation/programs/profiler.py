"""PyInstrument, which Strawberry ships: it writes a report of each operation."""

import tempfile
from pathlib import Path
from typing import Any

from tests.instrumentation.requests import Listed, Package, run

_report = Path(tempfile.mkdtemp()) / "report.html"


def listed() -> dict[str, Listed]:
    """Return the extension that Strawberry ships."""
    from strawberry.extensions.pyinstrument import PyInstrument

    return {"PyInstrument": Listed(extension=lambda: PyInstrument(report_path=_report))}


def told() -> list[Any]:
    """Return whether there is a report, and remove it."""
    if not _report.exists():
        return []
    _report.unlink()
    return ["report"]


if __name__ == "__main__":
    run(Package(start=lambda: None, told=told, listed=listed))
