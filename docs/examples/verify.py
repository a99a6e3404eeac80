"""`verify=1.0` executes everything, compares it with what the cache would have served, and serves nothing from it."""

import logging

import strawberry

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control


@strawberry.type
class Account:
    id: strawberry.ID
    name: str

    @cache_control(inherit=True)
    @strawberry.field
    def is_favourite(self, info: strawberry.Info) -> bool:
        return bool(self.name == info.context["favourite"])


@strawberry.type
class Query:
    # A mistake: the answer depends on the user, and the field is not PRIVATE.
    @cache_control(ttl=60)
    @strawberry.field
    def accounts(self) -> list[Account]:
        return [Account(id=strawberry.ID("1"), name="Cash")]


cache = ResponseCache.from_url("memory://", prefix="verify")
extension = ResponseCacheExtension(
    cache, tenant=None, session=lambda context: context["user"], debug=True, verify=1.0
)
schema = strawberry.Schema(Query, extensions=[extension])


class Console(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(record.levelname, record.getMessage())


if __name__ == "__main__":
    logging.getLogger("strawberry_response_cache").addHandler(Console())
    for user, favourite in (("alice", "Cash"), ("alice", "Cash"), ("bob", "Bank")):
        context = {"user": user, "favourite": favourite}
        result = schema.execute_sync("{ accounts { name isFavourite } }", context_value=context)
        said = (result.extensions or {})["responseCache"]
        print(user, result.data, said["status"], said.get("verified"))
    statistics = cache.statistics()
    print(f"hit ratio: {statistics.operations.hit_ratio:.0%}, verified: {statistics.verified}")
    cache.close()
