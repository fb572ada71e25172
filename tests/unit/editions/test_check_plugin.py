"""The check of a plugin at build time: names, class, migrations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from editions.tools.check_plugin import main

SOURCE = 'NAME = "audit-log"\nVERSION: str = "1.2.0"\nclass AuditLogPlugin:\n    plugin_api = ">=1.0,<2"\n'
GOOD = "CREATE TABLE p_audit_log__events (id uuid PRIMARY KEY);\n"
BAD = "CREATE TABLE p_audit_log__ok (id uuid);\n\nCREATE TABLE events (id uuid);\n"


class Plugin:
    """A plugin on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out.json"

    def check(self, source: str = SOURCE, name: str = "audit-log", **migrations: str) -> int:
        module = self.folder / "plugin.py"
        module.write_text(source)
        arguments = ["--name", name, "--entry", "plugins.audit_log.plugin:AuditLogPlugin", "--source", str(module)]
        for stem, sql in migrations.items():
            path = self.folder / f"{stem[1:]}.sql"
            path.write_text(sql)
            arguments += ["--migration", str(path)]
        return main([*arguments, "--out", str(self.out)])


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    return Plugin(tmp_path)


def test_manifest(plugin: Plugin) -> None:
    """A good plugin gets its manifest, with migrations in order."""
    assert plugin.check(_0002_more=GOOD.replace("events", "more"), _0001_create_events=GOOD) == 0
    manifest = json.loads(plugin.out.read_text())
    assert (manifest["name"], manifest["version"]) == ("audit-log", "1.2.0")
    assert (manifest["plugin_api"], manifest["requires"]) == (">=1.0,<2", [])
    assert [migration["file"] for migration in manifest["migrations"]] == ["0001_create_events.sql", "0002_more.sql"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SOURCE.replace("audit-log", "audit"), ":1:1: NAME is 'audit', but the folder and the target say 'audit-log'"),
        (SOURCE.replace('NAME = "audit-log"\n', ""), ":1:1: has no constant NAME"),
        (SOURCE.replace("1.2.0", "one"), ":2:1: VERSION is 'one'"),
        (SOURCE.replace("AuditLogPlugin", "Other"), "has no class AuditLogPlugin"),
        ("NAME = (", ":1:1: is not valid Python"),
        ("def f():\n    pass\nNAME = f()", "has no constant NAME"),
    ],
)
def test_source_is_refused(plugin: Plugin, capsys: pytest.CaptureFixture[str], source: str, words: str) -> None:
    """A module that disagrees with its target is refused, with the line and no manifest."""
    assert plugin.check(source) == 1
    assert words in capsys.readouterr().err
    assert not plugin.out.exists()


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ("pass", ":3:1: AuditLogPlugin does not state the versions of the Plugin API"),
        ("plugin_api = RANGE", ":4:1: AuditLogPlugin does not state the versions of the Plugin API"),
        ('plugin_api = "1.0"', ":4:1: plugin_api: '1.0' is no range of versions"),
        ('plugin_api = ">=2,<1"', ":4:1: plugin_api: '>=2,<1' holds no version"),
        (
            'plugin_api = ">=0.1,<1"',
            ":4:1: plugin audit-log works with the Plugin API >=0.1,<1, but this server has 1.1",
        ),
        ('plugin_api = ">=1.2,<2"', "works with the Plugin API >=1.2,<2, but this server has 1.1"),
        ('plugin_api = ">=1,<2"; requires = "jwt"', ":4:1: requires is 'jwt'; write names of plugins"),
        ('plugin_api = ">=1,<2"; requires = NEEDED', ":4:1: requires is NEEDED; the build reads the source"),
        ('plugin_api = ">=1,<2"; requires = ["worker_token"]', "requires: plugin name 'worker_token' is not valid"),
        ('plugin_api = ">=1,<2"; requires = ["audit-log"]', "requires: audit-log cannot require itself"),
    ],
)
def test_needs_are_refused(plugin: Plugin, capsys: pytest.CaptureFixture[str], attributes: str, words: str) -> None:
    """A plugin that does not state what it works with, or does not fit this server, is refused with the numbers."""
    assert plugin.check(SOURCE.replace('plugin_api = ">=1.0,<2"', attributes)) == 1
    assert words in capsys.readouterr().err
    assert not plugin.out.exists()


def test_required_plugins_are_in_the_manifest(plugin: Plugin) -> None:
    """The edition learns from the manifest which plugins must be there, in one order."""
    needs = 'plugin_api = ">=1,<2"\n    requires = ["worker-token", "jwt"]'
    assert plugin.check(SOURCE.replace('plugin_api = ">=1.0,<2"', needs)) == 0
    assert json.loads(plugin.out.read_text())["requires"] == ["jwt", "worker-token"]


def test_name_must_be_valid(plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that breaks the grammar is refused even where everything agrees."""
    assert plugin.check(SOURCE.replace("audit-log", "9audit"), name="9audit") == 1
    assert "is not valid" in capsys.readouterr().err


def test_bad_table_name_stops_the_plugin(plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    """A finding of the linter is one line with path, line and column, and a hint."""
    assert plugin.check(_0001_create=BAD) == 1
    error = capsys.readouterr().err
    assert f"{plugin.folder}/0001_create.sql:3:" in error
    assert not plugin.out.exists()


@pytest.mark.parametrize("stem", ["_1_create", "_0000_create", "_0001_Create"])
def test_file_names(plugin: Plugin, capsys: pytest.CaptureFixture[str], stem: str) -> None:
    """A file that is not named NNNN_words.sql is refused."""
    assert plugin.check(**{stem: GOOD}) == 1
    assert "migration file" in capsys.readouterr().err


def test_gaps_in_migration_numbers_are_named(plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    """A forgotten file shows at build time as a warning; the plugin is still built."""
    more = GOOD.replace("events", "more")
    assert plugin.check(_0002_events=GOOD, _0005_more=more, _0006_most=GOOD.replace("events", "most")) == 0
    warnings = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: plugin audit-log: no")
    ]
    assert len(warnings) == 2
    assert "the number 0001, before 0002_events.sql;" in warnings[0]
    assert "the number 0003 to 0004, between 0002_events.sql and 0005_more.sql;" in warnings[1]
