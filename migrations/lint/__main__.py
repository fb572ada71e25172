"""The linter's command: ``python -m migrations.lint --plugin audit-log path/*.sql``.

Exit code 0: no errors (warnings allowed), 1: errors, 2: wrong usage.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from core.errors import PluginError
from core.migration import check_plugin_name
from migrations.lint import lint_bytes, report, selftest, split
from migrations.lint.check import check_history
from migrations.lint.rules import BY_ID

OK, FOUND, USAGE = 0, 1, 2
PAGES = Path(__file__).parents[2] / "docs" / "migrations.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))  # under "bazel run", paths are the caller's
    parser = _parser()
    options = parser.parse_args(arguments)
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
    return parser


def _explain(parser: argparse.ArgumentParser, rule_id: str) -> int:
    """Print the section of docs/migrations.md that the rule's id begins."""
    if rule_id.upper() not in BY_ID:
        parser.error(f"no rule {rule_id}; there are {', '.join(BY_ID)}")
    sections = re.split(r"^(?=## )", PAGES.read_text("utf-8"), flags=re.MULTILINE)
    print(next(page for page in sections if page.startswith(f"## {rule_id.upper()}:")).rstrip())
    return OK


def _file_name(path: str) -> tuple[str, str]:
    return Path(path).name, path


def _check(plugin: str, paths: Sequence[str]) -> list[report.CheckedFile]:
    """Check the files in their order; each sees the objects of those before it."""
    selftest.assert_sound()
    contents = [Path(path).read_bytes() for path in paths]
    texts = [content.decode("utf-8", "replace") for content in contents]
    histories = check_history(plugin, texts, "plugin" if plugin else "core")
    return [
        report.CheckedFile(path, text, found if text.encode() == content else lint_bytes(plugin, content))
        for path, text, content, found in zip(paths, texts, contents, histories, strict=True)
    ]


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
