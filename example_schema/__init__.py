"""A multi-tenant ledger served over GraphQL, cached with `strawberry_response_cache`.

Start it with `python -m example_schema`.
"""
