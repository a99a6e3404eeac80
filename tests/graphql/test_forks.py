"""A forked child waits for no lock that another thread of its parent held at that moment."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from tests.test_layout import modules

LOCKS: Final = {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier"}

SIGNALS: Final = {
    "SyncCluster._learn_soon: Event",
    "_Waiter.__init__: Event",
    "SyncDriver._wait_for_any: Event",
    "SyncPubSub.sleep: Event",
    "ThreadWaiter.__init__: Event",
    "Turns.take: Lock",
    "SyncBackplane.start: Event",
    "SyncBackplane._keep: Event",
}
"""Each wakes one thread, which waits for it: there is no such thread in a child."""

FORKING: Final = """
import os, signal, sys, threading
import strawberry
from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.core._fork import renewed

@strawberry.type
class Item:
    id: strawberry.ID

@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def item(self, id: strawberry.ID) -> Item:
        return Item(id=id)

@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self, id: strawberry.ID) -> Item:
        return Item(id=id)

cache = ResponseCache.from_url(sys.argv[1], prefix="forks", local_bytes=1_000_000)
extension = ResponseCacheExtension(cache, tenant=None)
schema = strawberry.Schema(Query, Mutation, extensions=[extension])

def use():
    for query in ("{ item(id: 1) { id } }", "{ item(id: 2) { id } }") * 2:
        assert schema.execute_sync(query).errors is None
    assert schema.execute_sync("mutation { change(id: 1) { id } }").errors is None
    assert schema.execute_sync("{ item(id: 1) { id } }").errors is None

use()
held, over = threading.Event(), threading.Event()
locks = [(owner, name, getattr(owner, name)) for owner, name in renewed()]

def hold():
    for owner, name, lock in locks:
        (getattr(lock, "_cond", None) or lock).acquire()
    held.set()
    over.wait()

threading.Thread(target=hold, daemon=True).start()
held.wait()
if (pid := os.fork()) == 0:
    signal.alarm(20)
    for owner, name, lock in locks:
        new = getattr(owner, name)
        assert new is not lock, (owner, name)
        assert (getattr(new, "_cond", None) or new).acquire(timeout=0), (owner, name)
        (getattr(new, "_cond", None) or new).release()
    use()
    assert extension.faults == 0
    os._exit(0)
print(os.waitpid(pid, 0)[1], len({(type(owner), name) for owner, name, _ in locks}))
sys.stdout.flush()
os._exit(0)
"""


def test_a_forked_child_waits_for_no_lock_of_its_parents_threads(valkey_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, valkey_url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    status, kinds = done.stdout.split()
    assert (status, done.returncode) == ("0", 0), done.stderr
    assert int(kinds) >= 15, "the locks of all parts are held"


def test_every_lock_except_signals_is_renewed_in_a_forked_child() -> None:
    made = set()
    for name, path in modules().items():
        text = path.read_text("utf-8")
        if not name.endswith("core._fork") and any(f"{lock}(" in text for lock in LOCKS):
            made |= set(_made(ast.parse(text), ()))
    assert made == SIGNALS


def test_each_renewed_lock_is_registered_under_its_own_name() -> None:
    found = 0
    for path in modules().values():
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if "renewed_in_child(" in text else ():
            if not isinstance(node, ast.Assign) or not _is_renewed(node.value):
                continue
            (target,) = node.targets
            assert isinstance(node.value, ast.Call)
            named = node.value.args[1]
            assert isinstance(named, ast.Constant)
            assert ast.unparse(target).removeprefix("self.") == named.value, path
            found += 1
    assert found


def _is_renewed(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "renewed_in_child"


def _made(node: ast.AST, within: tuple[str, ...]) -> Iterator[str]:
    """Find the calls that make a lock outside of `renewed_in_child`, each with its function's name."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        within = (*within, node.name)
    if isinstance(node, ast.Call):
        made = ast.unparse(node.func).rpartition(".")
        if made[0] in {"", "threading"} and made[2] in LOCKS:
            yield f"{'.'.join(within)}: {made[2]}"
    for child in ast.iter_child_nodes(node):
        yield from _made(child, within)
