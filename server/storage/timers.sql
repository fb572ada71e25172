-- name: insert
INSERT INTO timer (tenant_id, workflow_execution_id, timer_id, fire_at)
SELECT tenant_id, workflow_id, timer_id, now() + duration_ms * interval '1 millisecond'
FROM unnest(%(tenant_id)s::uuid[], %(workflow_id)s::uuid[], %(timer_id)s::text[], %(duration_ms)s::bigint[])
AS t (tenant_id, workflow_id, timer_id, duration_ms)

-- name: existing
SELECT t.tenant_id, t.workflow_execution_id, t.timer_id, t.status = 'ACTIVE' AS is_active
FROM unnest(%(tenant_id)s::uuid[], %(workflow_id)s::uuid[], %(timer_id)s::text[]) AS r (tenant_id, workflow_id, timer_id)
INNER JOIN timer AS t
    ON t.tenant_id = r.tenant_id AND t.workflow_execution_id = r.workflow_id AND t.timer_id = r.timer_id

-- name: cancel
UPDATE timer AS t
SET status = 'CANCELLED'
FROM unnest(%(tenant_id)s::uuid[], %(workflow_id)s::uuid[], %(timer_id)s::text[]) AS r (tenant_id, workflow_id, timer_id)
WHERE t.tenant_id = r.tenant_id AND t.workflow_execution_id = r.workflow_id AND t.timer_id = r.timer_id AND t.status = 'ACTIVE'

-- name: abandon_of_workflows
-- The timers of ended workflows, whose rows the caller has locked.
UPDATE timer AS t
SET status = 'ABANDONED'
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
WHERE t.tenant_id = r.tenant_id AND t.workflow_execution_id = r.id AND t.status = 'ACTIVE'

-- name: due
-- Workflows of all tenants with overdue timers, without locks.
SELECT DISTINCT d.tenant_id, d.workflow_execution_id
FROM (
    SELECT t.tenant_id, t.workflow_execution_id
    FROM timer AS t
    WHERE t.status = 'ACTIVE' AND t.fire_at <= now()
    ORDER BY t.fire_at
    LIMIT %(limit)s
) AS d

-- name: fire
-- The due timers of workflows that the caller has locked, in the order of their times; each fires once.
WITH fired AS (
    UPDATE timer AS t
    SET status = 'FIRED'
    FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
    WHERE t.tenant_id = r.tenant_id AND t.workflow_execution_id = r.id AND t.status = 'ACTIVE' AND t.fire_at <= now()
    RETURNING t.tenant_id, t.workflow_execution_id, t.timer_id, t.fire_at
)
SELECT tenant_id, workflow_execution_id, timer_id, date_part('epoch', now() - fire_at) AS late
FROM fired
ORDER BY fire_at, timer_id
