"""The GraphQL schema, with a cache hint on everything that may be cached."""
