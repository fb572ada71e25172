-- name: notify
SELECT pg_notify(%(channel)s, payload) FROM unnest(%(payloads)s::text[]) AS payload

-- name: state
SELECT
    pg_is_in_recovery() AS in_recovery,
    current_setting('transaction_read_only')::bool AS read_only,
    pg_backend_pid() AS session
