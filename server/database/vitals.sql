-- name: vitals
-- The properties that the server depends on; see vitals.Vitals.
SELECT
    current_setting('server_version_num')::int AS version,
    current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() AS standby,
    current_setting('transaction_read_only')::bool AS read_only,
    has_schema_privilege('public', 'CREATE') AS may_create,
    (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) AS may_make_role,
    current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0) AS usable_connections,
    (
        SELECT least(nullif(r.rolconnlimit, -1), nullif(d.datconnlimit, -1))
        FROM pg_roles AS r, pg_database AS d
        WHERE r.rolname = current_user AND d.datname = current_database()
    ) AS role_connections,
    (
        SELECT count(*)::int FROM pg_stat_activity
        WHERE backend_type = 'client backend'
            AND NOT (application_name = 'flovyn-server' AND datname = current_database())
    ) AS other_connections,
    CASE WHEN current_setting('autovacuum')::boolean
        THEN extract(EPOCH FROM current_setting('autovacuum_naptime')::interval)::double precision
    END AS autovacuum_every

-- name: clock
SELECT extract(EPOCH FROM clock_timestamp())::float8
