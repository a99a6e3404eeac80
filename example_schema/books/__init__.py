"""The books of the tenants, and nothing about GraphQL, HTTP or caching."""
