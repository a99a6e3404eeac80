"""Reports how one operation was answered: to the counters, the log, the observer and the response."""

from functools import partial
from typing import TYPE_CHECKING

from graphql import OperationDefinitionNode

from strawberry_response_cache.core import CacheStatus
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._observer import Concluded
from strawberry_response_cache.core._tenant import Tenant
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql._options import Options
from strawberry_response_cache.graphql._report import Report
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest, CacheResult
from strawberry_response_cache.graphql.execution.claims import tell
from strawberry_response_cache.graphql.execution.considered import Considered
from strawberry_response_cache.graphql.execution.counting import OperationCount
from strawberry_response_cache.graphql.execution.http_report import HttpReport
from strawberry_response_cache.graphql.execution.refused import RefusedOperations
from strawberry_response_cache.graphql.policy.outcome import Outcome, Status
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

if TYPE_CHECKING:
    from strawberry_response_cache.graphql._claim import Claim
    from strawberry_response_cache.graphql.execution.fields.cached_entity import RequestedEntities


class Conclusion:
    """Reports how one operation was answered.

    Args:
        tenant: Has the counters and the observer of the cache.
        options: The extension's configuration.
        report: Notes what the cache does for the operation.
        http: Notes what browsers and CDNs are told of the response.
        refused: The operations that Redis refused lately.

    Attributes:
        claim: The claim of a middleware in front; None without one.
        count: Counts the operation.
        entities: The objects that a gateway asks for, if they are answered one by one; else None.
    """

    __slots__ = (
        "_http",
        "_options",
        "_tenant",
        "claim",
        "count",
        "entities",
        "refused",
        "report",
    )

    def __init__(
        self,
        tenant: Tenant,
        options: Options,
        *,
        report: Report,
        http: HttpReport,
        refused: RefusedOperations,
    ) -> None:
        self._tenant = tenant
        self._options = options
        self.report = report
        self._http = http
        self.refused = refused
        self.claim: Claim | None = None
        self.entities: RequestedEntities | None = None
        self.count = OperationCount(tenant.counters)

    def tell_watchers(self, operation: OperationDefinitionNode) -> None:
        """Pass the report of an operation to the watchers, such as `record`."""
        for watcher in self._options.watchers:
            self.report.name(operation)
            watcher(self.report)

    def cached(
        self, considered: Considered, cache_request: CacheRequest, cache_result: CacheResult
    ) -> None:
        """Report that an operation is answered through the cache.

        Args:
            considered: The operation.
            cache_request: The request to the cache.
            cache_result: What came of it.
        """
        key, policy, variant = cache_request.keys.entry, cache_request.policy, considered.variant
        is_hit = cache_result.response.status is CacheStatus.HIT
        self._http.note(cache_result.freshness, policy)
        self.count.cached(key, cache_result)
        if is_hit and variant.watches_fields:
            self.refused.note(key, refused=False)
        is_wanted = self._tenant.observer.listening() or self._options.watchers
        if is_hit and self.claim is None and not is_wanted:
            self.report.conclude(cache_result.outcome)  # most responses do not tell it
            return
        outcome = cache_result.outcome()
        if variant.watches_fields and not is_hit:
            self.refused.note(key, refused=outcome.reason is Reason.REFUSED)
        self._conclude(outcome)
        # Neither what a custom scalar parses next nor a default that a resolver changes is known to a middleware.
        is_repeatable = not (considered.plan.is_parsed or variant.defaults)
        if self.claim is not None and outcome.status == "hit" and is_repeatable:
            tell(self.claim, cache_request, outcome, self._http)

    def objects(self, policy: Policy) -> None:
        """Report how an operation was answered, if its objects were answered one by one; else do nothing."""
        entities = self.entities
        if entities is None:
            return
        outcome = entities.told.conclude(self.count)
        if outcome is None:
            self.without(Problem(Reason.NO_OBJECTS))
            return
        self._http.note(entities.told.freshness, policy)
        self._tenant.note_unfit_part()
        self._conclude(outcome)

    def without(self, problem: Problem) -> None:
        """Report that an operation is answered without the cache.

        A value whose generator executes this operation is not stored, because scope and tags of the operation
        were not recorded.
        """
        self._tenant.note_unfit_part()
        self.count.bypassed(problem.reason)
        self.report.conclude(partial(Outcome.of, problem))  # most responses do not tell it
        self._tell("bypass", problem.reason)

    def interrupted(self, guard: Guard) -> None:
        """Report an operation that a fault of this package interrupted."""
        reason = Reason.of_fault(is_too_deep=guard.is_too_deep)
        self.count.bypassed(reason)
        self._conclude(Outcome.of(Problem(reason)))

    def _conclude(self, outcome: Outcome) -> None:
        self.report.conclude(outcome)
        self._tell(outcome.status, outcome.reason)

    def _tell(self, status: Status, reason: Reason | None) -> None:
        """Tell the log and the observer."""
        if reason is not None:
            logger.debug(
                "An operation was answered without the cache (%s).",
                reason._value_,  # `value` is two calls
                extra={"response_cache.reason": reason._value_},
            )
        observer = self._tenant.observer
        if observer.listening():
            observer.concluded(Concluded(status, reason))
