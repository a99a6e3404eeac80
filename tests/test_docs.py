"""The documentation names tests that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_test_that_the_documentation_names_exists() -> None:
    text = (ROOT / "docs" / "what-holds.md").read_text(encoding="utf-8")
    named = re.findall(r"`(?:(\w+)/)?(\w+\.py)::(\w+)`", text)
    assert len(named) == text.count("::") > 100
    missing = [
        f"{folder}/{file}::{test}"
        for folder, file, test in named
        if f"def {test}(" not in (ROOT / "tests" / (folder or "graphql") / file).read_text("utf-8")
    ]
    assert missing == []
