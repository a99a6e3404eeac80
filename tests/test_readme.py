"""The README says what the code does: its example runs as printed, its tables are the code's."""

import re
import subprocess
import sys
from pathlib import Path

from strawberry_response_cache import CacheSettings

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_complete_example_prints_what_the_readme_says() -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocks("python")[0]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stderr == ""
    assert finished.stdout == blocks("text")[0]


def test_the_settings_of_the_readme_have_these_defaults() -> None:
    settings = CacheSettings()
    units = {"s": 1.0, "MiB": 1024.0**2, "": 1.0}
    rows = re.findall(
        r"^\| `(\w+)` \| ([\d.]+) ?(s\b|MiB\b|)", README.read_text("utf-8"), re.MULTILINE
    )
    assert {name: float(number) * units[unit] for name, number, unit in rows} == {
        name: float(getattr(settings, name)) for name in CacheSettings.model_fields
    }
