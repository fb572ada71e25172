-- name: depths
-- Pending and running work of all tenants, overdue timers, workflows by status with the planner's estimates, the migrations, and
-- the sizes of tables. Each part of the work reads at most %(limit)s rows of a partial index, and each part of the other
-- workflows %(by_status)s, so that the statement stays short in a large database.
WITH pending_workflow AS (
    SELECT tenant_id, queue, updated_at AS since
    FROM workflow_execution
    WHERE status = 'PENDING'
    LIMIT %(limit)s
),
pending_task AS (
    SELECT tenant_id, queue, greatest(claim_at, created_at) AS since
    FROM task_execution
    WHERE status = 'PENDING' AND claim_at <= now()
    LIMIT %(limit)s
),
pending_agent AS (
    SELECT tenant_id, queue, claim_at AS since FROM agent_execution WHERE status = 'PENDING' LIMIT %(limit)s
),
running_workflow AS (
    SELECT claimed_at FROM workflow_execution WHERE status = 'RUNNING' LIMIT %(limit)s
),
running_task AS (
    SELECT claimed_at FROM task_execution WHERE status = 'RUNNING' LIMIT %(limit)s
),
running_agent AS (
    SELECT claimed_at FROM agent_execution WHERE status IN ('RUNNING', 'CANCELLING') LIMIT %(limit)s
),
settled_workflow AS ( -- the condition of an index; the waiting ones count
    SELECT status FROM workflow_execution WHERE status IN ('WAITING', 'FAILED', 'CANCELLED') LIMIT %(by_status)s
),
ended_workflow AS (
    SELECT status FROM workflow_execution WHERE completed_at IS NOT NULL LIMIT %(by_status)s
),
overdue_timer AS (
    SELECT fire_at FROM timer WHERE status = 'ACTIVE' AND fire_at <= now() LIMIT %(limit)s
)
SELECT
    'workflow' AS subject, tenant_id, queue AS name, count(*)::float8 AS number, date_part('epoch', now() - min(since)) AS oldest
FROM pending_workflow
GROUP BY tenant_id, queue
UNION ALL
SELECT 'task', tenant_id, queue, count(*)::float8, date_part('epoch', now() - min(since))
FROM pending_task
GROUP BY tenant_id, queue
UNION ALL
SELECT 'agent', tenant_id, queue, count(*)::float8, date_part('epoch', now() - min(since))
FROM pending_agent
GROUP BY tenant_id, queue
UNION ALL
SELECT 'running', NULL, 'workflow', count(*)::float8, date_part('epoch', now() - min(claimed_at))
FROM running_workflow
UNION ALL
SELECT 'running', NULL, 'task', count(*)::float8, date_part('epoch', now() - min(claimed_at))
FROM running_task
UNION ALL
SELECT 'running', NULL, 'agent', count(*)::float8, date_part('epoch', now() - min(claimed_at))
FROM running_agent
UNION ALL
SELECT 'timer', NULL, 'timer', count(*)::float8, date_part('epoch', now() - min(fire_at))
FROM overdue_timer
UNION ALL
SELECT CASE WHEN count(*) < %(limit)s THEN 'status' ELSE 'least' END, NULL, 'PENDING', count(*)::float8, NULL
FROM pending_workflow
UNION ALL
SELECT CASE WHEN count(*) < %(limit)s THEN 'status' ELSE 'least' END, NULL, 'RUNNING', count(*)::float8, NULL
FROM running_workflow
UNION ALL
SELECT
    CASE WHEN count(*) < %(by_status)s THEN 'status' ELSE 'least' END,
    NULL,
    'WAITING',
    count(*) FILTER (WHERE status = 'WAITING')::float8,
    NULL
FROM settled_workflow
UNION ALL
SELECT CASE WHEN total.number < %(by_status)s THEN 'status' ELSE 'least' END, NULL, v.status, count(e.status)::float8, NULL
FROM (VALUES ('COMPLETED'), ('FAILED'), ('CANCELLED')) AS v (status)
CROSS JOIN (SELECT count(*) AS number FROM ended_workflow) AS total
LEFT JOIN ended_workflow AS e ON e.status = v.status
GROUP BY v.status, total.number
UNION ALL
SELECT 'estimate', NULL, v.status, greatest(c.reltuples, 0)::float8 * v.share, NULL
FROM pg_class AS c
INNER JOIN pg_stats AS s ON s.schemaname = c.relnamespace::regnamespace::text AND s.tablename = c.relname
CROSS JOIN LATERAL unnest(s.most_common_vals::text::text[], s.most_common_freqs::float8[]) AS v (status, share)
WHERE c.oid = to_regclass('workflow_execution') AND s.attname = 'status'
UNION ALL
SELECT 'migration', NULL, m.plugin, m.version::float8, NULL
FROM _plugin_migrations AS m
UNION ALL
SELECT 'table', NULL, c.relname::text, pg_table_size(c.oid)::float8, NULL
FROM pg_class AS c
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'indexes', NULL, c.relname::text, pg_indexes_size(c.oid)::float8, NULL
FROM pg_class AS c
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'dead', NULL, s.relname::text, s.n_dead_tup::float8, NULL
FROM pg_stat_user_tables AS s
WHERE s.schemaname = 'public'
UNION ALL
SELECT 'transaction', NULL, 'oldest', count(*)::float8, date_part('epoch', now() - min(a.xact_start))
FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.xact_start IS NOT NULL
