"""Each framework on its usual server: one list of checks, a restart, and connections that are closed."""

from pathlib import Path
from typing import Any

import pytest

from tests.frameworks.checks import CHECKS, Client
from tests.frameworks.serving import FRAMEWORKS, Framework, served
from tests.servers.valkey import valkey_node
from tests.servers.waiting import wait_until


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=FRAMEWORKS)
def test_a_framework_on_its_server(framework: Framework, tmp_path: Path) -> None:
    with valkey_node() as valkey, valkey.client() as raw:
        environment = {
            "RESPONSE_CACHE_URL": f"redis://{valkey.address}",
            "RESPONSE_CACHE_PREFIX": "shop",
            "RESPONSE_CACHE_EARLY_REFRESH": "0",
            "SHOP_DATABASE": str(tmp_path / "shop.sqlite3"),
        }
        with served(framework, environment) as url:
            for check in CHECKS:
                check(Client(url, framework, check.__name__))
            assert Client(url, framework, "kept").titles()[0] == "miss"
        _await_closed_connections(raw)
        with served(framework, environment) as url:
            assert Client(url, framework, "kept").titles()[0] == "hit"


def _await_closed_connections(raw: Any) -> None:
    """Wait until the server's only client is this test."""
    wait_until(lambda: len(raw.client_list()) == 1, "the application closed its connections")
