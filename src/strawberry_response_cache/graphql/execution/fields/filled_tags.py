"""Fills the tags of fields whose placeholders stand for arguments and parent objects."""

from collections.abc import Sequence
from typing import Any

from graphql.execution import Executor

from strawberry_response_cache.graphql.annotations.field_path import FieldPath
from strawberry_response_cache.graphql.annotations.tag_templates import Template, UnfilledError
from strawberry_response_cache.graphql.execution.fields.cached_field import Fields
from strawberry_response_cache.graphql.execution.fields.field_call import (
    FieldCall,
    info_and_arguments,
)
from strawberry_response_cache.graphql.execution.recorder import recorder_in
from strawberry_response_cache.graphql.policy.reasons import Reason


def fill_tags(
    templates: Sequence[Template], fields: Fields, executor: Executor[Any], where: FieldCall
) -> None:
    """Note the tags of a field, filled from its arguments and parent; if one cannot be filled, nothing is stored."""
    recorder = recorder_in(executor)
    parent, source, details, path, _ = where
    if recorder is None and not isinstance(path, FieldPath):
        return
    try:
        raw, coerced = info_and_arguments(executor, where)
        values = {"parent": source, "args": fields.resolving().arguments(raw, source, coerced)}
        tags = {tag for template in templates for tag in template.fill(values)}
        if recorder is not None:
            recorder.tags.update(tags)
        if isinstance(path, FieldPath):
            path.add_tags(tags)
    except Exception as error:  # noqa: BLE001 - invalid arguments raise again where they are used
        if isinstance(error, UnfilledError):
            coordinate = f"{parent.name}.{details[0].node.name.value}"
            fields.request.options.warnings.unfilled_tag(coordinate, error)
        if recorder is not None:
            recorder.refuse(Reason.TAG_UNFILLED)
        if isinstance(path, FieldPath):
            path.note_unfilled()
