"""How fast the linter is: ``python tests/benchmarks/bench_lint.py`` prints a table."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from migrations.lint import lint, lint_history, selftest, split  # noqa: E402

STATEMENTS = """
CREATE TYPE p_audit__level AS ENUM ('info', 'error');
CREATE TABLE p_audit__actor (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE, name text NOT NULL, UNIQUE (tenant_id, name));
CREATE TABLE p_audit__entry (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    actor_id uuid REFERENCES p_audit__actor (id) ON DELETE SET NULL,
    level p_audit__level NOT NULL DEFAULT 'info',
    payload jsonb NOT NULL DEFAULT '{}'::jsonb CHECK (jsonb_typeof(payload) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX p_audit__entry_tenant ON p_audit__entry (tenant_id, created_at DESC) WHERE level = 'error';
CREATE INDEX p_audit__entry_payload ON p_audit__entry USING gin (payload jsonb_path_ops);
ALTER TABLE p_audit__entry ADD COLUMN note text, ADD CONSTRAINT note_short CHECK (length(note) < 200);
ALTER TABLE p_audit__entry ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_tenant ON p_audit__entry USING (tenant_id = current_setting('app.tenant')::uuid);
CREATE FUNCTION p_audit__touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.created_at := now(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON p_audit__entry FOR EACH ROW EXECUTE FUNCTION p_audit__touch();
CREATE VIEW p_audit__errors AS SELECT e.id, a.name FROM p_audit__entry e LEFT JOIN p_audit__actor a ON a.id = e.actor_id WHERE e.level = 'error';
INSERT INTO p_audit__actor (id, tenant_id, name) SELECT gen_random_uuid(), t.id, 'system' FROM tenant t ON CONFLICT DO NOTHING;
UPDATE p_audit__entry SET payload = payload || '{"v": 2}' WHERE NOT payload ? 'v';
COMMENT ON TABLE p_audit__entry IS 'what happened';
CREATE SEQUENCE p_audit__number START WITH 100 OWNED BY p_audit__entry.id;
SELECT setval('p_audit__number', 1000);
CREATE MATERIALIZED VIEW p_audit__daily AS SELECT tenant_id, count(*) AS n FROM p_audit__entry GROUP BY tenant_id;
ALTER TABLE p_audit__entry RENAME COLUMN note TO remark;
DELETE FROM p_audit__entry WHERE created_at < now() - interval '1 year';
DROP VIEW p_audit__errors;
"""


def seconds(work: Callable[[], object], times: int) -> float:
    """Return the median time of some workflows."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def command() -> None:
    """Check the twenty statements in a new process, as the build does."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(STATEMENTS)
        file.flush()
        workflow = [sys.executable, "-m", "migrations.lint", "--plugin", "audit", file.name]
        subprocess.run(workflow, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    """Print the table."""
    count = len(split(STATEMENTS))
    one = seconds(lambda: lint("audit", STATEMENTS), 20)
    fifty = seconds(lambda: lint_history("audit", [STATEMENTS] * 50), 3)
    selftest.assert_sound.cache_clear()
    rows = [
        (f"{count} statements, new process, self-test included", f"{seconds(command, 9) * 1000:8.0f} ms"),
        (f"{count} statements, in process", f"{one * 1000:8.1f} ms"),
        ("statements a second, in process", f"{50 * count / fifty:8.0f}"),
        ("self-test", f"{seconds(selftest.assert_sound, 1) * 1000:8.0f} ms"),
    ]
    for title, value in rows:
        print(f"{title:55}{value}")


if __name__ == "__main__":
    main()
