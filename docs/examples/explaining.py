"""`explain` tells why an operation is cached or not, and runs nothing."""

import strawberry

from strawberry_response_cache import cache_control, explain


@strawberry.type
class Account:
    name: str

    @strawberry.field
    def balance(self) -> int:
        return 12


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def account(self) -> Account:
        return Account(name="Cash")


schema = strawberry.Schema(Query)

if __name__ == "__main__":
    print(explain(schema, "{ account { name } }"))
    explanation = explain(schema, "{ account { name balance } }")
    print(explanation)
    print(explanation.reason)
