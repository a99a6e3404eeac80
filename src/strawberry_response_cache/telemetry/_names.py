"""Every name of this package in telemetry: spans, metrics and attributes."""

from dataclasses import dataclass
from typing import Final, Literal

NAMESPACE: Final = "response_cache"

GET: Final = f"{NAMESPACE}.get"
PUT: Final = f"{NAMESPACE}.put"
INVALIDATE: Final = f"{NAMESPACE}.invalidate"
REFRESH: Final = f"{NAMESPACE}.refresh"

NAME: Final = f"{NAMESPACE}.name"
SCOPE: Final = f"{NAMESPACE}.scope"
RESULT: Final = f"{NAMESPACE}.result"
TIER: Final = f"{NAMESPACE}.tier"
VISIBILITY: Final = f"{NAMESPACE}.visibility"
FIELD: Final = f"{NAMESPACE}.field"
TTL: Final = f"{NAMESPACE}.ttl"
AGE: Final = f"{NAMESPACE}.age"
ITEM_SIZE: Final = f"{NAMESPACE}.item.size"
BATCH_SIZE: Final = f"{NAMESPACE}.batch.size"
TAG_COUNT: Final = f"{NAMESPACE}.tag.count"
INVALIDATE_KIND: Final = f"{NAMESPACE}.invalidate.kind"
OPERATION: Final = f"{NAMESPACE}.operation"
STATUS: Final = f"{NAMESPACE}.status"
REASON: Final = f"{NAMESPACE}.reason"
GRAPHQL_OPERATION_TYPE: Final = "graphql.operation.type"
GRAPHQL_OPERATION_NAME: Final = "graphql.operation.name"
ERROR_TYPE: Final = "error.type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric of this package.

    Attributes:
        name: Its name.
        instrument: Its instrument, as OpenTelemetry calls it.
        unit: Its unit, in the notation of UCUM.
        attributes: The attributes of its measurements, besides `NAME`.
        description: What it measures.
    """

    name: str
    instrument: Literal["counter", "up-down counter", "gauge", "histogram"]
    unit: str
    attributes: tuple[str, ...] = ()
    description: str


REQUESTS: Final = Metric(
    name=f"{NAMESPACE}.requests",
    instrument="counter",
    unit="{request}",
    attributes=(SCOPE, RESULT, TIER, GRAPHQL_OPERATION_NAME),
    description="Requests, by how they were answered. Each is counted once.",
)
IMPACT: Final = Metric(
    name=f"{NAMESPACE}.operation.impact",
    instrument="counter",
    unit="s",
    attributes=(GRAPHQL_OPERATION_NAME,),
    description="The time that generated requests of an operation took: calls x cost x missed share.",
)
HIT_LIMIT: Final = Metric(
    name=f"{NAMESPACE}.operation.hit_limit",
    instrument="gauge",
    unit="1",
    attributes=(GRAPHQL_OPERATION_NAME,),
    description="The highest hit ratio that the keys of an operation allow, estimated from a sample.",
)
BYPASSES: Final = Metric(
    name=f"{NAMESPACE}.bypasses",
    instrument="counter",
    unit="{request}",
    attributes=(REASON,),
    description="Requests that were answered without the cache, by reason.",
)
SAVED: Final = Metric(
    name=f"{NAMESPACE}.saved",
    instrument="counter",
    unit="s",
    attributes=(SCOPE,),
    description="The time that the values of all hits took when they were generated.",
)
VERIFIED: Final = Metric(
    name=f"{NAMESPACE}.verified",
    instrument="counter",
    unit="{request}",
    attributes=(RESULT,),
    description="Hits that were executed all the same and compared, by result.",
)
LOAD_DURATION: Final = Metric(
    name=f"{NAMESPACE}.load.duration",
    instrument="histogram",
    unit="s",
    attributes=(SCOPE, ERROR_TYPE),
    description="How long what was not cached ran.",
)
STORE_DURATION: Final = Metric(
    name=f"{NAMESPACE}.store.duration",
    instrument="histogram",
    unit="s",
    attributes=(OPERATION, ERROR_TYPE),
    description="How long calls of the store took; of lookups that succeed, one in thirteen.",
)
INVALIDATIONS: Final = Metric(
    name=f"{NAMESPACE}.invalidations",
    instrument="counter",
    unit="{invalidation}",
    attributes=(INVALIDATE_KIND,),
    description="Invalidations that Redis took or that wait for it, by kind.",
)
PENDING: Final = Metric(
    name=f"{NAMESPACE}.pending",
    instrument="up-down counter",
    unit="{invalidation}",
    description="Invalidations of which Redis has not been told yet.",
)
LOCAL_SIZE: Final = Metric(
    name=f"{NAMESPACE}.local.size",
    instrument="up-down counter",
    unit="By",
    description="The approximate size of local memory.",
)
LOCAL_ENTRIES: Final = Metric(
    name=f"{NAMESPACE}.local.entries",
    instrument="up-down counter",
    unit="{entry}",
    description="The entries in local memory.",
)
EVICTIONS: Final = Metric(
    name=f"{NAMESPACE}.evictions",
    instrument="counter",
    unit="{eviction}",
    description="Entries that left local memory because it was full.",
)
BREAKER_OPEN: Final = Metric(
    name=f"{NAMESPACE}.breaker.open",
    instrument="gauge",
    unit="1",
    description="1 while a server is not read because it failed several times in a row, else 0.",
)
FAULTS: Final = Metric(
    name=f"{NAMESPACE}.faults",
    instrument="counter",
    unit="{fault}",
    description="Faults of this package that were caught in this process; each request was answered.",
)

METRICS: Final = tuple(each for each in [*globals().values()] if isinstance(each, Metric))
"""All metrics."""
