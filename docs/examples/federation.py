"""A subgraph of Apollo Federation: the objects that a gateway asks for."""

import strawberry
from strawberry import federation

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control

cache = ResponseCache.from_url("memory://", prefix="products")
names = {"1": "Table", "2": "Chair", "3": "Lamp"}


@cache_control(ttl=300)
@federation.type(keys=["upc"])
class Product:
    upc: str
    name: str

    @cache_control(ttl=60)
    @strawberry.field
    def price(self) -> int:
        return 10 * len(self.name)

    @classmethod
    def resolve_reference(cls, upc: str) -> "Product":
        print("... resolving", upc)
        return cls(upc=upc, name=names[upc])


@strawberry.type
class Query:
    @cache_control(ttl=300)
    @strawberry.field
    def product(self, upc: str) -> Product:
        return Product(upc=upc, name=names[upc])


@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self, upc: str, name: str) -> Product:
        names[upc] = name
        return Product(upc=upc, name=name)


extension = ResponseCacheExtension(cache, tenant=None, debug=True)
schema = federation.Schema(Query, Mutation, extensions=[extension])
extension.check(schema)

ENTITIES = """
query ($representations: [_Any!]!) {
  _entities(representations: $representations) { ... on Product { name price } }
}
"""


def ask(*upcs: str) -> None:
    asked = [{"__typename": "Product", "upc": upc} for upc in upcs]
    result = schema.execute_sync(ENTITIES, {"representations": asked})
    assert result.data is not None
    assert result.extensions is not None
    told = result.extensions["responseCache"]["fields"][0]
    hits = told.get("hits", told["count"] if told["status"] == "hit" else 0)
    print([each["name"] for each in result.data["_entities"]], hits, "of", told["count"])


if __name__ == "__main__":
    ask("1", "2")
    ask("2", "3", "1")
    schema.execute_sync('mutation { rename(upc: "2", name: "Stool") { upc } }')
    ask("1", "2", "3")
    ask("3", "2")
    cache.close()
