"""Holds what a plugin's modules import against what a plugin may use.

Reading the sources tells more than a failed import does: the rule and the cure, for all places at once, also inside of
functions that the build never calls.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_OF_THE_SERVER = frozenset({"editions", "flovyn_edition", "migrations", "server", "tests"})
_OPTIONAL = frozenset({"ImportError", "ModuleNotFoundError", "Exception"})


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, with the place of the statement."""

    module: str
    line: int
    column: int


def faults(package: str, sources: Mapping[str, Path], wheels: Sequence[Path]) -> list[str]:
    """Return a line ``path:line:column: what is wrong and what to do`` for each import that a plugin may not have.

    Args:
        package: the plugin's package, such as ``plugins.audit_log``.
        sources: files of the plugin and of all libraries that it depends on, by their place on the import path.
        wheels: the ``site-packages`` folders of the wheels that it depends on.
    """
    folder = package.replace(".", "/") + "/"
    there = {_module(place) for place in sources if place.endswith(".py")}
    offered = {name.partition(".")[0] for wheel in wheels for name in (each.name for each in wheel.iterdir())}
    found = []
    for place, path in sorted(sources.items()):
        if place.startswith(folder) and place.endswith(".py"):
            for each in imports(path.read_text("utf-8"), _package(place)):
                wrong = _wrong(each.module, package, there, offered)
                if wrong:
                    found.append(f"{path}:{each.line}:{each.column}: {wrong}")
    return found


def imports(text: str, package: str) -> Iterator[Import]:
    """Yield what a module of ``package`` imports when it runs; not what it can do without, or only type checkers read.

    Text that is no Python yields nothing: importing it tells why.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    yield from _below(tree, package)


def _below(node: ast.AST, package: str) -> Iterator[Import]:
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.Import):
            yield from (Import(alias.name, each.lineno, each.col_offset + 1) for alias in each.names)
        elif isinstance(each, ast.ImportFrom):
            yield from (Import(name, each.lineno, each.col_offset + 1) for name in _from(each, package))
        elif not _needless(each):
            yield from _below(each, package)


def _needless(node: ast.AST) -> bool:
    """Whether what the statement imports need not be there: only type checkers read it, or it is tried."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test).endswith("TYPE_CHECKING")
    return isinstance(node, ast.Try) and any(_catches(handler) for handler in node.handlers)


def _from(statement: ast.ImportFrom, package: str) -> list[str]:
    """The modules that a ``from … import`` may name; a name of ``plugins`` is the package of a plugin."""
    parts = package.split(".")
    above = parts[: len(parts) - statement.level + 1] if statement.level else []
    module = ".".join([*above, *([statement.module] if statement.module else [])])
    return [f"{module}.{alias.name}" for alias in statement.names] if module == "plugins" else [module]


def _catches(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or bool(_OPTIONAL & set(ast.unparse(handler.type).strip("()").split(", ")))


def _wrong(module: str, package: str, there: set[str], offered: set[str]) -> str:
    root = module.partition(".")[0]
    if module == package or module.startswith(package + ".") or root in sys.stdlib_module_names:
        return ""
    if root in _OF_THE_SERVER:
        return (
            f"imports {module}, which belongs to the server; a plugin uses core, its own modules and wheels: what the"
            " server offers comes to Plugin.setup as PluginServices (core/plugin_services.py)"
        )
    if root in offered or any(known == module or known.startswith(module + ".") for known in there):
        return ""
    if module.rpartition(".")[0] in there:
        return ""
    if root == "plugins":
        return (
            f"imports {module}, which is another plugin's; an edition may leave any plugin out. Call the other plugin's"
            " routes or RPCs and name it in `requires`, or move what both need into a library that is no plugin"
        )
    return (
        f"imports {module}, which the target does not declare; add the wheel or the library to its deps, such as"
        f' "@wheels//:{root.replace("_", "-")}". A wheel that no lock has goes into the requirements'
        " first: editions/toolchain/runtime.in and ./bazelw run //editions:update-lock, or those of the plugin's own"
        " repository and ./bazelw run @flovyn_server//editions:lock"
    )


def _module(place: str) -> str:
    return place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _package(place: str) -> str:
    return place.rpartition("/")[0].replace("/", ".")
