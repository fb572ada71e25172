-- name: page
-- The parts of the list follow.
SELECT
    p.id, p.workflow_execution_id, p.name, p.status, p.value::text, p.error, p.timeout_at, p.created_at, p.settled_at, p.ordinal
FROM promise AS p
WHERE
    p.tenant_id = %(tenant_id)s

-- name: with_workflow_id
AND p.workflow_execution_id = %(workflow_id)s

-- name: with_pending
-- The status stands here as a text, because the condition of an index does.
AND p.status = 'PENDING'

-- name: with_name
AND p.name = %(name)s

-- name: after
AND p.ordinal < %(after_0)s

-- name: ordered
ORDER BY p.ordinal DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: count_from
SELECT count(*)
FROM (
    SELECT
    FROM promise AS p
    WHERE
        p.tenant_id = %(tenant_id)s

-- name: count_to
    LIMIT %(most)s
) AS counted
