"""Chromium's own cache in front of this package's view."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.proxies.service import Seen, Service, served
from tests.servers.waiting import wait_until

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed; on Debian: apt-get install chromium"
)

PAGE: Final = """
<script type="module">
const report = (body) => fetch("/report", {method: "POST", body: JSON.stringify(body)});
const ask = async (query, headers = {}) =>
  (await fetch("/?query=" + encodeURIComponent(query), {headers: {accept: "application/json", ...headers}})).json();
try {
  await (async () => { %s })();
} catch (error) {
  await report({error: String(error)});
}
</script>
"""


def browse(service: Service, directory: Path, script: str) -> object:
    """Let a page with a script be shown, and return what it reports."""
    service.pages["/page"] = lambda: PAGE % script
    service.reports.clear()
    command = [
        str(CHROMIUM),
        "--headless=new",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        f"--user-data-dir={directory / 'profile'}",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
        "--remote-debugging-port=0",  # so that it stays until it is ended
        f"http://127.0.0.1:{service.port}/page",
    ]
    log = directory / "log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as run:
        try:
            wait_until(lambda: service.reports or run.poll() is not None, "a report", patience=240)
        finally:
            run.terminate()
            run.wait(60)
    assert service.reports, log.read_text("utf-8")
    return service.reports[0]


def asked(service: Service) -> list[Seen]:
    return [each for each in service.seen if each.path == "/" and each.method == "GET"]


def test_the_browser_revalidates_an_expired_response(tmp_path: Path) -> None:
    """The page asks again and again, until the browser has asked the service a second time."""
    script = """
        const answers = [];
        while (await (await fetch("/asked", {cache: "no-store"})).text() < 2) {
            answers.push(JSON.stringify(await ask("{ constant }")));
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
        await report(answers);
    """
    with served() as service:
        service.pages["/asked"] = lambda: str(len(asked(service)))
        answers = browse(service, tmp_path, script)
    assert isinstance(answers, list)
    assert set(answers) == {'{"data":{"constant":1}}'}
    first, second = asked(service)
    assert (first.status, first.if_none_match) == (200, "")
    assert (second.status, second.if_none_match[:3]) == (304, 'W/"')
    assert len(answers) > 2, "the browser never used what it had"


def test_the_browser_asks_again_for_responses_that_may_not_be_stored(tmp_path: Path) -> None:
    script = """
        const asking = ["{ now }", "{ now }", "{ fails }", "{ fails }", "{ mine }", "{ mine }"];
        for (const query of asking) await ask(query);
        await report("done");
    """
    with served() as service:
        assert browse(service, tmp_path, script) == "done"
    assert [(each.status, each.if_none_match) for each in asked(service)] == [(200, "")] * 6


def test_the_browser_keeps_tenants_apart_and_stores_private_responses(tmp_path: Path) -> None:
    script = """
        const found = [];
        for (const tenant of ["acme", "globex", "acme", "globex"])
            found.push(JSON.parse((await ask("{ words }", {"x-tenant": tenant})).data.words)["x-tenant"]);
        for (let count = 0; count < 2; count++)
            found.push(JSON.parse((await ask("{ mine }", {authorization: "alice"})).data.mine).authorization);
        await report(found);
    """
    with served() as service:
        found = browse(service, tmp_path, script)
    assert found == ["acme", "globex", "acme", "globex", "alice", "alice"]
    assert sum("mine" in each.query for each in asked(service)) == 1
