-- name: insert
INSERT INTO schedule (
    tenant_id, id, name, description, run_at, cron, timezone, end_at, target, kind, queue, input, metadata, max_retries,
    missed_run_policy, overlap_policy, enabled, next_run_at, created_by
)
VALUES (
    %(tenant_id)s, %(id)s, %(name)s, %(description)s, %(run_at)s, %(cron)s, %(timezone)s, %(end_at)s, %(target)s,
    %(kind)s, %(queue)s, %(input)s::json, %(metadata)s::json, %(max_retries)s, %(missed_run_policy)s,
    %(overlap_policy)s, %(enabled)s, %(next_run_at)s, %(created_by)s
)

-- name: replace
UPDATE schedule
SET
    name = %(name)s,
    description = %(description)s,
    run_at = %(run_at)s,
    cron = %(cron)s,
    timezone = %(timezone)s,
    end_at = %(end_at)s,
    target = %(target)s,
    kind = %(kind)s,
    queue = %(queue)s,
    input = %(input)s::json,
    metadata = %(metadata)s::json,
    max_retries = %(max_retries)s,
    missed_run_policy = %(missed_run_policy)s,
    overlap_policy = %(overlap_policy)s,
    enabled = %(enabled)s,
    next_run_at = %(next_run_at)s,
    updated_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- part: schedule
    s.tenant_id, s.id, s.name, s.description, s.run_at, s.cron, s.timezone, s.end_at, s.target, s.kind, s.queue,
    s.input::text, s.metadata, s.max_retries, s.missed_run_policy, s.overlap_policy, s.enabled, s.next_run_at,
    s.last_run_at, s.run_count, s.created_by, s.created_at, s.updated_at

-- name: get
SELECT
    -- use: schedule
FROM schedule AS s
WHERE s.tenant_id = %(tenant_id)s AND s.id = %(id)s

-- name: lock
-- One schedule, locked, so that the schedule runner does not run it at the same time.
SELECT
    -- use: schedule
FROM schedule AS s
WHERE s.tenant_id = %(tenant_id)s AND s.id = %(id)s
FOR UPDATE

-- name: page
-- The parts of the list follow.
SELECT
    -- use: schedule
FROM schedule AS s
WHERE s.tenant_id = %(tenant_id)s

-- name: after
AND (s.created_at, s.id) < (%(after_0)s, %(after_1)s)

-- name: ordered
ORDER BY s.created_at DESC, s.id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: count_from
SELECT count(*)
FROM (
    SELECT
    FROM schedule AS s
    WHERE s.tenant_id = %(tenant_id)s

-- name: count_to
    LIMIT %(most)s
) AS counted

-- name: delete
DELETE FROM schedule WHERE tenant_id = %(tenant_id)s AND id = %(id)s RETURNING id

-- name: due
-- Due schedules of all tenants, locked, except those that another process has locked.
SELECT
    -- use: schedule
FROM schedule AS s
WHERE s.enabled AND s.next_run_at <= now()
ORDER BY s.next_run_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: open
-- The work that schedules started last, where it is open.
SELECT last.tenant_id, last.schedule_id, last.workflow_execution_id, last.task_execution_id
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS s (tenant_id, id)
CROSS JOIN LATERAL (
    SELECT r.tenant_id, r.schedule_id, r.workflow_execution_id, r.task_execution_id
    FROM schedule_run AS r
    WHERE r.tenant_id = s.tenant_id AND r.schedule_id = s.id AND r.status = 'STARTED'
    ORDER BY r.scheduled_for DESC
    LIMIT 1
) AS last
LEFT JOIN workflow_execution AS run ON run.tenant_id = last.tenant_id AND run.id = last.workflow_execution_id
LEFT JOIN task_execution AS task ON task.tenant_id = last.tenant_id AND task.id = last.task_execution_id
WHERE coalesce(run.status, task.status) IN ('PENDING', 'RUNNING', 'WAITING', 'CANCELLING')

-- name: record
-- The outcomes of due instants, and when the schedules are due again.
WITH done AS (
    SELECT *
    FROM unnest(
        %(tenant_id)s::uuid[], %(schedule_id)s::uuid[], %(id)s::uuid[], %(scheduled_for)s::timestamptz[], %(status)s::text[],
        %(workflow_execution_id)s::uuid[], %(task_execution_id)s::uuid[], %(error)s::text[],
        %(next_run_at)s::timestamptz[]
    ) AS d (
        tenant_id, schedule_id, id, scheduled_for, status, workflow_execution_id, task_execution_id, error, next_run_at
    )
),
moved AS (
    UPDATE schedule AS s
    SET
        next_run_at = done.next_run_at,
        last_run_at = CASE WHEN done.status = 'STARTED' THEN now() ELSE s.last_run_at END,
        run_count = s.run_count + CASE WHEN done.status = 'STARTED' THEN 1 ELSE 0 END
    FROM done
    WHERE s.tenant_id = done.tenant_id AND s.id = done.schedule_id
)
INSERT INTO schedule_run (
    tenant_id, schedule_id, id, scheduled_for, status, workflow_execution_id, task_execution_id, error
)
SELECT tenant_id, schedule_id, id, scheduled_for, status, workflow_execution_id, task_execution_id, error
FROM done
ON CONFLICT (tenant_id, schedule_id, scheduled_for) DO NOTHING
