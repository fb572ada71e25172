"""Migrations of four plugins as people write them: a job queue, an outbox, an audit trail, partitioned metrics."""

from __future__ import annotations

from pathlib import Path

JOBS = (
    """
CREATE TYPE p_jobs__state AS ENUM ('queued', 'running', 'done', 'failed');
CREATE TABLE p_jobs__job (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    queue text NOT NULL DEFAULT 'default' CHECK (queue <> ''),
    state p_jobs__state NOT NULL DEFAULT 'queued',
    priority smallint NOT NULL DEFAULT 0,
    payload jsonb NOT NULL DEFAULT '{}'::jsonb CHECK (jsonb_typeof(payload) = 'object'),
    run_at timestamptz NOT NULL DEFAULT now(),
    attempts int NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 100),
    locked_until timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE FUNCTION p_jobs__wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'queued' AND NEW.run_at <= now() THEN
        PERFORM pg_notify('p_jobs__' || NEW.queue, NEW.tenant_id::text);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER wake AFTER INSERT OR UPDATE OF state, run_at ON p_jobs__job
    FOR EACH ROW EXECUTE FUNCTION p_jobs__wake();
CREATE FUNCTION p_jobs__take(wanted text, n int DEFAULT 1) RETURNS SETOF p_jobs__job LANGUAGE sql AS $$
    UPDATE p_jobs__job AS j SET state = 'running', attempts = j.attempts + 1, locked_until = now() + interval '1 minute'
    WHERE (j.tenant_id, j.id) IN (
        SELECT q.tenant_id, q.id FROM p_jobs__job AS q
        WHERE q.queue = wanted AND q.state = 'queued' AND q.run_at <= now()
        ORDER BY q.priority DESC, q.run_at, q.id
        LIMIT n FOR UPDATE SKIP LOCKED
    )
    RETURNING j.*
$$;
-- down
DROP FUNCTION p_jobs__take(text, int);
DROP TABLE p_jobs__job;
DROP FUNCTION p_jobs__wake();
DROP TYPE p_jobs__state;
""",
    """-- outside a transaction
CREATE INDEX CONCURRENTLY p_jobs__job_due ON p_jobs__job (queue, priority DESC, run_at) WHERE state = 'queued';
-- down
DROP INDEX CONCURRENTLY p_jobs__job_due;
""",
    """ALTER TABLE p_jobs__job ADD COLUMN key text, ADD CONSTRAINT key_short CHECK (length(key) < 200) NOT VALID;
-- down
ALTER TABLE p_jobs__job DROP COLUMN key;
""",
    """-- outside a transaction
ALTER TABLE p_jobs__job VALIDATE CONSTRAINT key_short;
""",
    """-- in batches
UPDATE p_jobs__job SET key = queue || ':' || id
WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM p_jobs__job WHERE key IS NULL LIMIT 1000);
""",
    """-- outside a transaction
CREATE UNIQUE INDEX CONCURRENTLY p_jobs__job_key ON p_jobs__job (tenant_id, key) WHERE state <> 'done';
""",
)

OUTBOX = (
    """
CREATE TABLE p_outbox__message (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    topic text NOT NULL,
    body jsonb NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX p_outbox__message_unsent ON p_outbox__message (created_at) INCLUDE (topic) WHERE sent_at IS NULL;
CREATE VIEW p_outbox__lag AS
    SELECT tenant_id, topic, count(*) AS n, max(now() - created_at) AS oldest
    FROM p_outbox__message WHERE sent_at IS NULL GROUP BY tenant_id, topic HAVING count(*) > 0;
CREATE FUNCTION p_outbox__announce() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    SELECT count(*) INTO n FROM fresh;
    PERFORM pg_notify('p_outbox__message', n::text);
    RETURN NULL;
END $$;
CREATE TRIGGER announce AFTER INSERT ON p_outbox__message
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION p_outbox__announce();
""",
)

TRAIL = (
    """
CREATE TABLE p_trail__account (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id uuid NOT NULL, name text NOT NULL, changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE TABLE p_trail__change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL, operation text NOT NULL, before jsonb, after jsonb,
    transaction_id bigint NOT NULL DEFAULT txid_current(), client inet DEFAULT inet_client_addr(),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX p_trail__change_account ON p_trail__change (account_id, at DESC);
CREATE FUNCTION p_trail__touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_at := now();
    RETURN NEW;
END $$;
CREATE FUNCTION p_trail__note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO p_trail__change (account_id, operation, before, after)
    VALUES (COALESCE(NEW.id, OLD.id), TG_OP, to_jsonb(OLD) - 'changed_at', to_jsonb(NEW) - 'changed_at');
    RETURN NULL;
END $$;
CREATE TRIGGER touch BEFORE UPDATE ON p_trail__account
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION p_trail__touch();
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON p_trail__account
    FOR EACH ROW EXECUTE FUNCTION p_trail__note();
""",
)

METRICS = (
    """
CREATE TABLE p_metrics__sample (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    name text NOT NULL COLLATE "C", at timestamptz NOT NULL, value double precision NOT NULL, labels jsonb,
    PRIMARY KEY (tenant_id, name, at)
) PARTITION BY RANGE (at);
CREATE TABLE p_metrics__sample_2024 PARTITION OF p_metrics__sample FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE p_metrics__sample_rest PARTITION OF p_metrics__sample DEFAULT;
CREATE INDEX p_metrics__sample_at ON p_metrics__sample USING brin (at) WITH (pages_per_range = 32);
CREATE STATISTICS p_metrics__sample_names (dependencies, ndistinct) ON tenant_id, name FROM p_metrics__sample;
CREATE MATERIALIZED VIEW p_metrics__hourly AS
    SELECT tenant_id, name, date_trunc('hour', at) AS hour, count(*) AS n, avg(value) AS mean,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY value) AS percentiles
    FROM p_metrics__sample GROUP BY tenant_id, name, date_trunc('hour', at) WITH NO DATA;
CREATE UNIQUE INDEX p_metrics__hourly_key ON p_metrics__hourly (tenant_id, name, hour);
""",
    """
CREATE TABLE p_metrics__sample_2025 (LIKE p_metrics__sample INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE p_metrics__sample ATTACH PARTITION p_metrics__sample_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
ALTER TABLE p_metrics__sample DETACH PARTITION p_metrics__sample_2024;
DROP TABLE p_metrics__sample_2024;
REFRESH MATERIALIZED VIEW p_metrics__hourly;
""",
)

SAMPLES = {"jobs": JOBS, "outbox": OUTBOX, "trail": TRAIL, "metrics": METRICS}
"""By the plugin's name: the texts of its migrations in order."""

QUERIES = {
    "jobs": """
-- name: enqueue
INSERT INTO p_jobs__job (tenant_id, queue, payload) VALUES (%(tenant_id)s, %(queue)s, %(payload)s) RETURNING id
-- name: take
-- all tenants: a worker of the server takes the jobs of every tenant
SELECT tenant_id, id, payload FROM p_jobs__take(%(queue)s, %(n)s)
-- name: finish
UPDATE p_jobs__job SET state = 'done', locked_until = NULL WHERE tenant_id = %(tenant_id)s AND id = %(id)s
""",
    "outbox": """
-- name: add
INSERT INTO p_outbox__message (tenant_id, topic, body) VALUES (%(tenant_id)s, %(topic)s, %(body)s)
-- name: sent
DELETE FROM p_outbox__message WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
""",
    "trail": """
-- name: rename
UPDATE p_trail__account SET name = %(name)s WHERE tenant_id = %(tenant_id)s AND id = %(id)s
-- name: changes
SELECT c.operation, c.before, c.after FROM p_trail__change AS c
JOIN p_trail__account AS a ON a.id = c.account_id
WHERE a.tenant_id = %(tenant_id)s ORDER BY c.at DESC LIMIT %(limit)s
""",
    "metrics": """
-- name: record
INSERT INTO p_metrics__sample (tenant_id, name, at, value) VALUES (%(tenant_id)s, %(name)s, now(), %(value)s)
ON CONFLICT (tenant_id, name, at) DO UPDATE SET value = excluded.value
-- name: hourly
SELECT hour, n, mean FROM p_metrics__hourly WHERE tenant_id = %(tenant_id)s AND name = %(name)s ORDER BY hour
""",
}
"""By the plugin's name: its named queries."""

_MODULE = """
from importlib.resources import files

from core.migration import PluginMigration
from core.plugin import Plugin

NAME = "{name}"
VERSION = "1.0.0"


class Sample(Plugin):
    name = NAME
    version = VERSION

    def migrations(self):
        return PluginMigration.from_folder(files(__package__) / "migrations")
"""


def write(folder: Path, name: str) -> str:
    """Write a sample as a plugin's package into a folder, and return its entry, ``module:Class``."""
    package = folder / f"sample_{name}"
    (package / "migrations").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(_MODULE.format(name=name))
    (package / "queries.sql").write_text(QUERIES[name].lstrip())
    for number, text in enumerate(SAMPLES[name], 1):
        (package / "migrations" / f"{number:04}_make_step.sql").write_text(text.lstrip())
    return f"sample_{name}.plugin:Sample"
