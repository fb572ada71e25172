-- name: request
-- A second request for the same workflow changes nothing.
INSERT INTO cancellation_request (tenant_id, workflow_execution_id, reason, requested_by, cascades)
SELECT tenant_id, workflow_id, reason, requested_by, cascades
FROM unnest(%(tenant_id)s::uuid[], %(workflow_id)s::uuid[], %(reason)s::text[], %(requested_by)s::text[], %(cascades)s::boolean[])
AS r (tenant_id, workflow_id, reason, requested_by, cascades)
ORDER BY tenant_id, workflow_id
ON CONFLICT DO NOTHING

-- name: request_named_children
-- Children as the commands of their parents name them: by id, or by name when no child has the id.
INSERT INTO cancellation_request (tenant_id, workflow_execution_id, reason, requested_by, cascades)
SELECT DISTINCT ON (child.tenant_id, child.id) child.tenant_id, child.id, r.reason, r.requested_by, true
FROM unnest(
    %(tenant_id)s::uuid[], %(parent_id)s::uuid[], %(child_id)s::uuid[], %(name)s::text[], %(reason)s::text[],
    %(requested_by)s::text[]
) AS r (tenant_id, parent_id, child_id, name, reason, requested_by)
INNER JOIN workflow_execution AS child ON child.tenant_id = r.tenant_id AND child.parent_id = r.parent_id
WHERE
    child.status NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')
    AND (
        child.id = r.child_id
        OR (
            child.child_execution_name = r.name
            AND NOT EXISTS (
                SELECT 1
                FROM workflow_execution AS other
                WHERE other.tenant_id = r.tenant_id AND other.id = r.child_id AND other.parent_id = r.parent_id
            )
        )
    )
ORDER BY child.tenant_id, child.id
ON CONFLICT DO NOTHING

-- name: request_children
-- The open children of cancelled workflows, with the reason of their parents.
INSERT INTO cancellation_request (tenant_id, workflow_execution_id, reason, requested_by, cascades)
SELECT child.tenant_id, child.id, r.reason, r.requested_by, true
FROM unnest(%(tenant_id)s::uuid[], %(workflow_id)s::uuid[], %(reason)s::text[], %(requested_by)s::text[])
AS r (tenant_id, parent_id, reason, requested_by)
INNER JOIN workflow_execution AS child ON child.tenant_id = r.tenant_id AND child.parent_id = r.parent_id
WHERE child.status NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')
ORDER BY child.tenant_id, child.id
ON CONFLICT (tenant_id, workflow_execution_id) DO UPDATE SET cascades = true
RETURNING tenant_id, workflow_execution_id AS workflow_id, reason, requested_by, cascades

-- name: cancelled_family
-- A cancelled workflow, then its descendants that were cancelled after their parents or are being cancelled. A
-- descendant that ended before its parent was cancelled by a request of its own.
WITH RECURSIVE family AS (
    SELECT e.tenant_id, e.id, e.status, e.completed_at, 0 AS level
    FROM workflow_execution AS e
    WHERE e.tenant_id = %(tenant_id)s AND e.id = %(id)s AND e.status = 'CANCELLED'
    UNION ALL
    SELECT child.tenant_id, child.id, child.status, child.completed_at, family.level + 1
    FROM family
    INNER JOIN workflow_execution AS child ON child.tenant_id = family.tenant_id AND child.parent_id = family.id
    WHERE
        family.status = 'CANCELLED'
        AND (child.status = 'CANCELLING' OR (child.status = 'CANCELLED' AND child.completed_at >= family.completed_at))
)
SELECT id
FROM family
ORDER BY level, id
LIMIT %(limit)s

-- name: outstanding_below
-- Requests for open children of a cancelled workflow and its descendants; another call is about to carry them out.
WITH RECURSIVE family AS (
    SELECT e.tenant_id, e.id
    FROM workflow_execution AS e
    WHERE e.tenant_id = %(tenant_id)s AND e.id = %(id)s AND e.status = 'CANCELLED'
    UNION ALL
    SELECT child.tenant_id, child.id
    FROM family
    INNER JOIN workflow_execution AS child ON child.tenant_id = family.tenant_id AND child.parent_id = family.id
    WHERE child.status = 'CANCELLED'
)
SELECT c.tenant_id, c.workflow_execution_id AS workflow_id, c.reason, c.requested_by, c.cascades
FROM family
INNER JOIN workflow_execution AS child ON child.tenant_id = family.tenant_id AND child.parent_id = family.id
INNER JOIN cancellation_request AS c ON c.tenant_id = child.tenant_id AND c.workflow_execution_id = child.id
WHERE child.status IN ('PENDING', 'RUNNING', 'WAITING')
ORDER BY c.workflow_execution_id
LIMIT %(limit)s

-- name: remove
DELETE FROM cancellation_request AS c
USING unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
WHERE c.tenant_id = r.tenant_id AND c.workflow_execution_id = r.id

-- name: of_workflows
SELECT c.tenant_id, c.workflow_execution_id AS workflow_id, c.reason, c.requested_by, c.cascades
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN cancellation_request AS c ON c.tenant_id = r.tenant_id AND c.workflow_execution_id = r.id

-- name: outstanding
-- Requests that are not yet carried out, except those of workflows in CANCELLING, which wait for their workers.
SELECT c.tenant_id, c.workflow_execution_id AS workflow_id, c.reason, c.requested_by, c.cascades
FROM cancellation_request AS c
INNER JOIN workflow_execution AS e ON e.tenant_id = c.tenant_id AND e.id = c.workflow_execution_id
WHERE e.status <> 'CANCELLING'
ORDER BY c.created_at
LIMIT %(limit)s

-- name: overdue
-- Workflows in CANCELLING whose lease is over: their workers did not submit.
SELECT c.tenant_id, c.workflow_execution_id AS workflow_id, c.reason, c.requested_by, c.cascades
FROM workflow_execution AS e
INNER JOIN cancellation_request AS c ON c.tenant_id = e.tenant_id AND c.workflow_execution_id = e.id
WHERE e.status = 'CANCELLING' AND e.claimed_at < now() - %(lease)s * interval '1 second'
ORDER BY e.claimed_at
LIMIT %(limit)s
