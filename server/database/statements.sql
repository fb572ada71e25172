-- name: notify
SELECT pg_notify(%(channel)s, payload) FROM unnest(%(payloads)s::text[]) AS payload

-- name: state
SELECT
    pg_is_in_recovery() AS in_recovery,
    current_setting('transaction_read_only')::bool AS read_only,
    pg_backend_pid() AS session

-- name: sight
-- The timeline is the first part of the name of a WAL file; a standby writes none.
SELECT
    pg_is_in_recovery() AS in_recovery,
    CASE WHEN pg_is_in_recovery() THEN 0
        ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
    END AS timeline
