-- name: supersede
-- The end of a failed workflow, and the task failures that caused it: failures after which its code issued no command.
-- A failure after which the code went on stays, because a replay needs it.
WITH wanted AS (
    SELECT %(tenant_id)s::uuid AS tenant_id, %(id)s::uuid AS id
),
settled AS (
    SELECT coalesce(max(e.sequence), 0) AS sequence
    FROM wanted
    INNER JOIN workflow_event AS e ON e.tenant_id = wanted.tenant_id AND e.workflow_execution_id = wanted.id
    WHERE
        e.event_type = ANY(%(code_events)s::text[])
        AND NOT e.superseded
)
UPDATE workflow_event AS e
SET superseded = true
FROM wanted, settled
WHERE
    e.tenant_id = wanted.tenant_id
    AND e.workflow_execution_id = wanted.id
    AND NOT e.superseded
    AND (
        e.event_type = 'WORKFLOW_EXECUTION_FAILED'
        OR (e.event_type = 'TASK_FAILED' AND e.sequence > settled.sequence)
    )
RETURNING
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
FROM (
    SELECT
        e.tenant_id,
        e.workflow_execution_id,
        regexp_replace(e.event_data::text, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\ufffd', 'g')::json AS event_data
    FROM workflow_event AS e
    WHERE e.tenant_id = %(tenant_id)s AND e.workflow_execution_id = %(id)s AND e.event_type = 'TASK_SCHEDULED'
) AS scheduled
WHERE
    t.tenant_id = %(tenant_id)s
    AND t.workflow_execution_id = %(id)s
    AND t.id = ANY (%(task_ids)s::uuid[])
    AND t.status IN ('FAILED', 'CANCELLED')
    AND scheduled.tenant_id = t.tenant_id
    AND scheduled.workflow_execution_id = t.workflow_execution_id
    AND scheduled.event_data ->> 'taskExecutionId' = t.id::text
RETURNING t.queue, t.kind

-- name: revive
-- Makes the workflow pending again, with the timers and promises that its end abandoned.
WITH timers AS (
    UPDATE timer AS t
    SET status = 'ACTIVE'
    WHERE t.tenant_id = %(tenant_id)s AND t.workflow_execution_id = %(id)s AND t.status = 'ABANDONED'
),
promises AS (
    UPDATE promise AS p
    SET status = 'PENDING', settled_at = NULL
    WHERE p.tenant_id = %(tenant_id)s AND p.workflow_execution_id = %(id)s AND p.status = 'ABANDONED'
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
WHERE e.tenant_id = %(tenant_id)s AND e.id = %(id)s
RETURNING e.retry_count
