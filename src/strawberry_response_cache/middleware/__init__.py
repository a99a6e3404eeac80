"""How are stored responses answered before the GraphQL application is entered?

`_middleware` reads from top to bottom what happens to a request. Nothing is parsed here. A request is answered only
if the application was seen to answer the same request, byte for byte, from the cache, for the same requester.
"""

from strawberry_response_cache.middleware._middleware import ResponseCacheMiddleware

__all__ = ["ResponseCacheMiddleware"]
