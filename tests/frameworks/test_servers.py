"""Each framework on its usual server: one list of checks, a restart, and caches that are closed."""

from pathlib import Path

import pytest

from tests.conftest import UNHURRIED
from tests.frameworks.checks import CHECKS, Client
from tests.frameworks.serving import FRAMEWORKS, Framework, served
from tests.servers.valkey import valkey_node
from tests.servers.waiting import wait_until


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=FRAMEWORKS)
def test_each_framework_passes_all_checks_on_its_usual_server(
    framework: Framework, tmp_path: Path
) -> None:
    with valkey_node() as valkey, valkey.client() as raw:
        environment = {
            "RESPONSE_CACHE_URL": f"redis://{valkey.address}",
            "RESPONSE_CACHE_PREFIX": "shop",
            **{f"RESPONSE_CACHE_{name.upper()}": str(value) for name, value in UNHURRIED.items()},
            "SHOP_DATABASE": str(tmp_path / "shop.sqlite3"),
            "PYTHONPATH": str(Path(__file__).parent / "noting"),
            "CLOSED_BY": str(closed := tmp_path / "closed"),
        }
        with served(framework, environment) as url:
            for check in CHECKS:
                check(Client(url, framework, check.__name__))
            assert Client(url, framework, "kept").titles()[0] == "miss"
        closing = closed.read_text().split() if closed.exists() else []
        assert len(set(closing)) == framework.closing
        wait_until(lambda: len(raw.client_list()) == 1, "the application has disconnected")
        with served(framework, environment, workers=1) as url:  # each takes seconds to start
            assert Client(url, framework, "kept").titles()[0] == "hit"
