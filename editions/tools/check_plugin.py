"""Checks a plugin at build time and, when all is well, writes its manifest.

The manifest is an input of every edition with the plugin, so a plugin that breaks a rule stops those editions and no
others. Each problem is one line, ``path:line:col: what is wrong``, followed by how to mend it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import PluginError
from core.migration import PluginMigration, check_plugin_name, in_order
from editions.tools.plugin_needs import PluginNeeds
from editions.tools.plugin_source import PluginSource, PluginSourceError
from migrations.lint import Finding, lint_bytes, lint_history, owned_objects, selftest
from migrations.lint.proof import proofs

_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+([-+.][0-9A-Za-z.+-]+)?")


def check_source(source: PluginSource, name: str, entry: str) -> str:
    """Return the plugin's version when its module agrees with its target.

    Raises:
        PluginSourceError: name, version or class are missing or disagree.
    """
    found, line = source.constant("NAME", name)
    try:
        check_plugin_name(name)
    except PluginError as error:
        raise PluginSourceError(line, str(error)) from None
    if found != name:
        raise PluginSourceError(line, f"NAME is {found!r}, but the folder and the target say {name!r}; make them agree")
    version, line = source.constant("VERSION", "0.1.0")
    if not _VERSION.fullmatch(version):
        raise PluginSourceError(line, f"VERSION is {version!r}; write major.minor.patch, such as '0.1.0'")
    wanted = entry.partition(":")[2]
    if wanted not in source.classes:
        raise PluginSourceError(1, f"has no class {wanted}, which the target's entry {entry!r} names; mend one of them")
    return version


def lint_migrations(name: str, migrations: Sequence[tuple[PluginMigration, Path]]) -> Iterator[tuple[Path, Finding]]:
    """Yield every finding, with the file it is in; each migration is judged after those before it."""
    histories = lint_history(name, (migration.sql for migration, _ in migrations))
    for (_, path), findings in zip(migrations, histories, strict=True):
        for finding in findings:
            yield path, finding


def read_migrations(paths: Sequence[Path]) -> list[tuple[PluginMigration, Path]]:
    """Return the migrations in order, each with its path.

    Raises:
        PluginError: a file name or its content is refused, or two files have one version.
    """
    by_file = {path.name: path for path in paths}
    return [
        (m, by_file[m.file]) for m in in_order(PluginMigration.parse(path.name, path.read_bytes()) for path in paths)
    ]


def gaps(migrations: Sequence[PluginMigration]) -> Iterator[str]:
    """Yield a line for each place where numbers are missing between migrations, which are in order, or before them."""
    before, version = "", 0
    for migration in migrations:
        if migration.version > version + 1:
            first, last = f"{version + 1:04d}", f"{migration.version - 1:04d}"
            missing = first if first == last else f"{first} to {last}"
            between = f"between {before} and {migration.file}" if version else f"before {migration.file}"
            yield (
                f"no migration has the number {missing}, {between}; add the file that is missing, or number the later"
                " ones again while no database has them: a smaller number that comes later is refused there"
            )
        before, version = migration.file, migration.version


def _unreadable(name: str, path: Path) -> list[Finding]:
    """Return the findings of a file that is no text at all; they need no other file."""
    content = path.read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return lint_bytes(name, content)
    return []


def show(path: Path, finding: Finding) -> str:
    """Return a finding as ``path:line:col: RULE message``, and its hint below."""
    return f"{path}:{finding.line}:{finding.column}: {finding.rule} {finding.message}\n    {finding.hint}"


def check(options: argparse.Namespace) -> dict[str, object] | None:
    """Check the plugin, print what is wrong, and return its manifest, or None when it is refused."""
    try:
        source = PluginSource.parse(options.source.read_text(encoding="utf-8"))
        version = check_source(source, options.name, options.entry)
        needs = PluginNeeds.read(source, options.name, options.entry.partition(":")[2])
    except PluginSourceError as error:
        print(f"{options.source}:{error.line}:1: {error}", file=sys.stderr)
        return None
    selftest.assert_sound()
    unreadable = [(path, finding) for path in options.migration for finding in _unreadable(options.name, path)]
    for path, finding in unreadable:
        print(show(path, finding), file=sys.stderr)
    if unreadable:
        return None
    try:
        migrations = read_migrations(options.migration)
    except PluginError as error:
        print(f"plugin {options.name}: {error}", file=sys.stderr)
        return None
    for gap in gaps([migration for migration, _ in migrations]):
        print(f"warning: plugin {options.name}: {gap}", file=sys.stderr)
    findings = list(lint_migrations(options.name, migrations))
    for path, finding in findings:
        print(show(path, finding), file=sys.stderr)
    if any(finding.severity == "error" for _, finding in findings):
        return None
    return {
        "name": options.name,
        "version": version,
        "entry": options.entry,
        **needs.as_json(),
        "migrations": proofs(options.name, [migration for migration, _ in migrations]),
        "npm": [json.loads(path.read_text(encoding="utf-8")) for path in options.npm],
        "objects": sorted(owned_objects(options.name, (migration.sql for migration, _ in migrations))),
    }


def main(arguments: list[str]) -> int:
    """Run from the command line; 1 when the plugin is refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--entry", required=True)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--migration", type=Path, action="append", default=[])
    parser.add_argument("--npm", type=Path, action="append", default=[], help="facts about an npm package")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    manifest = check(options)
    if manifest is None:
        return 1
    options.out.write_text(json.dumps(manifest, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
