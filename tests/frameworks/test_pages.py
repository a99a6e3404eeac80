"""The page of each framework has a complete file, what there is to know about it, and a call for tests that runs."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.frameworks.serving import EXAMPLES, FRAMEWORKS

PAGES: Final = sorted(
    page
    for page in (Path(__file__).parents[2] / "docs" / "frameworks").glob("*.md")
    if page.stem != "index"
)
SECTIONS: Final = (
    "Context",
    "Tenant and session",
    "Closing",
    "Websockets",
    "Invalidation",
    "Testing",
)
each_page = pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])

PROGRAM: Final = """
import asyncio
from on_{name} import *
from strawberry_response_cache.testing import memory_cache

cache = memory_cache()
schema = make_schema(cache, is_async={is_async})
query = "{{ books {{ edges {{ node {{ title }} }} }} }}"

async def ask():
    return {call}

def ask_sync():
    return {call_sync}

for _ in range(2):
    result = asyncio.run(ask()) if {is_async} else ask_sync()
    assert result.errors is None, result.errors
    assert result.data == {{"books": {{"edges": []}}}}, result.data
print(cache.statistics().operations.hits)
"""


@each_page
def test_a_page_has_a_file_that_a_server_runs_and_a_section_for_each_question(page: Path) -> None:
    text = page.read_text("utf-8")
    assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == SECTIONS
    assert f"{{literalinclude}} ../examples/frameworks/on_{page.stem}.py\n" in text
    assert any(f" on_{page.stem}:" in framework.command for framework in FRAMEWORKS.values())


@each_page
def test_the_call_that_a_page_advises_for_tests_runs_and_is_cached(
    page: Path, tmp_path: Path
) -> None:
    [call] = re.findall(r"framework: `([^`]+)`", page.read_text("utf-8"))
    is_async = call.startswith("await ")
    program = PROGRAM.format(
        name=page.stem,
        is_async=is_async,
        call=call if is_async else None,
        call_sync=None if is_async else call,
    )
    environment = {
        "RESPONSE_CACHE_URL": "memory://",
        "RESPONSE_CACHE_PREFIX": "shop",
        "SHOP_DATABASE": str(tmp_path / "shop.sqlite3"),
    }
    printed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=EXAMPLES,
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert printed.stdout == "1\n", printed.stderr
