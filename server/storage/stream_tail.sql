-- name: positions
-- The number of the newest event of each workflow.
SELECT e.tenant_id, e.id, e.last_sequence
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN workflow_execution AS e ON e.tenant_id = r.tenant_id AND e.id = r.id

-- name: news
-- The events of many workflows after given numbers; a bounded number of events.
SELECT e.tenant_id, e.workflow_execution_id, e.sequence, e.event_type, e.event_data::text, e.created_at
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[], %(after)s::integer[]) AS r (tenant_id, id, after)
INNER JOIN workflow_event AS e
    ON e.tenant_id = r.tenant_id AND e.workflow_execution_id = r.id AND e.sequence > r.after
WHERE NOT e.superseded
ORDER BY e.tenant_id, e.workflow_execution_id, e.sequence
LIMIT %(limit)s

-- name: descendants
-- The descendants of many workflows.
WITH RECURSIVE below (tenant_id, root, id) AS (
    SELECT c.tenant_id, c.parent_id, c.id
    FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
    INNER JOIN workflow_execution AS c ON c.tenant_id = r.tenant_id AND c.parent_id = r.id
    UNION ALL
    SELECT c.tenant_id, b.root, c.id
    FROM below AS b
    INNER JOIN workflow_execution AS c ON c.tenant_id = b.tenant_id AND c.parent_id = b.id
)
SELECT tenant_id, root, id FROM below LIMIT %(limit)s

-- name: tasks
SELECT t.tenant_id, t.id, t.kind, t.status, t.execution_count, t.max_retries, t.worker_id, t.error
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.id

-- name: sources
-- Whether streaming tasks are running, and their owners.
SELECT t.tenant_id, t.id, t.workflow_execution_id, t.agent_execution_id, t.status = 'RUNNING' AS running
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.id
