"""What one operation and a middleware in front of the application tell each other."""

from strawberry_response_cache.graphql._claim import Claim, ClaimedHit, claim_in
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest
from strawberry_response_cache.graphql.execution.http_report import HttpReport
from strawberry_response_cache.graphql.policy.outcome import Outcome


def claimed(request: RequestContext, context: object) -> Claim | None:
    """Return the claim that a middleware left with a request; None without one.

    Args:
        request: The context of the request; it is marked as verified if the claim says so.
        context: What resolvers receive.
    """
    claim = claim_in(context, request.options)
    if claim is not None and claim.is_verified:
        request.verify()
    return claim


def tell(claim: Claim, cache_request: CacheRequest, outcome: Outcome, http: HttpReport) -> None:
    """Tell a middleware which entry answered a request, unless other code may decide per request.

    Args:
        claim: The claim of the middleware.
        cache_request: The request to the cache that was answered.
        outcome: What the cache did.
        http: What browsers and CDNs are told of the response.
    """
    policy, is_private = cache_request.policy, cache_request.session is not None
    is_guarded = any(rule.guarded for rule in policy.touched.values())
    if is_guarded or not http.sharing.is_for_all or (outcome.scope == "PRIVATE") is not is_private:
        return
    hit = ClaimedHit(
        cache=cache_request.cache,
        keys=cache_request.keys,
        policy=policy,
        session=cache_request.session,
        subject=cache_request.subject,
    )
    claim.tell(hit)
