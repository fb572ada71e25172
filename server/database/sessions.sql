-- name: keep_alive
-- PostgreSQL then releases the locks of a machine that vanished within half a minute; the default is hours.
SET tcp_keepalives_idle = 10;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3

-- name: try_locks
-- The recovery state, too: after a failover, the connection may lead to a standby, whose locks are no use.
SELECT
    pg_is_in_recovery() AS in_recovery,
    array(
        SELECT name
        FROM unnest(%(names)s::text[]) AS name
        WHERE pg_try_advisory_lock(hashtextextended('flovyn:' || name, 0))
    ) AS locked

-- name: unlock
SELECT pg_advisory_unlock(hashtextextended('flovyn:' || name, 0)), pg_notify('flovyn_free', name)
FROM unnest(%(names)s::text[]) AS name

-- name: hold_process
SELECT pg_advisory_lock_shared(%(lock_class)s, %(number)s)
