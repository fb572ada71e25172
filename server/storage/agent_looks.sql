-- name: agents
SELECT a.tenant_id, a.id, a.status, a.claim_number, a.checkpoint_seq, a.wait_kind, a.error
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN agent_execution AS a ON a.tenant_id = r.tenant_id AND a.id = r.id

-- name: descendants
WITH RECURSIVE below (tenant_id, root, id) AS (
    SELECT c.tenant_id, c.parent_id, c.id
    FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
    INNER JOIN agent_execution AS c ON c.tenant_id = r.tenant_id AND c.parent_id = r.id
    UNION ALL
    SELECT c.tenant_id, b.root, c.id
    FROM below AS b
    INNER JOIN agent_execution AS c ON c.tenant_id = b.tenant_id AND c.parent_id = b.id
)
SELECT tenant_id, root, id FROM below LIMIT %(limit)s

-- name: tasks
-- The tasks of agents, or those that changed lately; the newest come last.
SELECT t.tenant_id, t.id, t.agent_execution_id AS agent_id, t.kind, t.status, t.execution_count, t.error
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.agent_execution_id = r.id
WHERE
    %(recent)s::double precision IS NULL
    OR t.updated_at >= now() - %(recent)s::double precision * interval '1 second'
ORDER BY t.created_at, t.id
LIMIT %(limit)s
