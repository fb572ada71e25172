-- name: primary
-- The position behind the last record, written or not: a transaction is visible before its record is written.
SELECT
    (pg_current_wal_insert_lsn() - '0/0')::bigint AS position,
    system_identifier AS system
FROM pg_control_system()

-- name: system
SELECT system_identifier FROM pg_control_system()

-- name: standby
SELECT CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0')::bigint END
