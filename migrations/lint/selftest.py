"""Thirty verdicts that must hold before any other is believed: run once a process, by the build and the command.

They are the cases in which a reader that trusts a parser's tree goes wrong, so a changed sqlglot, a broken rule or
a file lost in packing shows here and not in a database.
"""

from __future__ import annotations

from functools import lru_cache

from migrations.lint import lint

_CASES: tuple[tuple[str, str], ...] = (
    ("", "CREATE TABLE p_x__a (id uuid PRIMARY KEY, t uuid REFERENCES tenant (id) ON DELETE CASCADE)"),
    ("", "CREATE UNIQUE INDEX p_x__i ON p_x__a USING btree (lower(b)) WHERE c IS NOT NULL"),
    ("", "INSERT INTO p_x__a (t) SELECT id FROM tenant ON CONFLICT DO NOTHING"),
    ("", "CREATE FUNCTION p_x__f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END"),
    ("", "CREATE FUNCTION p_x__f() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN NEW.n := $$;$$; RETURN NEW; END$f$"),
    ("", "COMMENT ON TABLE p_x__a IS 'DROP TABLE tenant; -- no'"),
    ("", "ALTER TABLE p_x__a RENAME b TO c"),
    ("", "ALTER TYPE p_x__k ADD VALUE 'v'"),
    ("", "-- nothing but a comment"),
    ("M000", "ALTER SYSTEM SET a = 1"),
    ("M001", "CREATE TABLE tenant2 (id int)"),
    ("M002", "CREATE TABLE s.p_x__a (id int)"),
    ("M003", 'CREATE TABLE "P_x__a" (id int)'),
    ("M004", "CREATE TABLE p_x__a (id int, CONSTRAINT worker_key UNIQUE (id))"),
    ("M010", "ALTER TABLE tenant ADD COLUMN x int"),
    ("M011", "ALTER TABLE p_x__a RENAME TO timer"),
    ("M012", "DROP TABLE p_x__a, tenant"),
    ("M012", "DROP TRIGGER p_x__t ON tenant"),
    ("M013", "DROP TABLE p_x__a CASCADE"),
    ("M020", "CREATE TABLE p_x__a PARTITION OF timer DEFAULT"),
    ("M021", "CREATE TABLE p_x__a (i int REFERENCES p_y__b (id))"),
    ("M030", "WITH d AS (DELETE FROM tenant RETURNING id) INSERT INTO p_x__a SELECT id FROM d"),
    ("M031", "SELECT * INTO p_x__a FROM tenant"),
    ("M032", "CREATE INDEX p_x__i ON p_x__a (core_purge(id))"),
    ("M033", "SELECT setval('core_seq', 1)"),
    ("M040", "CREATE FUNCTION p_x__f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"),
    ("M041", "CREATE FUNCTION p_x__f() RETURNS int LANGUAGE sql BEGIN ATOMIC DELETE FROM tenant; SELECT 1; END"),
    ("M042", "CREATE TRIGGER t AFTER INSERT ON tenant FOR EACH ROW EXECUTE FUNCTION p_x__f()"),
    ("M043", "DO $$BEGIN DROP TABLE tenant; END$$"),
    ("M050", "SET search_path = x"),
    ("M051", "COMMIT"),
    ("M060", "CREATE SCHEMA s"),
    ("M070", "CREATE TABLE p_x__a (n text DEFAULT 'x"),
    ("M071", "COMMENT ON TABLE p_x__a IS E'a'\n'\\''; COMMENT ON TABLE p_x__b IS '-'; --'"),
)


@lru_cache(maxsize=1)
def assert_sound() -> None:
    """Refuse to go on when a verdict is wrong.

    Raises:
        RuntimeError: the check cannot be trusted in this installation.
    """
    for expected, sql in _CASES:
        found = {finding.rule for finding in lint("x", sql) if finding.severity == "error"}
        if found != ({expected} if expected else set()):
            wanted = expected or "nothing"
            raise RuntimeError(f"the migration check is broken: expected {wanted}, found {sorted(found)} in: {sql}")
