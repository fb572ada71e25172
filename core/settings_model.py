"""Checks that the model of a plugin's settings can be read, described and shown as an example."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, RootModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from core.errors import one_line

_PLAIN = (bool, int, float, str, list, dict)
"""The types of values that TOML can hold without a rule of the model's."""


def table_of(annotation: object) -> tuple[type[BaseModel] | None, str]:
    """Return the model in a field's annotation, and whether the field is a ``table``, a ``list`` or a ``map`` of it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, "table"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return table_of(arguments[0])
    if origin in (Union, types.UnionType):
        return next((found for each in arguments if (found := table_of(each))[0] is not None), (None, ""))
    inner = next((table for each in arguments if (table := table_of(each)[0]) is not None), None)
    return inner, "map" if origin in (dict, Mapping) else "list"


def default_of(field: FieldInfo) -> Any:
    """Return a field's default as JSON has it, or None where it has none that can be shown."""
    if field.is_required() or field.default_factory_takes_validated_data:
        return None
    value = field.get_default(call_default_factory=True)
    if field.default_factory is not None and not isinstance(value, _PLAIN):
        return None  # such as a new UUID, which is another one each time
    return plain(value)


def plain(value: Any) -> Any:
    """Return a value as JSON has it; a secret is left out."""
    if value is PydanticUndefined or hasattr(value, "get_secret_value"):
        return None
    return to_jsonable_python(value, fallback=str)


def fault(model: type[BaseModel]) -> str:
    """Return the field at fault and the reason, or '' where the model can be read, described and shown."""
    return next(_faults(model, "", ()), "")


def _faults(model: type[BaseModel], place: str, above: tuple[type[BaseModel], ...]) -> Iterator[str]:
    if model in above:
        yield f"{place.rstrip('.')}: a table cannot contain itself"
        return
    try:
        model.model_rebuild()
        properties = model.model_json_schema().get("properties")
    except Exception as error:  # noqa: BLE001 - any code of the plugin may run here
        yield f"{place}{_unreadable(model) or model.__name__}: {one_line(error)}"
        return
    if issubclass(model, RootModel):
        yield f"{place}{model.__name__}: a RootModel is no table; use a BaseModel with fields"
        return
    if not isinstance(model.__doc__, str | None):
        yield f"{place}{model.__name__}: its docstring is no text"
    for name, field in model.model_fields.items():
        yield from _faults_of_field(properties, f"{place}{name}", name, field)
        inner = table_of(field.annotation)[0]
        if inner is not None:
            yield from _faults(inner, f"{place}{name}.", (*above, model))


def _faults_of_field(properties: Mapping[str, Any] | None, place: str, name: str, field: FieldInfo) -> Iterator[str]:
    if properties is not None and name not in properties:
        yield f"{place}: its alias hides its name; use validation_alias=AliasChoices({name!r}, …)"
    if not isinstance(field.description, str | None):
        yield f"{place}: its description is no text"
    try:
        default_of(field)
        if field.examples:
            plain(field.examples[0])
    except Exception as error:  # noqa: BLE001
        yield f"{place}: its default or example cannot be shown: {one_line(error)}"


def _unreadable(model: type[BaseModel]) -> str:
    """Return the first field whose annotation gives no validator or no JSON schema, or ''."""
    for name, field in model.model_fields.items():
        try:
            alone: Any = Annotated[field.annotation, field]
            TypeAdapter(alone).json_schema()
        except Exception:  # noqa: BLE001
            inner = table_of(field.annotation)[0]
            below = _unreadable(inner) if inner is not None and inner is not model else ""
            return f"{name}.{below}" if below else name
    return ""


def raising_field(model: type[BaseModel], values: Mapping[str, Any]) -> str:
    """Return the field whose validator raises something else than ``ValueError``, or '' where no single one does."""
    for name in ("", *values):
        try:
            model.model_validate({name: values[name]} if name else {})
        except ValidationError:
            continue
        except Exception:  # noqa: BLE001
            return name
    return ""
