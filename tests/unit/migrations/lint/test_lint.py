"""The public functions: findings, places, earlier migrations, owned objects, clashes, the self-test."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from migrations import lint as package
from migrations.lint import (
    Finding,
    clashes,
    core_locks,
    lint,
    lint_bytes,
    lint_history,
    owned_objects,
    second_opinion,
    selftest,
)
from migrations.lint.names import PUBLISHED_TABLES
from tests.support.lint_cases import malformed


def rules(sql: str, earlier: tuple[str, ...] = ()) -> list[str]:
    """Return the ids of a migration's errors."""
    return [finding.rule for finding in lint("audit", sql, earlier) if finding.severity == "error"]


def test_the_public_names_are_pinned() -> None:
    """The build, the server and the command rely on just these names."""
    assert set(package.__all__) == {
        "DOWN_MARKER", "PUBLISHED_TABLES", "RULES_VERSION", "Finding", "Severity", "Statement", "clashes", "core_locks", "core_objects", "lint",
        "lint_bytes", "lint_core", "lint_history", "owned_objects", "sections", "split",
    }  # fmt: skip


def test_a_finding_says_where_and_what() -> None:
    """A finding has its place, its rule, what is wrong and what to do."""
    (finding,) = lint("audit-log", "\n  DROP TABLE p_audit_log__a,\n    timer;")
    assert (finding.line, finding.column, finding.rule, finding.severity) == (3, 5, "M012", "error")
    assert '"timer" is not this plugin' in finding.message
    assert finding.hint.startswith("Drop own objects only")
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding.line = 1  # type: ignore[misc]


def test_all_findings_are_reported() -> None:
    """An author sees everything at once, in the order of the file."""
    sql = "CREATE TABLE jobs (id int);\nCOMMIT;\nDROP TABLE timer CASCADE;\nDELETE FROM tenant;"
    assert rules(sql) == ["M001", "M051", "M012", "M013", "M030"]


def test_a_place_in_a_body_is_the_files_place() -> None:
    """A finding in a function's body points into the body."""
    sql = "CREATE FUNCTION p_audit__f() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n    EXECUTE 'x';\nEND\n$$;"
    (finding,) = lint("audit", sql)
    assert (finding.rule, finding.line, finding.column) == ("M041", 3, 5)
    assert finding.message == "p_audit__f line 3: EXECUTE (dynamic SQL) cannot be checked"


@pytest.mark.parametrize(
    "place", ["UPDATE p_audit__entry\nSET action = {}", "CREATE TABLE p_audit__x (a int CHECK\n({}))"]
)
def test_malformed_expressions_are_refused_at_their_place(place: str) -> None:
    """The build, not the server's start, says where an expression is no SQL: in its line, at or behind its beginning."""
    head = place.split("{}", maxsplit=1)[0]
    expressions = [each for each in malformed() if ";" not in each and (each != "(VALUES)" or "CHECK" not in place)]
    assert len(expressions) >= 300
    for expression in expressions:
        found = [one for one in lint("audit", place.format(expression)) if one.severity == "error"]
        assert found, expression
        assert found[-1].line > head.count("\n"), expression
        assert found[-1].column > len(head.splitlines()[-1]) or found[-1].line > 2, expression


def test_earlier_migrations_are_known() -> None:
    """A view over core made last year still leads to core."""
    view = "CREATE VIEW p_audit__v AS SELECT id, name FROM tenant;\n-- down\nDROP VIEW p_audit__v;"
    write = "UPDATE p_audit__v SET name = 'x';"
    assert rules(write) == []
    assert rules(write, (view,)) == ["M030"]
    assert rules(write, (view, "DROP VIEW p_audit__v;")) == []
    assert [
        [one.rule for one in found if one.severity == "error"] for found in lint_history("audit", [view, write])
    ] == [[], ["M030"]]


def test_the_way_back_knows_the_way_there() -> None:
    """The down part is judged with what the up part made."""
    assert rules("CREATE VIEW p_audit__v AS SELECT id FROM tenant;\n-- down\nDELETE FROM p_audit__v;") == ["M030"]


def test_bytes_that_are_no_text_are_findings() -> None:
    """Files that are not UTF-8, too large, or hold NUL or a byte order mark have finding M070."""
    bad = (
        b"\xff",
        b"SELECT '\xc3(';",
        b"\xef\xbb\xbfCREATE TABLE p_a__x (id int);",
        b"-- \x00",
        b" " * (1024 * 1024 + 1),
        "CREATE".encode("utf-16"),
    )
    for content in bad:
        assert "M070" in {finding.rule for finding in lint_bytes("a", content)}, content[:10]
    assert lint_bytes("a", "CREATE TABLE p_a__x (id int); -- größer".encode()) == []


def test_comments_alone_pass() -> None:
    """An empty file and a file of comments are in order."""
    assert lint("a", "") == []
    assert lint("a", "-- nothing\n/* to do */\n;;") == []


def test_published_tables_are_those_of_the_contract() -> None:
    """Plugins may reference four core tables, and no others."""
    assert set(PUBLISHED_TABLES) == {"tenant", "workflow_execution", "task_execution", "worker"}
    for table in PUBLISHED_TABLES:
        assert rules(f"CREATE TABLE p_audit__x (a uuid PRIMARY KEY REFERENCES {table} ON DELETE CASCADE)") == []


def test_owned_objects_follow_the_history() -> None:
    """An edition compares the objects that the migrations leave."""
    texts = [
        "CREATE TABLE p_a__t (id int CONSTRAINT p_a__t_key UNIQUE); CREATE TYPE p_a__k AS ENUM ('x'); CREATE INDEX p_a__i ON p_a__t (id);",
        "ALTER TABLE p_a__t RENAME TO p_a__u; DROP INDEX p_a__i; CREATE SEQUENCE p_a__s;\n-- down\nDROP SEQUENCE p_a__s;",
        "CREATE FUNCTION p_a__f() RETURNS int LANGUAGE sql RETURN 1; CREATE VIEW p_a__v AS SELECT 1 AS a;",
    ]
    assert owned_objects("a", texts) == {
        ("table", "p_a__u"), ("index", "p_a__t_key"), ("type", "p_a__k"), ("sequence", "p_a__s"), ("function", "p_a__f"), ("view", "p_a__v"),
    }  # fmt: skip


def test_locks_on_core_tables_are_listed() -> None:
    """An operator can see beforehand which core tables a migration locks, and how."""
    made = "CREATE TABLE p_a__t (id int, t uuid REFERENCES tenant ON DELETE CASCADE);\n"
    assert core_locks("a", made) == [(1, "tenant", "SHARE ROW EXCLUSIVE")]
    assert core_locks("a", "\nDROP TABLE p_a__t;", [made]) == [(2, "tenant", "ACCESS EXCLUSIVE")]
    assert core_locks("a", "\x00'") == []


def test_clashes_name_both_plugins() -> None:
    """Two plugins that claim one object are told apart by name."""
    claims = {"b": {("table", "x"), ("type", "y")}, "a": {("table", "x")}, "c": {("type", "y")}}
    assert sorted(clashes(claims)) == [("table", "x", "a", "b"), ("type", "y", "b", "c")]


def test_the_self_test_holds() -> None:
    """The built-in verdicts are right in this installation."""
    selftest.assert_sound()


def test_the_self_test_notices_a_broken_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that finds nothing is not believed."""
    monkeypatch.setattr(selftest, "lint", lambda _plugin, _sql: list[Finding]())
    selftest.assert_sound.cache_clear()
    with pytest.raises(RuntimeError, match="broken"):
        selftest.assert_sound()
    selftest.assert_sound.cache_clear()


def test_another_sqlglot_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees of another release may hide what this one shows."""
    monkeypatch.setattr(second_opinion, "installed_version", "30.29.0")
    with pytest.raises(RuntimeError, match=r"needs sqlglot 30\.30\.0"):
        second_opinion.assert_version()


def test_importing_the_package_does_not_import_sqlglot() -> None:
    """A start with nothing to check does not pay for the parser."""
    code = "import sys, migrations.lint; sys.exit('sqlglot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_index_of_a_later_file_answers_a_warning() -> None:
    """A key whose index is built concurrently, in a file of its own, has no W2; without that file it has."""
    table = "CREATE TABLE p_a__x (t uuid REFERENCES tenant (id) ON DELETE CASCADE);"
    index = "-- outside a transaction\nCREATE INDEX CONCURRENTLY p_a__x_t ON p_a__x (t);"
    assert lint_history("a", [table, index]) == [[], []]
    assert [[one.rule for one in found] for found in lint_history("a", [table, "DROP TABLE p_a__x;"])] == [[], ["W4"]]
    assert [one.rule for one in lint_history("a", [table])[0]] == ["W2"]


def test_a_warning_is_told_once_with_its_other_lines() -> None:
    """The further places of a warning stand in the message of the first."""
    table = "CREATE UNLOGGED TABLE p_a__{} (id int);\n"
    (finding,) = lint("a", table.format("x") + table.format("y") + table.format("z"))
    assert (finding.rule, finding.line) == ("W5", 1)
    assert finding.message.endswith("; the same in lines 2, 3")
