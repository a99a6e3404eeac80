"""Advice for fields that take longer to look up than to generate, as measured in this process."""

from graphql import GraphQLSchema

from strawberry_response_cache.core._counters import Counters


def advice_on_field(coordinate: str, schema: GraphQLSchema, counters: Counters) -> str | None:
    """Return advice if the entries of a field take longer to look up than to generate; None if not, or if not known.

    The lookup time is multiplied by the share of requests that local memory did not answer. A root field gets no
    advice.

    Args:
        coordinate: The coordinate of a field with entries of its own.
        schema: The executable schema.
        counters: What the cache counted in this process.
    """
    root, costs = schema.query_type, counters.field_costs
    if root is not None and coordinate.partition(".")[0] == root.name:
        return None  # it has no parent whose ttl it could inherit
    generating, looking_up = costs.generating(coordinate), costs.looking_up()
    if generating is None or looking_up is None:
        return None
    requests = counters.requests["field"]
    asked = requests.redis_hits + requests.stale_hits + requests.misses
    looking_up *= asked / max(1, asked + requests.local_hits)
    if generating >= looking_up:
        return None
    return (
        f"Generating {coordinate} takes {generating * 1000:.3f} ms, and looking it up {looking_up * 1000:.3f} ms, as "
        f"measured in this process: an entry of its own costs more than it saves. Write cache_control(inherit=True) at "
        f"{coordinate} if it may live as long as what holds it."
    )
