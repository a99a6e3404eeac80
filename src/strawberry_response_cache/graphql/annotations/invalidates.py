"""`@invalidates`: tags that a mutation invalidates besides the objects in its result."""

import inspect
from collections.abc import Callable
from itertools import chain
from typing import Any, TypeVar

from strawberry.extensions import FieldExtension
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.core._families import all_of_family
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.graphql._compat.private_names import raw_info_of
from strawberry_response_cache.graphql._guard import resolver_guard
from strawberry_response_cache.graphql.annotations.run_notes import RunNotes, notes_of_run
from strawberry_response_cache.graphql.annotations.tag_templates import (
    Template,
    Texts,
    UnfilledError,
    checked_tags,
    unknown_arguments,
)

T = TypeVar("T")


def invalidates(*tags: str) -> Callable[[T], T]:
    """Invalidate tags after a mutation, before it answers; put it above ``@strawberry.mutation``.

    Use it for anything that the mutation's result does not include, such as a deleted object.

    Args:
        *tags: Tags such as ``Account``, ``[Account]``, ``Account:42``, or names of your own. In them,
            ``{args.name}`` is replaced by an argument, by its Python name, and ``{result.attr}`` by an
            attribute of the mutation's return value; ``{result}`` is the value itself, if it is a scalar
            or a list of scalars. A list gives one tag for each element; None gives no
            tag. A mutation that raises invalidates the tags without ``{result}``. Begin a tag that has
            placeholders with a name and a colon. If a list gives too many tags, or a placeholder cannot be
            filled, everything with a tag of that name is invalidated; without such a name, the whole tenant.

    Returns:
        The decorator.

    Raises:
        CacheConfigurationError: If there is no tag, or a tag is empty or has a placeholder of another kind.
        TypeError: If a tag is not a string, or the decorator is below ``@strawberry.mutation``.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import invalidates
        >>> @strawberry.type
        ... class Mutation:
        ...     @invalidates("Account:{args.account_id}", "[Account]")
        ...     @strawberry.mutation
        ...     def delete_account(self, account_id: strawberry.ID) -> bool:
        ...         return True
    """
    if tags and (isinstance(tags[0], StrawberryField) or inspect.isfunction(tags[0])):
        msg = 'invalidates is written with parentheses and tags: @invalidates("[Account]").'
        raise TypeError(msg)
    named = checked_tags(tags, '@invalidates("Account", "[Account]")')
    if not named:
        msg = 'invalidates needs tags, such as @invalidates("[Account]").'
        raise CacheConfigurationError(msg)
    templates = Template.all(named, ("args", "result"))

    def attach(field: T) -> T:
        if not isinstance(field, StrawberryField):
            name = getattr(field, "__name__", "change")
            msg = (
                f"invalidates must stand above @strawberry.mutation, not below it:\n\n"
                f'    @invalidates("[Account]")\n    @strawberry.mutation\n    def {name}(self): ...'
            )
            raise TypeError(msg)
        known = {argument.python_name for argument in field.arguments}
        for mistake in unknown_arguments(templates, known):
            msg = f"{field.python_name}: {mistake}"
            raise CacheConfigurationError(msg)
        # The first extension is the innermost: after a refused permission check it has not run.
        field.extensions = [Invalidates(templates), *field.extensions]
        return field

    return attach


class Invalidates(FieldExtension):
    """Notes the tags that a mutation invalidates, whether it succeeds or raises."""

    def __init__(self, templates: tuple[Template, ...]) -> None:
        self.templates = templates
        self._log = Interval()

    # By position only: an argument of the mutation may have any of these names.
    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, /, **kwargs: Any) -> Any:  # type: ignore[override] # noqa: ANN401 - as in Strawberry
        """Run the mutation, then note the tags to invalidate, also if it raised."""
        values: dict[str, Any] = {"args": kwargs}
        sent: Texts = {}
        with resolver_guard():
            sent = self._sent(kwargs)
        try:
            values["result"] = next_(source, info, **kwargs)
            return values["result"]
        finally:
            with resolver_guard():
                self._note(info, values, sent)

    async def resolve_async(  # type: ignore[override]
        self,
        next_: Callable[..., Any],
        source: Any,  # noqa: ANN401 - as in Strawberry
        info: Info,
        /,
        **kwargs: Any,
    ) -> Any:  # noqa: ANN401 - as in Strawberry
        """Run the async mutation, then note the tags to invalidate, as `resolve` does."""
        values: dict[str, Any] = {"args": kwargs}
        sent: Texts = {}
        with resolver_guard():
            sent = self._sent(kwargs)
        try:
            values["result"] = await next_(source, info, **kwargs)
            return values["result"]
        finally:
            with resolver_guard():
                self._note(info, values, sent)

    def _sent(self, arguments: dict[str, Any]) -> Texts:
        """Return the texts of the arguments in the tags, before the mutation runs and may change them."""
        return dict(chain(*(each.texts("args", arguments) for each in self.templates)))

    def _note(self, info: Info, values: dict[str, Any], sent: Texts) -> None:
        notes = notes_of_run(raw_info_of(info))
        if notes is None:
            return
        for template in self.templates:
            if any(placeholder[0] not in values for placeholder in template.placeholders):
                continue  # it raised, so there is no result
            try:
                notes.invalidated.update(template.fill(values, sent))
            except UnfilledError as error:
                self._note_unfilled(info, notes, template, error)

    def _note_unfilled(
        self, info: Info, notes: RunNotes, template: Template, error: UnfilledError
    ) -> None:
        """Note that the tag's whole family is invalidated, or the whole tenant if it has no family; log why."""
        if template.family is None:
            notes.invalidates_everything = True
        else:
            notes.invalidated.update(all_of_family(template.family))
        if (count := self._log.counted()) is None:  # a client may write a mutation a thousand times
            return
        raw = raw_info_of(info)
        field = f"{raw.parent_type.name}.{raw.field_name}"
        say = logger.warning if error.is_too_many else logger.error  # a client may send many
        say(
            "%s: a tag of @invalidates could not be filled (%s%s); %s.",
            field,
            error,
            count.words,
            "the whole tenant is invalidated"
            if template.family is None
            else "whatever it may have named is invalidated",
            extra={"response_cache.field": field, "response_cache.failures": count.number}
            | error.facts,
        )
