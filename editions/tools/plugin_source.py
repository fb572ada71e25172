"""Reads a plugin's NAME, VERSION, classes and their attributes from its source without importing it.

The constants are the only home of name and version; importing would run the plugin's code, with all it depends on, in
the build.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any


class PluginSourceError(ValueError):
    """The plugin's module does not say what it must; ``line`` is where, ``str`` how to mend it."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class NotLiteral:
    """An expression whose value the source alone does not tell; ``text`` is the expression."""

    text: str


@dataclass(frozen=True, slots=True)
class PluginSource:
    """The content of a plugin's module.

    Attributes:
        constants: value and line of each plain string at the top level.
        classes: value and line of each attribute, by class and name; ``NotLiteral`` where only running tells the value.
        lines: line of each class.
    """

    constants: dict[str, tuple[str, int]]
    classes: dict[str, dict[str, tuple[Any, int]]]
    lines: dict[str, int]

    @classmethod
    def parse(cls, text: str) -> PluginSource:
        """Parse a module's text.

        Raises:
            PluginSourceError: the text is not Python.
        """
        try:
            body = ast.parse(text).body
        except SyntaxError as error:
            raise PluginSourceError(error.lineno or 1, f"is not valid Python: {error.msg}") from None
        constants = {name: found for name, found in _literals(body).items() if isinstance(found[0], str)}
        classes = [node for node in body if isinstance(node, ast.ClassDef)]
        return cls(
            constants,
            {node.name: _literals(node.body) for node in classes},
            {node.name: node.lineno for node in classes},
        )

    def constant(self, name: str, example: str) -> tuple[str, int]:
        """Return the value and the line of a constant.

        Raises:
            PluginSourceError: it is missing or not a plain string.
        """
        if name not in self.constants:
            raise PluginSourceError(
                1, f"has no constant {name}; write {name} = {example!r} at the top level of the module"
            )
        return self.constants[name]


def _literals(body: list[ast.stmt]) -> dict[str, tuple[Any, int]]:
    """The names that statements bind, each with its value and line."""
    found: dict[str, tuple[Any, int]] = {}
    for statement in body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        try:
            literal = ast.literal_eval(value)
        except (TypeError, ValueError):
            literal = NotLiteral(ast.unparse(value))
        found.update({target.id: (literal, statement.lineno) for target in targets if isinstance(target, ast.Name)})
    return found
