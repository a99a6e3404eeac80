"""What is held against each response."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from strawberry.types import ExecutionResult

from tests.fuzz.checker import (
    ERROR,
    HUNG,
    LEAKED,
    MIXED,
    RUNS,
    STALE,
    UNGUARDED,
    WRONG,
    Judge,
)
from tests.fuzz.graphql.behaviour import Job, Request, Sent
from tests.fuzz.graphql.context import Context
from tests.fuzz.graphql.operations import Field
from tests.fuzz.graphql.world import (
    ACCOUNTS,
    EVERYONE,
    FAILED,
    GUEST,
    OPENED,
    PROMISES,
    REFUSED,
    STAFF,
    Promise,
    Stamp,
    data_of,
    datum,
)
from tests.fuzz.waits import over_budget

Path: TypeAlias = tuple[str | int, ...]

_FAULT = "cache_fault"
"""The reason by which a response says that this package failed."""


@dataclass(slots=True)
class Asked:
    """A request under way, and what its responses must at least hold."""

    request: Request
    floors: dict[int, int]
    since: float
    """When it was asked for, in turns of the event loop."""

    @property
    def user(self) -> str:
        """The session as it stands in answers."""
        return self.request.session or GUEST


@dataclass(slots=True)
class _Response:
    """One response of a request."""

    asked: Asked
    sent: Sent
    floors: Mapping[int, int]
    status: str
    failed: list[Path] = field(default_factory=list)
    """Where errors are that the uncached schema gives too."""


class ResponseChecker(Judge):
    """Judges the responses that one process is given."""

    def asked(self, request: Request, pending: Mapping[int, int]) -> Asked:
        """Note what the responses must at least hold; called before they are asked for.

        Args:
            request: The request.
            pending: What is invalidated for this process only.
        """
        data = data_of(request.tenant)
        has_memory = self._options.local_bytes > 0
        floors = self._floors.a_while_ago(data) if has_memory else self._floors.now(data)
        for number, version in pending.items():
            floors[number] = max(version, floors[number])
        return Asked(request, floors, self.clock.now)

    def waited(self, asked: Asked, context: Context) -> None:
        """Judge how long a request of one operation waited for others, which are all but its own resolvers."""
        seconds = self.clock.now - asked.since - context.hung
        wrong = over_budget(self._options.wait_budget, seconds)
        if len(asked.request.sent) == 1 and wrong is not None:
            self.violation(HUNG, f"{asked.request.name} {wrong}")

    def answered(self, asked: Asked, sent: Sent, context: Context, result: ExecutionResult) -> None:
        """Judge a response."""
        kind = sent.operation.kind
        self.counted[f"{kind} answered"] += 1
        response = _Response(asked, sent, asked.floors, self._status(asked, result))
        for error in result.errors or ():
            self._judge_error(response, error.message, tuple(error.path or ()))
        if result.data is None:
            if not response.failed:
                self._report(WRONG, response, (), "there is no data")
            return
        placeholders = {
            "locale": asked.request.locale,
            "session": asked.user,
            **sent.variables,
        }
        for selected in sent.operation.fields:
            key = selected.key
            written = context.written.get((sent.token, key), {})
            response.floors = {
                number: max(version, written.get(number, 0))
                for number, version in asked.floors.items()
            }
            self._judge(response, selected, result.data.get(key), (key,), placeholders)
        if len(result.data) != len(sent.operation.fields):
            self._report(WRONG, response, (), f"there are the fields {[*result.data]}")
        self._judge_runs(response, context)

    def _status(self, asked: Asked, result: ExecutionResult) -> str:
        """Return what a response says of the cache, and count it."""
        said = (result.extensions or {}).get("responseCache")
        if said is None:
            return "?"
        for each in (said, *said.get("fields", ())):
            place = "field" if "field" in each else "answer"
            self.counted[f"{place} {each['status']}"] += 1
            if "reason" in each:
                self.counted[f"reason {each['reason']}"] += 1
            if each.get("reason") == _FAULT:
                self.violation(ERROR, f"{asked.request.name}: a fault of the cache: {each}")
        return str(said["status"])

    # -- Errors --------------------------------------------------------------------------------------

    def _judge_error(self, response: _Response, message: str, path: Path) -> None:
        found = _find(response.sent.operation.fields, path)
        promise = None if found is None else PROMISES[found.coordinate]
        request = response.asked.request
        if found is None or promise is None:
            is_expected = False
        elif message == REFUSED:
            is_expected = _refuses(request, found, promise) and promise.refusal is None
        else:
            is_expected = message == FAILED and found.coordinate in request.fails
        if is_expected:
            self.counted[f"errors: {message}"] += 1
            response.failed.append(path)
        else:
            self._report(ERROR, response, path, f"{message!r}")

    # -- Data ----------------------------------------------------------------------------------------

    def _judge(
        self,
        response: _Response,
        field: Field,
        value: Any,
        path: Path,
        placeholders: Mapping[str, str],
    ) -> None:
        promise = PROMISES[field.coordinate]
        request = response.asked.request
        if value is None:
            is_failed = any(failed[: len(path)] == path for failed in response.failed)
            if not is_failed and not (promise.users_only and request.session is None):
                self._report(WRONG, response, path, "it is null")
            return
        if _refuses(request, field, promise):
            if promise.refusal is None or value != promise.refusal:
                self._report(UNGUARDED, response, path, f"it is {value!r}")
            return
        if promise.shape == "stamp":
            self._judge_stamp(response, field, value, path, placeholders)
        elif promise.shape == "stamps" and isinstance(value, list) and value:
            for each in value:
                self._judge_stamp(response, field, each, path, placeholders)
        elif not _is_plain(promise, value, placeholders):
            self._judge_objects(response, field, value, path, placeholders)

    def _judge_objects(
        self,
        response: _Response,
        field: Field,
        value: Any,
        path: Path,
        placeholders: Mapping[str, str],
    ) -> None:
        objects: Sequence[tuple[Any, Path, Mapping[str, str]]]
        match PROMISES[field.coordinate].shape:
            case "object" if isinstance(value, dict):
                opened = {"id": OPENED} if field.name == "open" else {}
                objects = [(value, path, {**placeholders, **opened})]
            case "objects" if isinstance(value, list) and value:
                objects = [(each, (*path, place), placeholders) for place, each in enumerate(value)]
            case "accounts" if isinstance(value, list) and len(value) == len(ACCOUNTS):
                objects = [
                    (each, (*path, place), {**placeholders, "id": number})
                    for (place, each), number in zip(enumerate(value), ACCOUNTS, strict=True)
                ]
            case _:
                objects = []
                self._report(WRONG, response, path, f"it is {value!r}")
        for each, where, inside in objects:
            for selected in field.below:
                key = selected.key
                self._judge(response, selected, each.get(key), (*where, key), inside)

    def _judge_stamp(
        self,
        response: _Response,
        field: Field,
        value: Any,
        path: Path,
        placeholders: Mapping[str, str],
    ) -> None:
        promise = PROMISES[field.coordinate]
        request = response.asked.request
        stamp = Stamp.parse(value)
        whose = {
            "everyone": EVERYONE,
            "session": response.asked.user,
            "request": request.name,
        }[promise.whose]
        number = datum(request.tenant, promise.datum.format_map(placeholders))
        if stamp is None:
            self._report(WRONG, response, path, f"it is {value!r}", number)
        elif (stamp.tenant, stamp.whose) != (request.tenant, whose):
            self._report(LEAKED, response, path, f"it is {value!r}", number)
        elif (stamp.what, stamp.datum) != (promise.what(field.coordinate, placeholders), number):
            self._report(MIXED, response, path, f"it is {value!r}", number)
        else:
            place = ".".join(map(str, path))
            self.note(number, f"{request.name} got {stamp.version} at {place} ({response.status})")
            if stamp.version < response.floors[number]:
                self._report(
                    STALE,
                    response,
                    path,
                    f"it is datum {number} in version {stamp.version}, when the invalidation of version "
                    f"{response.floors[number]} had been acknowledged",
                    number,
                )

    # -- Runs ----------------------------------------------------------------------------------------

    def _judge_runs(self, response: _Response, context: Context) -> None:
        """Check that fields of a mutation ran once, and resolvers not more often."""
        sent, request = response.sent, response.asked.request
        if sent.operation.kind == "mutation":
            for each in sent.operation.fields:
                if (count := context.ran[sent.token, each.key]) != 1:
                    self._report(RUNS, response, (each.key,), f"it ran {count} times")
        if len(request.sent) == 1:  # paths of a batch are not told apart
            for path, count in context.resolved.items():
                if count > 1:
                    self._report(RUNS, response, path, f"it was resolved {count} times")

    # -- What is no response -------------------------------------------------------------------------

    def cancelled(self, asked: Asked, context: Context) -> None:
        """Judge a request that was cancelled."""
        self.counted["cancellations"] += 1
        for (token, key), count in context.ran.items():
            if count > 1:
                self.violation(RUNS, f"{asked.request.name}: {key} of {token} ran {count} times")

    def not_cancelled(self, asked: Asked) -> None:
        """Judge that a cancellation had no effect."""
        self.violation(ERROR, f"{asked.request.name}'s cancellation was swallowed")

    def raised(self, asked: Asked, error: BaseException) -> None:
        """Judge an exception in place of responses."""
        self.violation(ERROR, f"{asked.request.name}: {type(error).__name__}: {error}")

    def wrote(self, who: str, written: Mapping[int, int], how: str) -> None:
        """Note what became of a write.

        Args:
            who: The request, or the requester whose job it was.
            written: What was written.
            how: What is known of its invalidation.
        """
        self.counted[f"writes {how}"] += 1
        for number, version in written.items():
            self.note(number, f"{who} wrote {version}: {how}")

    def job(self, who: str, job: Job, written: Mapping[int, int]) -> None:
        """Note that a job begins to invalidate."""
        for number, version in written.items():
            self.note(number, f"{who} wrote {version} and invalidates ({job.kind})")

    def _report(
        self, kind: str, response: _Response, path: Path, what: str, number: int | None = None
    ) -> None:
        request = response.asked.request
        place = ".".join(map(str, path))
        self.violation(
            kind,
            f"{request.name} ({response.asked.user} of {request.tenant}, {response.status}) got at "
            f"{place or 'the root'} of {response.sent.operation.text}: {what}",
            number,
        )


def _is_plain(promise: Promise, value: Any, placeholders: Mapping[str, str]) -> bool:
    """Whether an answer is the plain value that it has to be."""
    match promise.shape:
        case "id":
            return bool(value == promise.placeholders.format_map(placeholders))
        case "true":
            return value is True
        case _:
            return False


def _refuses(request: Request, field: Field, promise: Promise) -> bool:
    """Whether the permission class of a field refuses a request."""
    match promise.guard:
        case "request":
            return field.name in request.refused
        case "session":
            return request.session not in STAFF
        case _:
            return False


def _find(fields: Sequence[Field], path: Path) -> Field | None:
    """Return the selected field at a path."""
    found = None
    for key in path:
        if isinstance(key, str):
            found = next((each for each in fields if each.key == key), None)
            if found is None:
                return None
            fields = found.below
    return found
