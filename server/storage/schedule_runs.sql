-- name: page
-- Of one schedule, the newest first; the parts of the list follow.
SELECT
    r.tenant_id, r.schedule_id, r.id, r.scheduled_for, r.status, r.workflow_execution_id, r.task_execution_id, r.error,
    r.started_at
FROM schedule_run AS r
WHERE r.tenant_id = %(tenant_id)s

-- name: with_schedule_id
AND r.schedule_id = %(schedule_id)s

-- name: after
AND (r.scheduled_for, r.id) < (%(after_0)s, %(after_1)s)

-- name: ordered
ORDER BY r.scheduled_for DESC, r.id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: count_from
SELECT count(*)
FROM (
    SELECT
    FROM schedule_run AS r
    WHERE r.tenant_id = %(tenant_id)s

-- name: count_to
    LIMIT %(most)s
) AS counted
