-- name: create_tracking
CREATE TABLE IF NOT EXISTS _plugin_migrations (
    plugin text NOT NULL,
    version integer NOT NULL,
    description text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    duration_ms integer NOT NULL,
    applied_by text NOT NULL,
    PRIMARY KEY (plugin, version)
)

-- name: tracking_exists
SELECT to_regclass('_plugin_migrations') IS NOT NULL

-- name: applied
SELECT plugin AS owner, version, description, checksum FROM _plugin_migrations ORDER BY plugin, version

-- name: record
INSERT INTO _plugin_migrations (plugin, version, description, checksum, duration_ms, applied_by)
VALUES (%(plugin)s, %(version)s, %(description)s, %(checksum)s, %(duration_ms)s, %(applied_by)s)

-- name: lock
-- One server migrates at a time; the others ask again and again, and then find no pending migration. A statement that waited
-- for the lock would hold a snapshot, for whose end an index that is built concurrently waits.
SELECT pg_try_advisory_lock(7305790140482421)

-- name: forget
DELETE FROM _plugin_migrations WHERE plugin = %(plugin)s AND version = %(version)s

-- name: set_limits
-- All later queries on a table wait behind a migration that waits for its lock, so the timeout is short.
-- Strings are read as the linter reads them, whatever the setting of the database is.
SELECT
    set_config('lock_timeout', %(lock_timeout)s, true),
    set_config('statement_timeout', %(statement_timeout)s, true),
    set_config('idle_in_transaction_session_timeout', %(idle_in_transaction_session_timeout)s, true),
    set_config('standard_conforming_strings', 'on', true)

-- name: server_version
SELECT current_setting('server_version_num')::integer

-- name: transaction_timeout
SELECT setting::bigint FROM pg_settings WHERE name = 'transaction_timeout'
