-- name: cascade_triggers
-- Triggers on tables of the plugin that run inside of a DELETE or UPDATE of the server, because a chain of foreign keys
-- leads to them.
WITH RECURSIVE key AS (
    SELECT
        k.conrelid, k.confrelid, k.conkey, k.confdeltype, k.confupdtype,
        n.nspname = 'public' AND c.relname ~ %(own)s AS to_own
    FROM pg_constraint AS k
    INNER JOIN pg_class AS t ON k.conrelid = t.oid AND t.relname ~ %(own)s
    INNER JOIN pg_class AS c ON k.confrelid = c.oid
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE k.contype = 'f'
),
deleted AS (
    SELECT conrelid AS oid FROM key WHERE NOT to_own AND confdeltype = 'c'
    UNION
    SELECT k.conrelid FROM key AS k INNER JOIN deleted AS d ON k.confrelid = d.oid WHERE k.confdeltype = 'c'
),
updated AS (
    SELECT k.conrelid AS oid, k.conkey
    FROM key AS k
    WHERE
        (NOT k.to_own AND (k.confdeltype IN ('n', 'd') OR k.confupdtype IN ('c', 'n', 'd')))
        OR (k.confdeltype IN ('n', 'd') AND k.confrelid IN (SELECT oid FROM deleted))
),
fired AS (
    SELECT g.*, 'delete' AS event
    FROM pg_trigger AS g
    WHERE g.tgtype & 8 = 8 AND g.tgrelid IN (SELECT oid FROM deleted)
    UNION
    SELECT g.*, 'update'
    FROM pg_trigger AS g
    INNER JOIN updated AS u ON g.tgrelid = u.oid
    WHERE g.tgtype & 16 = 16 AND (g.tgattr = '' OR g.tgattr::int2[] && u.conkey)
)
SELECT
    g.tgname AS name, g.tgrelid::regclass::text AS "table", f.prosrc AS body, g.event,
    CASE g.tgtype & 2 WHEN 2 THEN 'before' ELSE 'after' END AS timing,
    g.tgtype & 1 = 1 AS each_row, g.tgqual IS NOT NULL AS conditional, l.lanname AS language
FROM fired AS g
INNER JOIN pg_proc AS f ON g.tgfoid = f.oid
INNER JOIN pg_language AS l ON f.prolang = l.oid
WHERE NOT g.tgisinternal AND g.tgtype & 64 = 0

-- name: routines
-- The functions and procedures of the plugin, with their bodies as far as PostgreSQL keeps the text. The constructors of
-- range types are left out: PostgreSQL makes them, as parts of the type.
SELECT
    f.oid::regprocedure::text AS signature, f.prosrc AS body, f.prosecdef OR f.proconfig IS NOT NULL AS has_other_rights
FROM pg_proc AS f
INNER JOIN pg_namespace AS n ON f.pronamespace = n.oid
WHERE n.nspname = 'public' AND f.proname ~ %(own)s AND f.prokind IN ('f', 'p')
    AND NOT EXISTS (
        SELECT 1
        FROM pg_depend AS d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_type'::regclass AND d.deptype = 'i'
    )

-- name: limits
-- The timeouts of this transaction, in milliseconds; 0 waits for ever.
SELECT name, setting::bigint AS milliseconds
FROM pg_settings
WHERE name IN ('lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')

-- name: locked_tables
-- Tables of others in which this transaction holds row locks, and which no table of the plugin's references: a foreign
-- key locks the rows that it checks.
SELECT c.relname
FROM pg_locks AS l
INNER JOIN pg_class AS c ON l.relation = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE
    l.locktype = 'relation'
    AND l.pid = pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.mode = 'RowShareLock'
    AND c.relkind IN ('r', 'p')
    AND n.nspname = 'public'
    AND c.relname !~ %(own)s
    AND NOT EXISTS (
        SELECT 1
        FROM pg_constraint AS k
        INNER JOIN pg_class AS t ON k.conrelid = t.oid
        WHERE k.contype = 'f' AND k.confrelid = c.oid AND t.relname ~ %(own)s
    )
ORDER BY c.relname
