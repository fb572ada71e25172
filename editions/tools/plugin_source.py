"""Reads a plugin's NAME, VERSION and classes from its source without importing it.

The constants are the only home of name and version; importing would run the plugin's code, with all it depends on, in
the build.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass


class PluginSourceError(ValueError):
    """The plugin's module does not say what it must; ``line`` is where, ``str`` how to mend it."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class PluginSource:
    """The constants of a plugin's module with their lines, and the names of its classes."""

    constants: dict[str, tuple[str, int]]
    classes: frozenset[str]

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
        constants = dict(pair for statement in body for pair in _strings(statement))
        return cls(constants, frozenset(node.name for node in body if isinstance(node, ast.ClassDef)))

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


def _strings(statement: ast.stmt) -> list[tuple[str, tuple[str, int]]]:
    """The plain string constants that an assignment makes."""
    if isinstance(statement, ast.Assign):
        targets, value = statement.targets, statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets, value = [statement.target], statement.value
    else:
        return []
    if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
        return []
    return [(target.id, (value.value, statement.lineno)) for target in targets if isinstance(target, ast.Name)]
