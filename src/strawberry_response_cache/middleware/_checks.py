"""What a middleware needs of its extension and schema, checked when it is built."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from strawberry.schema import BaseSchema

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.graphql._adoption import problem_around
from strawberry_response_cache.graphql._checks import (
    require,
    require_functions,
    require_mapping_of_functions,
)
from strawberry_response_cache.graphql._compat.handing_on import schema_hands_results_on
from strawberry_response_cache.graphql._extension import ResponseCacheExtension
from strawberry_response_cache.graphql._hooks import RequestHooks
from strawberry_response_cache.graphql._options import Options, Warnings, options_of
from strawberry_response_cache.graphql.execution.http_report import Sharing
from strawberry_response_cache.graphql.execution.refused import RefusedOperations
from strawberry_response_cache.graphql.policy.custom_code import (
    may_decide_per_request,
    may_see_results,
)


def checked_options(extension: object, schema: BaseSchema) -> Options:
    """Return the configuration of the extension of a schema.

    Raises:
        CacheConfigurationError: If the extension is not the schema's, or if ``enabled`` is a function of the
            context, which a middleware does not have.
    """
    options = options_of(schema)
    if (
        not isinstance(extension, ResponseCacheExtension)
        or options is None
        or options is not extension._options  # noqa: SLF001 - of this package
    ):
        msg = "extension is not the ResponseCacheExtension of the schema; pass the object that is registered with it."
        raise CacheConfigurationError(msg)
    if not isinstance(options.enabled, bool):
        msg = (
            "enabled of the extension is a function of the context, which ResponseCacheMiddleware does not have; pass "
            "a bool, or leave the middleware out."
        )
        raise CacheConfigurationError(msg)
    return options


def checked_sharing(schema: BaseSchema, options: Options) -> Sharing:
    """Return whether other extensions and the schema let an answer be reused outside of the server.

    Raises:
        CacheConfigurationError: If one of them may decide per request.
    """
    trusted = options.trusted
    if type(schema) not in trusted and not schema_hands_results_on(schema):
        msg = (
            f"The schema's class {type(schema).__qualname__} may decide per request, and ResponseCacheMiddleware does "
            "not call it; name it in trusted_extensions if it does not."
        )
        raise CacheConfigurationError(msg)
    others = schema.get_extensions()  # type: ignore[attr-defined] # of Strawberry's Schema
    ours = next(each for each in others if isinstance(each, RequestHooks))
    for each in others:
        if may_decide_per_request([each], ours, trusted):
            name = type(each).__qualname__
            msg = (
                f"The extension {name} may decide per request, and ResponseCacheMiddleware does not call it; name "
                f"{name} in trusted_extensions if it does not."
            )
            raise CacheConfigurationError(msg)
    around = None if options.off is not None else problem_around(schema, options)
    if around is not None:
        msg = f"Nothing of this schema is cached. {around.advice}"
        raise CacheConfigurationError(msg)
    return Sharing(is_as_stored=not may_see_results(others, ours, trusted), is_for_all=True)


def checked_functions(
    options: Options,
    *,
    tenant: Callable[[Any], Any] | None,
    session: Callable[[Any], Any] | None,
    vary: Mapping[str, Callable[[Any], Any]] | None,
) -> Options:
    """Return the extension's configuration with the middleware's functions, which take an ASGI scope.

    Raises:
        CacheConfigurationError: If these are no functions, or the extension has no such functions.
    """
    require_functions(tenant=tenant, session=session)
    require_mapping_of_functions("vary", vary)
    both = (tenant is None) == (options.tenant is None)
    require(both, "tenant", tenant, "a function exactly if the extension has one")
    require(session is None or options.session is not None, "session", session, _NONE)
    unknown = sorted(set(vary or {}) - options.vary.keys())
    if unknown:
        msg = f"vary has {', '.join(unknown)}, which vary of the extension has not."
        raise CacheConfigurationError(msg)
    return replace(
        options,
        tenant=tenant,
        session=session,
        vary=dict(vary or {}),
        debug=False,
        verification=None,
        warnings=Warnings("The middleware's"),
    )


_NONE: Final = "None, because the extension has no session"


def checked_path(path: object) -> str:
    """Return the path on which the application answers.

    Raises:
        CacheConfigurationError: If it is no string that begins with a slash.
    """
    is_path = isinstance(path, str) and path.startswith("/")
    require(is_path, "path", path, "a string that begins with a slash")
    return str(path)


def is_for_the_application(options: Options) -> bool:
    """Whether the middleware leaves every request to the application, because of the extension's arguments.

    It does so where the cache is off, where ``debug`` is True and adds ``extensions`` to each response, and where
    ``verify`` is a function, which takes the context of a request.
    """
    verification = options.verification
    is_asked = verification is not None and callable(verification.share)
    return options.off is not None or options.debug is True or is_asked


def refused_by(extension: ResponseCacheExtension, schema: BaseSchema) -> RefusedOperations:
    """Return the operations of a schema that Redis recently refused to store, as the extension notes them."""
    return extension._adopting.adopted(schema).refused  # noqa: SLF001 - of this package
