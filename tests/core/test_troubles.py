"""Logs and errors say what is wrong with a server in plain words, and never repeat the server's text."""

import re
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.exceptions
from redis.sentinel import MasterNotFoundError

from strawberry_response_cache.core import CacheDetail, CacheStoreError, ResponseCache
from strawberry_response_cache.core.drivers.driving import will_never_do
from strawberry_response_cache.core.protocol import NotAskedError, Trouble, failure
from strawberry_response_cache.core.redis.breaker import BreakerOpenError
from strawberry_response_cache.core.redis.link import NoRunIdError, not_sent
from strawberry_response_cache.core.redis.replies import NonsenseError, Replies
from strawberry_response_cache.core.redis.wire import ForeignReplyError
from tests.core.answering import answering
from tests.core.logs import facts_of, ours

SECRET = "s3cret"

LINES: dict[str, Trouble] = {
    f"ERR DB index is out of range {SECRET}": Trouble.DATABASE,
    "ERR invalid DB index": Trouble.DATABASE,
    "ERR SELECT is not allowed in cluster mode": Trouble.DATABASE,
    "ERR This instance has cluster support disabled": Trouble.NO_CLUSTER,
    "ERR max number of clients reached": Trouble.TOO_MANY_CLIENTS,
    f"ERR unknown command 'EVALSHA', with args beginning with: {SECRET}": Trouble.UNKNOWN_COMMAND,
    "ERR invalid password": Trouble.LOGIN,
    f"WRONGPASS invalid username-password pair of {SECRET}": Trouble.LOGIN,
    "NOAUTH Authentication required.": Trouble.LOGIN,
    f"NOPERM No permissions to access the key {SECRET}": Trouble.PERMISSION,
    f"MOVED 3999 {SECRET}:6381": Trouble.CLUSTER_NODE,
    f"ASK 3999 {SECRET}:6381": Trouble.CLUSTER_NODE,
    "CROSSSLOT Keys in request don't hash to the same slot": Trouble.CLUSTER_NODE,
    "CLUSTERDOWN Hash slot not served": Trouble.CLUSTER_DOWN,
    "TRYAGAIN Multiple keys request during rehashing of slot": Trouble.CLUSTER_DOWN,
    "MASTERDOWN Link with MASTER is down": Trouble.CLUSTER_DOWN,
    "READONLY You can't write against a read only replica.": Trouble.READ_ONLY,
    "OOM command not allowed when used memory > 'maxmemory'.": Trouble.FULL,
    "MISCONF Redis is configured to save RDB snapshots": Trouble.NOT_SAVING,
    "NOREPLICAS Not enough good replicas to write.": Trouble.NO_REPLICAS,
    "LOADING Redis is loading the dataset in memory": Trouble.LOADING,
    "BUSY Redis is busy running a script.": Trouble.BUSY,
    "DENIED Redis is running in protected mode": Trouble.PROTECTED,
    f"ERR {SECRET}": Trouble.OTHER,
    SECRET: Trouble.OTHER,
}
"""What servers say; the secret stands where they may quote what they were asked."""


def tls_error() -> Exception:
    """What redis-py makes of a handshake that failed."""
    try:
        try:
            raise ssl.SSLError(1, SECRET)
        except OSError:
            raise redis.exceptions.ConnectionError(SECRET)  # noqa: B904 - as redis-py does it
    except redis.exceptions.ConnectionError as error:
        return error


ERRORS: list[tuple[Exception, Trouble]] = [
    (TimeoutError(SECRET), Trouble.SLOW),
    (redis.exceptions.TimeoutError(SECRET), Trouble.SLOW),
    (ConnectionRefusedError(SECRET), Trouble.UNREACHABLE),
    (redis.exceptions.ConnectionError(SECRET), Trouble.UNREACHABLE),
    (ssl.SSLCertVerificationError(SECRET), Trouble.TLS),
    (tls_error(), Trouble.TLS),
    (MasterNotFoundError(SECRET), Trouble.NO_PRIMARY),
    (redis.exceptions.InvalidResponse(SECRET), Trouble.NONSENSE),
    (NonsenseError(SECRET), Trouble.NONSENSE),
    (ForeignReplyError(SECRET), Trouble.NONSENSE),
    (NoRunIdError(SECRET), Trouble.WITHOUT_RUN_ID),
    (NotAskedError(), Trouble.NOT_ASKED),
    (BreakerOpenError(), Trouble.NOT_ASKED),
    (RuntimeError(SECRET), Trouble.OTHER),
]


def as_we_read(line: str) -> Exception:
    replies = Replies(1)
    replies.feed(f"-{line}\r\n".encode())
    error = replies.all[0]
    assert isinstance(error, Exception)
    return error


def as_redis_py_reads(line: str) -> Exception:
    from redis._parsers.base import BaseParser

    parser: Any = BaseParser
    error: Exception = parser.parse_error(line)
    return error


@pytest.mark.parametrize("read", [as_we_read, as_redis_py_reads])
@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line.split()[:2]))
def test_the_code_of_a_servers_error_says_what_is_wrong(
    line: str, read: Callable[[str], Exception]
) -> None:
    error = read(line)
    for each in (error, not_sent(error)):
        found = failure(each)
        assert found.trouble is LINES[line]
        assert SECRET not in f"{found!r}{found.trouble.advice}"


@pytest.mark.parametrize(("error", "trouble"), ERRORS, ids=lambda each: type(each).__name__)
def test_the_type_of_an_error_says_what_is_wrong(error: Exception, trouble: Trouble) -> None:
    found = failure(error)
    assert found.trouble is trouble
    assert SECRET not in f"{found!r}{found.trouble.advice}"


@pytest.mark.parametrize("trouble", Trouble)
def test_every_trouble_has_advice_and_an_error_that_leads_to_it(trouble: Trouble) -> None:
    assert re.fullmatch(r"[A-Z][^\n]*\.", trouble.advice)
    assert trouble in {*LINES.values(), *dict(ERRORS).values()}
    assert ("in time" in trouble.advice) is (trouble is Trouble.SLOW)


def test_failures_that_only_a_new_configuration_mends_are_not_tried_again() -> None:
    lasting = {trouble for trouble in Trouble if trouble.is_lasting}
    assert lasting == {
        Trouble.LOGIN,
        Trouble.PERMISSION,
        Trouble.DATABASE,
        Trouble.NO_CLUSTER,
    }
    assert will_never_do(failure(as_we_read("WRONGPASS no")))
    assert not will_never_do(failure(as_we_read("LOADING wait")))


# -- As users meet it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("greets", [True, False], ids=["when asked", "when connecting"])
@pytest.mark.parametrize(
    "line",
    [line for line, trouble in LINES.items() if trouble is not Trouble.OTHER],
    ids=lambda line: " ".join(line.split()[:2]),
)
async def test_logs_and_errors_say_what_is_wrong_with_a_server(
    new_cache: Callable[..., ResponseCache],
    face: Any,
    caplog: pytest.LogCaptureFixture,
    line: str,
    greets: bool,
) -> None:
    with answering(f"-{line}\r\n".encode(), greets=greets) as port:
        cache = new_cache(f"redis://user:{SECRET}@127.0.0.1:{port}/3").for_tenant(SECRET)
        response = await face.remember(cache, [SECRET], 60, lambda: SECRET, tags=[SECRET])
        assert response.detail is CacheDetail.STORE_FAILURE
        with pytest.raises(CacheStoreError) as caught:
            await face.ping(cache)  # which asks once, as an invalidation does again and again

    (record,) = ours(caplog.records)
    advice = LINES[line].advice
    facts = facts_of(record)
    assert facts["server.address"] == f"redis://127.0.0.1:{port}"
    for text in (record.getMessage(), str(caught.value)):
        assert text.startswith(f"Redis at 127.0.0.1:{port} ")
        assert text.endswith(advice)
        assert caught.value.error_type.rpartition(".")[2] in text
        assert SECRET not in f"{text}{facts}"


async def test_a_server_that_does_not_answer_is_reported_as_slow(
    new_cache: Callable[..., ResponseCache], face: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with answering(None) as port:
        cache = new_cache(
            f"redis://127.0.0.1:{port}",
            # Long enough to connect on a busy machine: not to connect is another trouble.
            read_deadline=0.5,
            connect_deadline=20,
            invalidate_deadline=0.5,
        )
        await face.remember(cache, ["a"], 60, lambda: "value")
    (record,) = ours(caplog.records)
    assert facts_of(record)["error.type"].endswith("TimeoutError")
    assert "did not answer in time" in record.getMessage()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (f"redis://:{SECRET}@127.0.0.1:%d/0", "the user and the password"),
        ("redis://:hunter2@127.0.0.1:%d/999", "no such database"),
        ("redis+cluster://:hunter2@127.0.0.1:%d", r"write redis://host:port/0 instead"),
    ],
    ids=["password", "database", "cluster"],
)
async def test_a_url_that_does_not_fit_a_real_server_says_what_to_write(
    new_server: Callable[..., Any],
    new_cache: Callable[..., ResponseCache],
    face: Any,
    caplog: pytest.LogCaptureFixture,
    path: str,
    said: str,
) -> None:
    server = new_server()
    with redis.Redis(port=server.port) as raw:
        raw.config_set("requirepass", "hunter2")
    cache = new_cache(path % server.port)

    response = await face.remember(cache, ["a"], 60, lambda: "value")
    assert (response.value, response.detail) == ("value", CacheDetail.STORE_FAILURE)
    with pytest.raises(CacheStoreError, match=said):
        await face.ping(cache)
    (record,) = ours(caplog.records)
    assert re.search(said, record.getMessage())
    facts_of(record)
