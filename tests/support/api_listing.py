"""The listing of the Plugin API: every public name of ``core`` with its signature, one per line.

`.venv/bin/python -m tests.support.api_listing` prints it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from types import FunctionType, ModuleType
from typing import Any

from pydantic import BaseModel

import core


def listing() -> str:
    """Return the lines of all modules, sorted by module and name."""
    modules = [core, *(importlib.import_module(each.name) for each in pkgutil.walk_packages(core.__path__, "core."))]
    return "".join(f"{line}\n" for module in modules for line in _module(module))


def _module(module: ModuleType) -> Iterator[str]:
    public = vars(module).get("__all__") or [name for name in _bound(module) if not name.startswith("_")]
    for name in sorted(public):
        value = getattr(module, name)
        place, origin = f"{module.__name__}.{name}", getattr(value, "__module__", module.__name__)
        if origin != module.__name__ and inspect.isclass(value):
            yield f"{place} = {origin}.{name}"
        elif inspect.isclass(value):
            yield from _class(place, value)
        elif inspect.isfunction(value):
            yield _function(place, value)
        else:
            yield place


def _bound(module: ModuleType) -> Iterator[str]:
    """Yield the names that the module itself binds: its functions, classes and constants, without its imports."""
    for node in ast.parse(inspect.getsource(module)).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def _class(place: str, kind: type[Any]) -> Iterator[str]:
    yield f"class {place}({', '.join(base.__qualname__ for base in kind.__bases__)})"
    if issubclass(kind, Enum):
        yield from (f"{place}.{member.name} = {member.value!r}" for member in kind)
    if is_dataclass(kind):
        yield from (f"{place}.{each.name}: {each.type}{'' if _required(each) else ' = …'}" for each in fields(kind))
    elif issubclass(kind, BaseModel):
        own = inspect.get_annotations(kind).items()
        yield from (f"{place}.{name}: {annotation}" for name, annotation in own if not name.startswith("_"))
    constructed = not is_dataclass(kind) and not getattr(kind, "_is_protocol", False)
    for name, member in sorted(vars(kind).items()):
        function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if inspect.isfunction(function) and (not name.startswith("_") or (name == "__init__" and constructed)):
            yield _function(f"{place}.{name}", function)
        elif isinstance(member, property) and member.fget is not None and not name.startswith("_"):
            yield f"{place}.{name} -> {inspect.get_annotations(member.fget)['return']}"


def _function(place: str, function: FunctionType) -> str:
    signature = re.sub(r" = <[^=]*>(?=[,)])", " = …", str(inspect.signature(function)).replace("'", ""))
    return f"{'async ' * inspect.iscoroutinefunction(function)}{place}{signature}"


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


if __name__ == "__main__":
    sys.stdout.write(listing())
