"""The only place that names internals of Strawberry and graphql-core."""
