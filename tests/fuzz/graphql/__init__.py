"""The GraphQL face of the fuzz: processes that execute operations of a schema with the extension.

`schema` has resolvers that read the truth and mutations that write it. `behaviour` draws requests and
says, for each, which of its fields may fail. `checker` holds each response against the mutations that
had answered before the request began, against who asks, and against the errors that the same schema
gives without the cache. `mutants` are damages to the GraphQL layer that the fuzz has to catch.
"""
