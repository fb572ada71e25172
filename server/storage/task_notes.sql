-- name: report_progress
-- The progress of running tasks. Returns the state of each task that exists, and whether it was running. A former
-- holder of a task changes nothing.
WITH request AS (
    SELECT r.*, r.sent_by = ANY (t.former_holders) AND r.sent_by IS DISTINCT FROM t.held_by AS is_former
    FROM unnest(
        %(tenant_id)s::uuid[], %(task_id)s::uuid[], %(progress)s::float8[], %(details)s::text[], %(sent_by)s::text[]
    )
    AS r (tenant_id, task_id, progress, details, sent_by)
    INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.task_id
),
moved AS (
    UPDATE task_execution AS t
    SET progress = r.progress, progress_details = r.details, last_heartbeat_at = now(), updated_at = now()
    FROM request AS r
    WHERE t.tenant_id = r.tenant_id AND t.id = r.task_id AND t.status = 'RUNNING' AND r.is_former IS NOT TRUE
    RETURNING t.tenant_id, t.id
)
SELECT
    t.tenant_id, t.id, r.sent_by, t.status, moved.id IS NOT NULL AS was_running, r.is_former IS TRUE AS is_former,
    t.workflow_execution_id AS workflow_id
FROM request AS r
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.task_id
LEFT JOIN moved ON moved.tenant_id = t.tenant_id AND moved.id = t.id

-- name: heartbeat
-- The same for heartbeats.
WITH request AS (
    SELECT r.*, r.sent_by = ANY (t.former_holders) AND r.sent_by IS DISTINCT FROM t.held_by AS is_former
    FROM unnest(%(tenant_id)s::uuid[], %(task_id)s::uuid[], %(sent_by)s::text[])
    AS r (tenant_id, task_id, sent_by)
    INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.task_id
),
moved AS (
    UPDATE task_execution AS t
    SET last_heartbeat_at = now()
    FROM request AS r
    WHERE t.tenant_id = r.tenant_id AND t.id = r.task_id AND t.status = 'RUNNING' AND r.is_former IS NOT TRUE
    RETURNING t.tenant_id, t.id
)
SELECT
    t.tenant_id, t.id, r.sent_by, t.status, moved.id IS NOT NULL AS was_running, r.is_former IS TRUE AS is_former,
    t.workflow_execution_id AS workflow_id
FROM request AS r
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.task_id
LEFT JOIN moved ON moved.tenant_id = t.tenant_id AND moved.id = t.id

-- name: log
-- Lines in the order of the call; lines of unknown tasks are not written.
INSERT INTO task_log (tenant_id, task_execution_id, level, message)
SELECT t.tenant_id, t.id, r.level, r.message
FROM unnest(%(tenant_id)s::uuid[], %(task_id)s::uuid[], %(level)s::text[], %(message)s::text[])
WITH ORDINALITY AS r (tenant_id, task_id, level, message, place)
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.task_id
ORDER BY r.place
RETURNING tenant_id, task_execution_id

-- name: get_state
SELECT t.tenant_id, t.id AS task_id, r.key, s.value::text
FROM unnest(%(tenant_id)s::uuid[], %(task_id)s::uuid[], %(key)s::text[]) AS r (tenant_id, task_id, key)
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.task_id
LEFT JOIN task_state AS s ON s.tenant_id = t.tenant_id AND s.task_execution_id = t.id AND s.key = r.key

-- name: set_state
-- In the order of the keys, so that two batches cannot wait for each other's row locks.
INSERT INTO task_state (tenant_id, task_execution_id, key, value)
SELECT t.tenant_id, t.id, r.key, r.value::json
FROM unnest(%(tenant_id)s::uuid[], %(task_id)s::uuid[], %(key)s::text[], %(value)s::text[])
AS r (tenant_id, task_id, key, value)
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.task_id
ORDER BY t.tenant_id, t.id, r.key
ON CONFLICT (tenant_id, task_execution_id, key) DO UPDATE SET value = excluded.value
RETURNING tenant_id, task_execution_id

-- name: clear_state
-- Single keys; NULL stands for all keys of a task.
WITH request AS (
    SELECT *
    FROM unnest(%(tenant_id)s::uuid[], %(task_id)s::uuid[], %(key)s::text[]) AS r (tenant_id, task_id, key)
),
doomed AS (
    SELECT s.tenant_id, s.task_execution_id, s.key
    FROM task_state AS s
    WHERE
        EXISTS (
            SELECT 1
            FROM request AS r
            WHERE r.tenant_id = s.tenant_id AND r.task_id = s.task_execution_id AND (r.key IS NULL OR r.key = s.key)
        )
    ORDER BY s.tenant_id, s.task_execution_id, s.key
    FOR UPDATE
),
cleared AS (
    DELETE FROM task_state AS s
    USING doomed AS d
    WHERE s.tenant_id = d.tenant_id AND s.task_execution_id = d.task_execution_id AND s.key = d.key
)
SELECT t.tenant_id, t.id
FROM request AS r
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.task_id

-- name: state_keys
SELECT t.tenant_id, t.id, array_remove(array_agg(s.key ORDER BY s.key), NULL) AS keys
FROM unnest(%(tenant_id)s::uuid[], %(task_id)s::uuid[]) AS r (tenant_id, task_id)
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.task_id
LEFT JOIN task_state AS s ON s.tenant_id = t.tenant_id AND s.task_execution_id = t.id
GROUP BY t.tenant_id, t.id
