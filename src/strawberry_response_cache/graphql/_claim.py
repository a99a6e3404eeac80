"""What a middleware tells the extension of a request, and what the extension tells it of the answer.

The middleware answers hits before the application is entered, with functions of its own for tenant, session and
varied values. It leaves a claim in the ASGI scope of each request that it hands on. The extension compares the claim
with what its own functions return.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._user_code import called
from strawberry_response_cache.graphql.http.messages import of_context
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

if TYPE_CHECKING:
    from strawberry_response_cache.graphql._options import Options

IN_SCOPE: Final = "strawberry_response_cache.claim"
"""The key of a claim in an ASGI scope."""

_BYTES: Final = 16
_KEY: Final = os.urandom(_BYTES)
"""The random key of the digests, which are of no use outside of this process."""


class Front:
    """The state that one middleware shares with the extension.

    Args:
        is_off: Whether the middleware hands every request on to the application.

    Attributes:
        is_off: The same, now: the middleware may have turned itself off.
    """

    def __init__(self, *, is_off: bool) -> None:
        self.is_off = is_off

    def turn_off(self, name: str) -> None:
        """Hand every request on from now on, and log that once.

        Args:
            name: The function that returned another value than the extension's.
        """
        if not self.is_off:
            self.is_off = True
            logger.error(
                "ResponseCacheMiddleware turned itself off in this process: its %s gave another value for a request "
                "than %s of the extension. Let both return the same. The application answers every request.",
                name,
                name,
                extra={"response_cache.function": name},
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedHit:
    """An operation that the extension answered from the cache.

    Attributes:
        cache: The tenant's cache.
        keys: The keys of its entry.
        policy: The policy of the operation.
        session: The session of a PRIVATE entry; None for a PUBLIC one.
        subject: The operation, for the log and the observer.
    """

    cache: ResponseCache
    keys: EntryKeys = field(repr=False)
    policy: Policy
    session: str | None = field(repr=False)
    subject: Subject


class Claim:
    """What a middleware knows of who sends a request, and the hit that the extension tells it.

    Args:
        extension: The configuration of the extension that the middleware belongs to.
        front: The state of the middleware.
        answers: What the functions of the middleware returned, as text for keys, by their names.
        is_verified: Whether the middleware has a hit, and hands the request on because of ``verify``.
        is_down: Whether Redis did not answer the middleware.
    """

    __slots__ = (
        "_agreed",
        "_digests",
        "_extension",
        "_front",
        "_hit",
        "_runs",
        "is_down",
        "is_verified",
    )

    def __init__(
        self,
        extension: "Options",
        front: Front,
        answers: Mapping[str, str | Problem | None],
        *,
        is_verified: bool,
        is_down: bool,
    ) -> None:
        self.is_verified = is_verified
        self.is_down = is_down
        self._extension = extension
        self._front = front
        self._digests = _digests_of_answers(answers)
        self._agreed: frozenset[str] = frozenset()
        self._hit: ClaimedHit | None = None
        self._runs = 0

    def is_of(self, extension: "Options") -> bool:
        """Whether the middleware belongs to the extension with this configuration."""
        return self._extension is extension

    def begin(self) -> None:
        """Note that an operation of the request begins."""
        self._runs += 1

    def problem(self, answers: Mapping[str, str | Problem | None]) -> Problem | None:
        """Return a problem, and turn the middleware off, if the extension's functions returned something else.

        Args:
            answers: What the extension's functions returned, as text for keys, by their names.
        """
        theirs = _digests_of_answers(answers)
        both = self._digests.keys() & theirs.keys()
        wrong = [name for name in both if self._digests[name] != theirs[name]]
        if not wrong:
            self._agreed = frozenset(both)
            return None
        name = min(wrong)
        self._front.turn_off(name)
        return Problem(
            Reason.CONTEXT_CHANGED,
            None,
            f"{name} of ResponseCacheMiddleware gave another value for this request than {name} of the extension; "
            "let both return the same.",
        )

    def tell(self, hit: ClaimedHit) -> None:
        """Tell the middleware that an operation was answered from the cache."""
        self._hit = hit

    @property
    def hit(self) -> ClaimedHit | None:
        """The entry that answered the whole request.

        None if there is none, if several operations ran, or if the key depends on a function that only one side called.
        """
        hit = self._hit
        if hit is None or self._runs != 1:
            return None
        needed = {f"vary.{name}" for name in hit.policy.vary}
        if self._extension.tenant is not None:
            needed.add("tenant")
        if hit.session is not None:
            needed.add("session")
        return hit if needed <= self._agreed else None


def claim_in(context: object, extension: "Options") -> Claim | None:
    """Return the claim in the ASGI scope of a request, and count an operation; None without one for this extension.

    Args:
        context: The context of an operation that begins.
        extension: The configuration of the extension.
    """
    found = called(_claim_in, context)
    if type(found) is not Claim or not found.is_of(extension):
        return None
    found.begin()
    return found


def _claim_in(context: object) -> object:
    request = of_context(context, "request")
    scope = getattr(request, "scope", None)
    if scope is None:  # a request of Channels
        scope = getattr(getattr(request, "consumer", None), "scope", None)
    return scope.get(IN_SCOPE) if isinstance(scope, dict) else None


def _digests_of_answers(answers: Mapping[str, str | Problem | None]) -> dict[str, bytes]:
    """Return a digest of each answer; those of functions that failed are left out."""
    return {
        name: _digest_of_answer(name, answer)
        for name, answer in answers.items()
        if not isinstance(answer, Problem)
    }


def _digest_of_answer(name: str, answer: str | None) -> bytes:
    # None stands for no session. It is told from one, because the text of a session holds a colon.
    encoded = f"{name}={answer}".encode("utf-8", "surrogatepass")
    return blake2b(encoded, digest_size=_BYTES, key=_KEY).digest()
