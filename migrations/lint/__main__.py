"""The linter's command: ``python -m migrations.lint --plugin audit-log path/*.sql``.

Exit code 0: nothing to object to (warnings allowed), 1: findings, 2: wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from core.errors import PluginError
from core.migration import check_plugin_name
from migrations.lint import lint_bytes, pages, report, selftest, split
from migrations.lint.check import Checker
from migrations.lint.names import Ownership
from migrations.lint.rules import BY_ID

OK, FOUND, USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))  # under "bazel run", paths are the caller's
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.pages:
        sys.stdout.write(pages.document())
        return OK
    if options.explain:
        return _explain(parser, options.explain)
    if not options.files or bool(options.plugin) == options.core:
        parser.error("give --plugin NAME (or --core) and the .sql files, or --explain RULE")
    try:
        plugin = "" if options.core else check_plugin_name(options.plugin)
        files = _check(plugin, sorted(options.files, key=_file_name))
    except (PluginError, OSError) as error:
        parser.error(str(error))
    _print(files, options.format)
    return FOUND if any(one.severity == "error" for file in files for one in file.findings) else OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="migrations.lint", description="Check a plugin's migrations.")
    parser.add_argument("files", nargs="*", metavar="FILE.sql", help="the plugin's migrations; ordered by name")
    parser.add_argument("--plugin", metavar="NAME", help="the plugin's name, such as audit-log")
    parser.add_argument("--core", action="store_true", help="check the server's own migrations instead")
    parser.add_argument("--format", choices=("text", "json", "github"), default="text")
    parser.add_argument("--explain", metavar="RULE", help="print a rule's page, such as M020")
    parser.add_argument("--pages", action="store_true", help="print docs/migrations.md")
    return parser


def _explain(parser: argparse.ArgumentParser, rule_id: str) -> int:
    rule = BY_ID.get(rule_id.upper())
    if rule is None:
        parser.error(f"no rule {rule_id}; there are {', '.join(BY_ID)}")
    print(pages.page(rule), end="")
    return OK


def _file_name(path: str) -> tuple[str, str]:
    return Path(path).name, path


def _check(plugin: str, paths: Sequence[str]) -> list[report.CheckedFile]:
    """Check the files in their order; each sees what those before it made."""
    selftest.assert_sound()
    checker = Checker(Ownership(plugin), "plugin" if plugin else "core")
    files = []
    for path in paths:
        content = Path(path).read_bytes()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            files.append(report.CheckedFile(path, "", lint_bytes(plugin, content)))
            continue
        files.append(report.CheckedFile(path, text, checker.check(text)))
    return files


def _print(files: list[report.CheckedFile], style: str) -> None:
    if style == "json":
        print(report.as_json(files))
        return
    shown = report.as_github(files) if style == "github" else report.as_text(files, color=_in_color())
    if shown:
        print(shown)
    statements = sum(len(split(file.text)) for file in files)
    print(report.summary(files, statements), file=sys.stderr)


def _in_color() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


if __name__ == "__main__":
    sys.exit(main())
