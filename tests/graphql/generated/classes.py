"""Strawberry's classes of a blueprint; what they resolve is asked of a world.

A world is found in the context, and on every object. It has ``value(source, parent, member,
arguments, info)``, ``allows(permission, source)``, ``identity(source)`` and ``token(source)``.
"""

import functools
import operator
from types import GenericAlias
from typing import Annotated, Any

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.permission import BasePermission, PermissionExtension
from strawberry.scalars import JSON

from tests.graphql.generated.schemas import ANYTHING, ID, ROOT, TEXT, Blueprint, Member

SCALAR_CLASSES: dict[str, Any] = {TEXT: str, ANYTHING: JSON, ID: strawberry.ID}


class _Permission(BasePermission):
    """A check that asks the world."""

    message = "not for you"
    name = ""

    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        return bool(info.context["world"].allows(self.name, source))


class Badge(_Permission):
    name = "badge"


class Pass(_Permission):
    name = "pass"


class Now(_Permission):
    name = "now"


PERMISSIONS: dict[str, type[_Permission]] = {each.name: each for each in (Badge, Pass, Now)}


@functools.cache
def _span(low: int) -> Any:
    """An input type whose field has a default."""
    body = {"__annotations__": {"low": int}, "__module__": __name__, "low": low}
    return strawberry.input(type("Span", (), body))


def classes_of(blueprint: Blueprint) -> dict[str, Any]:
    """Make the Strawberry types, by name."""
    made: dict[str, Any] = dict(SCALAR_CLASSES)
    for each in blueprint.types:
        directives = [each.hint.written()] if each.hint else []
        if each.union:
            united: Any = functools.reduce(operator.or_, [made[name] for name in each.union])
            written = strawberry.union(name=each.name, directives=directives)
            made[each.name] = Annotated[united, written]
            continue
        body: dict[str, Any] = {"__module__": __name__, "__annotations__": {}}
        keyed = each.name != ROOT and not blueprint.has_id(each.name)
        for member in each.declares:
            name = blueprint.id_attribute if member.returns == ID else member.name
            annotation = _annotation(made.get(member.returns, str), listed=member.listed)
            body["__annotations__"][name] = annotation
            body[name] = _field(blueprint, member, annotation, keyed=keyed)
        bases = tuple(made[base] for base in each.bases)
        cls = type(each.name, bases, body)
        decorate = strawberry.interface if each.abstract else strawberry.type
        made[each.name] = decorate(cls, directives=directives)
    root = made[ROOT]
    for field in root.__strawberry_definition__.fields:
        if blueprint.member(ROOT, field.python_name).returns == ROOT:
            field.type_annotation = StrawberryAnnotation(root | None)
    for each in blueprint.types:
        if not each.abstract:
            for name in blueprint.names(each.name):
                _give_data(blueprint, made[each.name], blueprint.member(each.name, name))
    return made


def _annotation(returned: Any, *, listed: bool) -> Any:
    return (GenericAlias(list, returned) if listed else returned) | None


def _field(blueprint: Blueprint, member: Member, annotation: Any, *, keyed: bool) -> Any:
    options: dict[str, Any] = {
        "directives": [member.hint.written(keyed=keyed)] if member.hint else [],
        # The last stands outermost: its checks run first.
        "extensions": [_guard(name) for name in member.guards],
    }
    if member.returns == ID:
        return strawberry.field(name="id", **options)
    if not member.resolver:
        return strawberry.field(**options)

    if member.argued:

        def resolve(self: Any, info: Any, n: int = 1, span: Any = None) -> Any:
            arguments = {"n": n, "low": None if span is None else span.low}
            return info.context["world"].value(self, _name(self), member, arguments, info)

        resolve.__defaults__ = (blueprint.number, None)
        resolve.__annotations__ = {
            "info": strawberry.Info,
            "n": int,
            "span": _span(blueprint.low) | None,
            "return": annotation,
        }
        return strawberry.field(resolver=resolve, **options)

    def resolve_plainly(self: Any, info: Any) -> Any:
        return info.context["world"].value(self, _name(self), member, {}, info)

    resolve_plainly.__annotations__ = {"info": strawberry.Info, "return": annotation}
    return strawberry.field(resolver=resolve_plainly, **options)


def _guard(name: str) -> PermissionExtension:
    kind = PERMISSIONS[name.removeprefix("silent ")]
    return PermissionExtension(
        [kind()], use_directives=False, fail_silently=name.startswith("silent ")
    )


def _name(source: Any) -> str:
    return ROOT if source is None else type(source).__name__


def _give_data(blueprint: Blueprint, cls: type, member: Member) -> None:
    """Let a plain attribute ask the world when it is read."""
    if member.returns == ID:
        attribute = property(lambda self: self.world.identity(self))
        if blueprint.id_attribute != "id":
            # What is called so beside it, such as a number of the database, tells no objects apart.
            cls.id = 7  # type: ignore[attr-defined] # of a class made here
        setattr(cls, blueprint.id_attribute, attribute)
    elif not member.resolver:
        read = property(lambda self: self.world.value(self, cls.__name__, member, {}, None))
        setattr(cls, member.name, read)
