"""Plugin migrations: their names, their files and the prefix that keeps plugins apart.

The linter (``migrations.lint``), the build and the server's migrator all take these rules
from here, so that what the build accepted is what the server runs.
"""

from __future__ import annotations

import hashlib
import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from core.errors import PluginError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

MAX_PLUGIN_NAME = 24
"""Longest plugin name, in characters: leaves 36 of PostgreSQL's 63 bytes for a table's name."""

CORE = "core"
"""Owner of the server's own migrations where a plugin's name would stand."""

MAX_MIGRATION_BYTES = 1024 * 1024
"""A larger migration file is refused by its size alone."""

_PLUGIN_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FILE_NAME = re.compile(r"(?P<version>[0-9]{4})_(?P<description>[a-z0-9]+(_[a-z0-9]+)*)\.sql")


def check_plugin_name(name: str) -> str:
    """Return ``name`` when it is a valid plugin name: lower case words joined by single hyphens.

    Raises:
        PluginError: the name could collide with another plugin's in SQL, Python or gRPC.
    """
    if not _PLUGIN_NAME.fullmatch(name) or len(name) > MAX_PLUGIN_NAME:
        raise PluginError(
            f"plugin name {name!r} is not valid: use lower-case words joined by single hyphens,"
            f" such as 'audit-log', at most {MAX_PLUGIN_NAME} characters"
        )
    if keyword.iskeyword(name):
        raise PluginError(f"plugin name {name!r} is a keyword of Python, which no package can be called; add a word")
    if name == CORE:
        raise PluginError(f"plugin name {name!r} is taken: it stands for the server's own migrations")
    return name


def sql_name(plugin: str) -> str:
    """Return the plugin's name as SQL, Python and gRPC write it: ``audit-log`` is ``audit_log``."""
    return plugin.replace("-", "_")


def table_prefix(plugin: str) -> str:
    """Return the prefix of everything that the plugin owns in the database: ``p_audit_log__``."""
    return f"p_{sql_name(plugin)}__"


@dataclass(frozen=True, slots=True)
class PluginMigration:
    """One forward step of a plugin's schema, or of the core schema.

    Attributes:
        version: position in the plugin's history, from 1; the file name's four digits.
        description: the rest of the file name, with spaces.
        sql: the file's text, exactly as it is checked and run.
        file: the file's name, for messages.
    """

    version: int
    description: str
    sql: str
    file: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file's bytes, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @classmethod
    def parse(cls, file: str, content: bytes) -> PluginMigration:
        """Make a migration of a file's name and bytes.

        Raises:
            PluginError: the name is not ``NNNN_words.sql``, the file is too large or not UTF-8.
        """
        match = _FILE_NAME.fullmatch(file)
        if match is None or match["version"] == "0000":
            raise PluginError(
                f"migration file {file!r}: name it NNNN_verb_object.sql, from 0001,"
                " in lower case, such as 0001_create_events.sql"
            )
        if len(content) > MAX_MIGRATION_BYTES:
            raise PluginError(
                f"migration file {file!r} has {len(content)} bytes; at most {MAX_MIGRATION_BYTES} are allowed"
            )
        try:
            sql = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise PluginError(f"migration file {file!r} is not UTF-8 at byte {error.start}; save it as UTF-8") from None
        return cls(int(match["version"]), match["description"].replace("_", " "), sql, file)

    @classmethod
    def from_folder(cls, folder: Traversable) -> list[PluginMigration]:
        """Read every ``*.sql`` of a folder, ordered by version; works inside a PEX.

        A plugin writes ``PluginMigration.from_folder(files(__package__) / "migrations")``.

        Raises:
            PluginError: a file cannot be read as a migration, or two have one version.
        """
        entries = sorted(
            (entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name
        )
        return in_order(cls.parse(entry.name, entry.read_bytes()) for entry in entries)


def in_order(migrations: Iterable[PluginMigration]) -> list[PluginMigration]:
    """Return the migrations sorted by version.

    Raises:
        PluginError: two migrations have one version.
    """
    ordered = sorted(migrations, key=lambda migration: (migration.version, migration.file))
    for before, after in pairwise(ordered):
        if before.version == after.version:
            raise PluginError(f"migrations {before.file!r} and {after.file!r} have one version: number them apart")
    return ordered
