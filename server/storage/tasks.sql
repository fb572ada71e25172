-- name: insert
-- Tasks, pending. A priority is a head start; a task cannot be claimed before its claim_at.
INSERT INTO task_execution (
    tenant_id, id, workflow_execution_id, kind, queue, status, metadata, input, max_retries,
    scheduled_at, claim_at, deadline_at, created_at, updated_at
)
SELECT
    tenant_id, id, workflow_execution_id, kind, queue, 'PENDING', metadata::jsonb, input::json, max_retries,
    scheduled_at, coalesce(scheduled_at, now() - priority_ms * interval '1 millisecond'),
    now() + timeout_ms * interval '1 millisecond', now(), now()
FROM unnest(
    %(tenant_id)s::uuid[], %(id)s::uuid[], %(workflow_execution_id)s::uuid[], %(kind)s::text[], %(queue)s::text[],
    %(metadata)s::text[], %(input)s::text[], %(max_retries)s::integer[], %(scheduled_at)s::timestamptz[],
    %(priority_ms)s::bigint[], %(timeout_ms)s::bigint[]
) AS t (
    tenant_id, id, workflow_execution_id, kind, queue, metadata, input, max_retries, scheduled_at, priority_ms, timeout_ms
)

-- name: existing
SELECT t.tenant_id, t.id, t.workflow_execution_id, t.kind
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.id

-- name: cancel_of_runs
-- The open tasks of runs that have ended, whose rows the caller has locked.
WITH open AS (
    SELECT t.tenant_id, t.id, t.status
    FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
    INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.workflow_execution_id = r.id
    WHERE t.status IN ('PENDING', 'RUNNING')
    ORDER BY t.tenant_id, t.id
    FOR UPDATE OF t
),
ended AS (
    UPDATE task_execution AS t
    SET status = 'CANCELLED', error = 'the workflow ended', completed_at = now(), updated_at = now()
    FROM open
    WHERE t.tenant_id = open.tenant_id AND t.id = open.id
    RETURNING t.tenant_id, t.id, t.execution_count, t.worker_id, t.claimed_at, open.status AS was
)
INSERT INTO task_attempt (tenant_id, task_execution_id, attempt, status, error, worker_id, started_at, finished_at)
SELECT tenant_id, id, execution_count, 'CANCELLED', 'the workflow ended', worker_id, claimed_at, now()
FROM ended
WHERE was = 'RUNNING'
