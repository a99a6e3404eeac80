"""One cached field, asked for twice."""

import strawberry

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def accounts(self) -> list[str]:
        print("... reading the accounts")
        return ["Cash", "Sales"]


cache = ResponseCache.from_url("memory://", prefix="getting-started")
extension = ResponseCacheExtension(cache, tenant=None, debug=True)
schema = strawberry.Schema(Query, extensions=[extension])
extension.check(schema)

if __name__ == "__main__":
    for _ in range(2):
        result = schema.execute_sync("{ accounts }")
        assert result.extensions is not None
        print(result.data, result.extensions["responseCache"]["status"])
    cache.close()
