-- name: supersede
-- The ends of failed workflows, and the task failures that caused them: failures after which their code issued no command.
-- A failure after which the code went on stays, because a replay needs it.
WITH settled AS (
    SELECT
        w.tenant_id,
        w.id,
        coalesce(
            (
                SELECT max(e.sequence)
                FROM workflow_event AS e
                WHERE
                    e.tenant_id = w.tenant_id
                    AND e.workflow_execution_id = w.id
                    AND e.event_type = ANY(%(code_events)s::text[])
                    AND NOT e.superseded
            ),
            0
        ) AS sequence
    FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS w (tenant_id, id)
)
UPDATE workflow_event AS e
SET superseded = true
FROM settled
WHERE
    e.tenant_id = settled.tenant_id
    AND e.workflow_execution_id = settled.id
    AND NOT e.superseded
    AND (
        e.event_type = 'WORKFLOW_EXECUTION_FAILED'
        OR (e.event_type = 'TASK_FAILED' AND e.sequence > settled.sequence)
    )
RETURNING
    e.tenant_id,
    e.workflow_execution_id AS id,
    e.event_type,
    -- PostgreSQL's operators refuse a whole document for these escapes; ids contain none of them
    regexp_replace(e.event_data::text, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\ufffd', 'g')::json ->> 'taskExecutionId' AS task_id

-- name: retried
-- How often an open workflow has been retried; no row when it has not been retried, or has ended.
SELECT e.retry_count
FROM workflow_execution AS e
WHERE
    e.tenant_id = %(tenant_id)s
    AND e.id = %(id)s
    AND e.retry_count > 0
    AND e.status IN ('PENDING', 'RUNNING', 'WAITING', 'CANCELLING')

-- name: requeue
-- Makes failed tasks pending again, with the retries and the timeout of their TASK_SCHEDULED event.
WITH failed AS (
    SELECT *
    FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[], %(task_id)s::uuid[]) AS f (tenant_id, workflow_id, task_id)
)
UPDATE task_execution AS t
SET
    status = 'PENDING',
    error = NULL,
    completed_at = NULL,
    worker_id = NULL,
    held_by = NULL,
    max_retries = t.execution_count + (scheduled.event_data ->> 'maxRetries')::integer,
    deadline_at = now() + (t.deadline_at - t.created_at),
    updated_at = now()
FROM failed
INNER JOIN (
    SELECT
        e.tenant_id,
        e.workflow_execution_id,
        regexp_replace(e.event_data::text, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\ufffd', 'g')::json AS event_data
    FROM (SELECT DISTINCT tenant_id, workflow_id FROM failed) AS w
    INNER JOIN workflow_event AS e ON e.tenant_id = w.tenant_id AND e.workflow_execution_id = w.workflow_id
    WHERE e.event_type = 'TASK_SCHEDULED'
) AS scheduled
    ON
        scheduled.tenant_id = failed.tenant_id
        AND scheduled.workflow_execution_id = failed.workflow_id
        AND scheduled.event_data ->> 'taskExecutionId' = failed.task_id::text
WHERE
    t.tenant_id = failed.tenant_id
    AND t.id = failed.task_id
    AND t.workflow_execution_id = failed.workflow_id
    AND t.status IN ('FAILED', 'CANCELLED')
RETURNING t.tenant_id, t.queue, t.kind

-- name: revive
-- Makes workflows pending again, with the timers and promises that their ends abandoned.
WITH wanted AS (
    SELECT *
    FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS w (tenant_id, id)
),
timers AS (
    UPDATE timer AS t
    SET status = 'ACTIVE'
    FROM wanted AS w
    WHERE t.tenant_id = w.tenant_id AND t.workflow_execution_id = w.id AND t.status = 'ABANDONED'
),
promises AS (
    UPDATE promise AS p
    SET status = 'PENDING', settled_at = NULL
    FROM wanted AS w
    WHERE p.tenant_id = w.tenant_id AND p.workflow_execution_id = w.id AND p.status = 'ABANDONED'
)
UPDATE workflow_execution AS e
SET
    status = 'PENDING',
    error = NULL,
    completed_at = NULL,
    worker_id = NULL,
    held_by = NULL,
    retry_count = e.retry_count + 1,
    updated_at = now()
FROM wanted AS w
WHERE e.tenant_id = w.tenant_id AND e.id = w.id
RETURNING e.tenant_id, e.id, e.retry_count
