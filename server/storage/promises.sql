-- name: insert
INSERT INTO promise (tenant_id, id, workflow_execution_id, name, timeout_at)
SELECT tenant_id, id, workflow_id, name, now() + timeout_ms * interval '1 millisecond'
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[], %(workflow_id)s::uuid[], %(name)s::text[], %(timeout_ms)s::bigint[])
WITH ORDINALITY AS p (tenant_id, id, workflow_id, name, timeout_ms, place)
ORDER BY place

-- name: named
-- Promises that commands of their workflows name, by id or by name, in the order of their creation.
SELECT p.tenant_id, p.workflow_execution_id AS workflow_id, p.id, p.name, p.status = 'PENDING' AS is_pending
FROM promise AS p
WHERE
    EXISTS (
        SELECT 1
        FROM unnest(%(tenant_id)s::uuid[], %(workflow_id)s::uuid[], %(reference)s::text[]) AS r (tenant_id, workflow_id, reference)
        WHERE
            p.tenant_id = r.tenant_id
            AND p.workflow_execution_id = r.workflow_id
            AND (p.name = r.reference OR p.id::text = lower(r.reference))
    )
ORDER BY p.ordinal

-- name: find
-- The promises that clients name, without locks: by id, by key, or by name. Of several with one name in a workflow, the
-- oldest pending one is meant.
SELECT r.place, p.id, p.workflow_execution_id AS workflow_id
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[], %(workflow_id)s::uuid[], %(name)s::text[], %(key)s::text[])
WITH ORDINALITY AS r (tenant_id, id, workflow_id, name, key, place)
CROSS JOIN LATERAL (
    SELECT c.id, c.workflow_execution_id
    FROM promise AS c
    WHERE c.tenant_id = r.tenant_id AND c.id = r.id
    UNION ALL
    SELECT c.id, c.workflow_execution_id
    FROM idempotency_key AS k
    INNER JOIN promise AS c ON c.tenant_id = k.tenant_id AND c.id = k.promise_id
    WHERE k.tenant_id = r.tenant_id AND k.key = r.key AND k.expires_at > now()
    UNION ALL
    (
        SELECT c.id, c.workflow_execution_id
        FROM promise AS c
        WHERE c.tenant_id = r.tenant_id AND c.workflow_execution_id = r.workflow_id AND c.name = r.name
        ORDER BY c.status = 'PENDING' DESC, c.ordinal
        LIMIT 1
    )
) AS p

-- name: settle
-- Under the locks of the workflows; promises that are settled already stay as they are.
UPDATE promise AS p
SET status = s.status, value = s.value::json, error = s.error, settled_at = now()
FROM unnest(%(tenant_id)s::uuid[], %(promise_id)s::uuid[], %(status)s::text[], %(value)s::text[], %(error)s::text[])
AS s (tenant_id, id, status, value, error)
WHERE p.tenant_id = s.tenant_id AND p.id = s.id AND p.status = 'PENDING'
RETURNING p.tenant_id, p.id, p.workflow_execution_id AS workflow_id, p.name

-- name: outcomes
-- What promises were settled with, under the locks of their workflows.
SELECT p.id, p.status, p.value::text, p.error
FROM promise AS p
INNER JOIN unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id) ON p.tenant_id = r.tenant_id AND p.id = r.id

-- name: abandon_of_workflows
-- The promises of ended workflows, whose rows the caller has locked.
UPDATE promise AS p
SET status = 'ABANDONED', settled_at = now()
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
WHERE p.tenant_id = r.tenant_id AND p.workflow_execution_id = r.id AND p.status = 'PENDING'

-- name: due
-- Workflows of all tenants with overdue promises, without locks.
SELECT DISTINCT d.tenant_id, d.workflow_execution_id
FROM (
    SELECT p.tenant_id, p.workflow_execution_id
    FROM promise AS p
    WHERE p.status = 'PENDING' AND p.timeout_at <= now()
    ORDER BY p.timeout_at
    LIMIT %(limit)s
) AS d

-- name: expire
-- The overdue promises of workflows that the caller has locked, in the order of their timeouts; each times out once.
WITH expired AS (
    UPDATE promise AS p
    SET status = 'TIMEOUT', settled_at = now()
    FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
    WHERE
        p.tenant_id = r.tenant_id
        AND p.workflow_execution_id = r.id
        AND p.status = 'PENDING'
        AND p.timeout_at <= now()
    RETURNING p.tenant_id, p.id, p.workflow_execution_id, p.name, p.timeout_at
)
SELECT tenant_id, id, workflow_execution_id AS workflow_id, name
FROM expired
ORDER BY timeout_at, id
