-- name: tables
-- The dead rows of fast-changing tables that the role may vacuum, by the counters of autovacuum, and whether they are
-- too many for the live ones. Large tables are excluded: their share of dead rows grows slowly, so that autovacuum is
-- in time.
SELECT
    s.relname::text AS "table", s.n_dead_tup AS count,
    s.n_dead_tup > %(least)s + %(share)s * s.n_live_tup AND s.n_live_tup <= %(largest)s AS are_many
FROM pg_stat_user_tables AS s
INNER JOIN pg_class AS c ON c.oid = s.relid
WHERE
    s.relid = ANY (
        ARRAY['workflow_execution', 'task_execution', 'timer', 'promise', 'worker', 'idempotency_key', 'agent_execution']::regclass[]
    )
    AND pg_has_role(c.relowner, 'USAGE')
ORDER BY s.n_dead_tup DESC

-- name: vacuum
-- SKIP_LOCKED waits for no lock. TRUNCATE false avoids the exclusive lock that calls would wait for.
VACUUM (SKIP_LOCKED, TRUNCATE false, PARALLEL 0)

-- name: remaining
SELECT s.n_dead_tup FROM pg_stat_user_tables AS s WHERE s.relid = %(table)s::text::regclass
