-- part: task
    t.id, t.tenant_id, t.workflow_execution_id, t.agent_execution_id, t.kind, t.status, t.queue, t.execution_count,
    t.max_retries, t.progress, t.progress_details, t.input::text, t.output::text, t.error, t.worker_id, t.scheduled_at, t.deadline_at, t.created_at,
    t.started_at, t.completed_at, t.metadata

-- part: summary
    t.id, t.tenant_id, t.workflow_execution_id, t.agent_execution_id, t.kind, t.status, t.queue, t.execution_count,
    t.max_retries, t.progress, t.progress_details, t.error, t.worker_id, t.scheduled_at, t.deadline_at, t.created_at,
    t.started_at, t.completed_at, t.metadata

-- name: get
SELECT
    -- use: task
FROM task_execution AS t
WHERE t.tenant_id = %(tenant_id)s AND t.id = %(id)s

-- name: of_workflow
SELECT
    -- use: task
FROM task_execution AS t
WHERE t.tenant_id = %(tenant_id)s AND t.workflow_execution_id = %(workflow_id)s
ORDER BY t.created_at, t.id
LIMIT %(limit)s

-- name: of_agent
SELECT
    -- use: task
FROM task_execution AS t
WHERE t.tenant_id = %(tenant_id)s AND t.agent_execution_id = %(agent_id)s
ORDER BY t.created_at, t.id
LIMIT %(limit)s

-- name: is_workflow
SELECT 1 FROM workflow_execution AS e WHERE e.tenant_id = %(tenant_id)s AND e.id = %(workflow_id)s

-- part: picked
    SELECT t.tenant_id, t.id
    FROM task_execution AS t
    WHERE
        t.tenant_id = %(tenant_id)s
        AND t.workflow_execution_id IS NULL
        AND t.agent_execution_id IS NULL

-- name: page
-- Of standalone tasks; the parts of the list follow.
SELECT
    -- use: task
FROM (
    -- use: picked

-- name: summaries
SELECT
    -- use: summary
FROM (
    -- use: picked

-- name: with_statuses
AND t.status = ANY (%(statuses)s::text[])

-- name: with_kind
AND t.kind = %(kind)s

-- name: with_queue
AND t.queue = %(queue)s

-- name: with_created_from
AND t.created_at >= %(created_from)s

-- name: with_created_to
AND t.created_at < %(created_to)s

-- name: after
AND (t.created_at, t.id) < (%(after_0)s, %(after_1)s)

-- name: ordered
    ORDER BY t.created_at DESC, t.id DESC
    LIMIT %(limit)s OFFSET %(offset)s
) AS picked
INNER JOIN task_execution AS t ON t.tenant_id = picked.tenant_id AND t.id = picked.id
ORDER BY t.created_at DESC, t.id DESC

-- name: count_from
SELECT count(*)
FROM (
    SELECT
    FROM task_execution AS t
    WHERE
        t.tenant_id = %(tenant_id)s
        AND t.workflow_execution_id IS NULL
        AND t.agent_execution_id IS NULL

-- name: count_to
    LIMIT %(most)s
) AS counted

-- name: attempts
-- The ended attempts, and the running one, which is stored with the task. The output is that of the completed attempt.
SELECT
    a.attempt, a.status, CASE WHEN a.status = 'COMPLETED' THEN t.output::text END AS output, a.error, a.worker_id,
    a.started_at, a.finished_at
FROM task_execution AS t
INNER JOIN task_attempt AS a ON a.tenant_id = t.tenant_id AND a.task_execution_id = t.id
WHERE t.tenant_id = %(tenant_id)s AND t.id = %(id)s
UNION ALL
SELECT t.execution_count, t.status, NULL, NULL, t.worker_id, t.claimed_at, NULL
FROM task_execution AS t
WHERE t.tenant_id = %(tenant_id)s AND t.id = %(id)s AND t.status = 'RUNNING'
ORDER BY 1

-- name: logs
SELECT l.id, l.level, l.message, l.created_at
FROM task_log AS l
WHERE
    l.tenant_id = %(tenant_id)s
    AND l.task_execution_id = %(id)s
    AND (%(level)s::text IS NULL OR l.level = %(level)s)
ORDER BY l.id
LIMIT %(limit)s OFFSET %(offset)s

-- name: count_logs
SELECT count(*)
FROM task_log AS l
WHERE
    l.tenant_id = %(tenant_id)s
    AND l.task_execution_id = %(id)s
    AND (%(level)s::text IS NULL OR l.level = %(level)s)

-- name: delete
-- A pending standalone task.
DELETE FROM task_execution AS t
WHERE
    t.tenant_id = %(tenant_id)s
    AND t.id = %(id)s
    AND t.workflow_execution_id IS NULL
    AND t.agent_execution_id IS NULL
    AND t.status = 'PENDING'
RETURNING t.id
