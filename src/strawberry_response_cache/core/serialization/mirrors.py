"""Dataclasses that pydantic cannot read by itself, mirrored by plain ones that it can.

A library may put its own kind of field into a dataclass, as Strawberry does: the type that such a field
names is the library's, a field may be a method, and a default may stand for "not given". The mirror
has the same fields as they are annotated, without those that are no part of a value; pydantic describes
it, and reads and writes the original by that description. A field that holds such a default is left
out of what is written.
"""

import dataclasses
import typing
from collections.abc import Callable, Iterator
from types import GenericAlias, UnionType
from typing import Any, Final

from pydantic import (
    BaseModel,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    WrapSerializer,
    model_serializer,
)
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic.fields import FieldInfo
from pydantic_core import SchemaSerializer, SchemaValidator

_MISSING: Final = dataclasses.MISSING


def adapter_of(as_type: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - anything that `TypeAdapter` takes
    """Return an adapter that reads and writes values of a type."""
    mirrors = _Mirrors(as_type)
    if not mirrors.are_needed:
        return TypeAdapter(as_type)
    adapter = TypeAdapter(mirrors.of(as_type))
    adapter.rebuild(raise_errors=True)
    schema: Any = mirrors.originals_in(adapter.core_schema)
    adapter.core_schema = schema
    adapter.validator = SchemaValidator(schema)
    adapter.serializer = SchemaSerializer(schema)
    return adapter


def is_part_of_value(field: "dataclasses.Field[Any]") -> bool:
    """Whether a field of a dataclass is state of its instances, and not a method or a cache."""
    return field.init or field.compare


class _Mirrors:
    """The dataclasses that a type is made of, and their mirrors.

    Attributes:
        are_needed: Whether one of them has fields that pydantic cannot read.
    """

    def __init__(self, as_type: object) -> None:
        self._mirrors: dict[type, type] = {}
        self._originals: dict[type, type] = {}
        self._hints: dict[type, dict[str, Any]] = {}
        self._find(as_type)
        self.are_needed = any(
            type(field) is not dataclasses.Field or _stands_for_nothing(field, hints)
            for original, hints in self._hints.items()
            for field in self._fields(original)
        )
        if self.are_needed:
            self._make()

    def _find(self, annotation: object) -> None:
        for found in _classes_in(annotation):
            if found in self._hints or not _is_plain_dataclass(found):
                continue
            if not (hints := _hints_of(found)):
                continue
            parts = {each.name for each in dataclasses.fields(found) if is_part_of_value(each)}
            self._hints[found] = {name: hint for name, hint in hints.items() if name in parts}
            for hint in self._hints[found].values():
                self._find(hint)

    def _make(self) -> None:
        # First all mirrors without fields: the fields of one may name another.
        self._mirrors = {each: type(each.__name__, (), self._around(each)) for each in self._hints}
        self._originals = {mirror: original for original, mirror in self._mirrors.items()}
        for original, mirror in self._mirrors.items():
            for each in self._fields(original):
                hint = self.of(self._hints[original][each.name])
                if _stands_for_nothing(each, self._hints[original]):
                    hint = typing.Annotated[hint, WrapSerializer(_unless_it_is(each.default))]
                mirror.__annotations__[each.name] = hint
                setattr(mirror, each.name, _copy_of(each))
            dataclasses.dataclass(kw_only=True)(mirror)

    def _around(self, original: Any) -> dict[str, Any]:  # noqa: ANN401 - a class
        """Return the attributes of a mirror other than its fields."""
        namespace: dict[str, Any] = {"__module__": original.__module__, "__annotations__": {}}
        if hasattr(original, "__post_init__"):
            namespace["__post_init__"] = (
                original.__post_init__
            )  # pydantic asks whether there is one
        hints = self._hints[original]
        unset = {e.name: e.default for e in self._fields(original) if _stands_for_nothing(e, hints)}
        if unset:
            namespace["_written"] = model_serializer(mode="wrap")(_without(unset))
        return namespace

    def _fields(self, original: Any) -> "list[dataclasses.Field[Any]]":  # noqa: ANN401 - a class
        return [each for each in dataclasses.fields(original) if each.name in self._hints[original]]

    def of(self, annotation: Any) -> Any:  # noqa: ANN401 - a type in any form
        """Return an annotation with mirrors in place of the dataclasses."""
        if isinstance(annotation, type) and annotation in self._mirrors:
            return self._mirrors[annotation]
        arguments = typing.get_args(annotation)
        if not arguments:
            return annotation
        origin: Any = typing.get_origin(annotation)
        if origin is typing.Annotated:
            return typing.Annotated[(self.of(arguments[0]), *annotation.__metadata__)]
        if origin is typing.Literal:
            return annotation
        mirrored = tuple(map(self.of, arguments))
        if origin in {typing.Union, UnionType}:
            return typing.Union[mirrored]  # noqa: UP007 - of any number
        if isinstance(annotation, GenericAlias):
            return GenericAlias(origin, mirrored)
        return annotation.copy_with(mirrored) if hasattr(annotation, "copy_with") else annotation

    def originals_in(self, schema: Any) -> Any:  # noqa: ANN401 - a part of a core schema
        """Return a core schema that makes originals where it made mirrors."""
        if isinstance(schema, dict):
            return {name: self.originals_in(each) for name, each in schema.items()}
        if isinstance(schema, list | tuple):
            return type(schema)(map(self.originals_in, schema))
        if isinstance(schema, type):
            return self._originals.get(schema, schema)
        return schema


def _hints_of(found: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(found, include_extras=True)
    except Exception:  # noqa: BLE001 - annotations are the user's own code; pydantic says what is wrong
        return {}


def _classes_in(annotation: object) -> Iterator[type]:
    if typing.get_origin(annotation) is typing.Literal:
        return
    if isinstance(annotation, type) and not isinstance(annotation, GenericAlias):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _classes_in(argument)


def _is_plain_dataclass(found: type) -> bool:
    return (
        dataclasses.is_dataclass(found)
        and not is_pydantic_dataclass(found)
        and not issubclass(found, BaseModel)
    )


def _stands_for_nothing(field: "dataclasses.Field[Any]", hints: dict[str, Any]) -> bool:
    """Whether a default means that no value was given: its class is neither built in nor one of the field's types."""
    kind = type(field.default)
    if isinstance(field.default, FieldInfo) or field.default is _MISSING:
        return False
    if kind.__module__ == "builtins":
        return False
    return not any(issubclass(kind, each) for each in _classes_in(hints[field.name]))


def _copy_of(field: "dataclasses.Field[Any]") -> Any:  # noqa: ANN401 - what `dataclasses.field` returns
    if field.default is not _MISSING:
        return dataclasses.field(default=field.default, init=field.init)
    if field.default_factory is not _MISSING:
        return dataclasses.field(default_factory=field.default_factory, init=field.init)
    return dataclasses.field(init=field.init)


def _unless_it_is(default: object) -> Callable[[Any, SerializerFunctionWrapHandler], Any]:
    """Return a serializer that writes None in place of this default; `_without` then leaves the field out."""

    def written(value: Any, handler: SerializerFunctionWrapHandler) -> Any:  # noqa: ANN401 - any value
        return None if value is default else handler(value)

    return written


def _without(unset: dict[str, Any]) -> Callable[[Any, SerializerFunctionWrapHandler], Any]:
    """Return a serializer of an instance that leaves out fields with these defaults."""

    def written(self: Any, handler: SerializerFunctionWrapHandler) -> Any:  # noqa: ANN401 - of any class
        left_out = {name for name, default in unset.items() if getattr(self, name) is default}
        return {name: each for name, each in handler(self).items() if name not in left_out}

    return written
