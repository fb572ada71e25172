-- name: insert_or_lock
-- Afterwards all keys exist and are locked. The update that never happens locks existing keys, in the order of the
-- rows, and inserts keys that another transaction deletes in the meantime; a separate SELECT FOR UPDATE would miss
-- those. Another statement reads the holders, because its snapshot must be taken after the wait for the locks.
INSERT INTO idempotency_key AS k (
    tenant_id, key, workflow_execution_id, task_execution_id, promise_id, agent_execution_id, expires_at
)
SELECT
    tenant_id, key, workflow_execution_id, task_execution_id, promise_id, agent_execution_id,
    now() + ttl * interval '1 second'
FROM unnest(
    %(tenant_id)s::uuid[], %(key)s::text[], %(workflow_execution_id)s::uuid[], %(task_execution_id)s::uuid[],
    %(promise_id)s::uuid[], %(agent_execution_id)s::uuid[], %(ttl)s::double precision[]
) AS c (tenant_id, key, workflow_execution_id, task_execution_id, promise_id, agent_execution_id, ttl)
ORDER BY tenant_id, key
ON CONFLICT (tenant_id, key) DO UPDATE SET expires_at = k.expires_at WHERE FALSE

-- name: holders
SELECT
    k.tenant_id, k.key,
    CASE
        WHEN k.workflow_execution_id IS NOT NULL THEN 'WORKFLOW'
        WHEN k.task_execution_id IS NOT NULL THEN 'TASK'
        WHEN k.agent_execution_id IS NOT NULL THEN 'AGENT'
        ELSE 'PROMISE'
    END AS entity,
    coalesce(k.workflow_execution_id, k.task_execution_id, k.promise_id, k.agent_execution_id) AS entity_id,
    coalesce(run.kind, task.kind, agent.kind) AS kind,
    k.expires_at > now()
    AND coalesce(run.status, task.status, promise.status, agent.status)
    IN ('PENDING', 'RUNNING', 'WAITING', 'CANCELLING', 'COMPLETED', 'RESOLVED') IS TRUE AS is_live,
    k.expires_at > now()
    AND coalesce(run.status, task.status, promise.status, agent.status)
    IN ('PENDING', 'RUNNING', 'WAITING', 'CANCELLING') IS TRUE AS is_open
FROM idempotency_key AS k
INNER JOIN unnest(%(tenant_id)s::uuid[], %(key)s::text[]) AS r (tenant_id, key) ON k.tenant_id = r.tenant_id AND k.key = r.key
LEFT JOIN workflow_execution AS run ON run.tenant_id = k.tenant_id AND run.id = k.workflow_execution_id
LEFT JOIN task_execution AS task ON task.tenant_id = k.tenant_id AND task.id = k.task_execution_id
LEFT JOIN promise ON promise.tenant_id = k.tenant_id AND promise.id = k.promise_id
LEFT JOIN agent_execution AS agent ON agent.tenant_id = k.tenant_id AND agent.id = k.agent_execution_id

-- name: point
-- New holders of keys that the first query has locked.
UPDATE idempotency_key AS k
SET
    workflow_execution_id = c.workflow_execution_id,
    task_execution_id = c.task_execution_id,
    promise_id = c.promise_id,
    agent_execution_id = c.agent_execution_id,
    expires_at = now() + c.ttl * interval '1 second'
FROM unnest(
    %(tenant_id)s::uuid[], %(key)s::text[], %(workflow_execution_id)s::uuid[], %(task_execution_id)s::uuid[],
    %(promise_id)s::uuid[], %(agent_execution_id)s::uuid[], %(ttl)s::double precision[]
) AS c (tenant_id, key, workflow_execution_id, task_execution_id, promise_id, agent_execution_id, ttl)
WHERE k.tenant_id = c.tenant_id AND k.key = c.key

-- name: forget_workflows
-- Keys are locked in the same order as by claims, so that two transactions cannot wait for each other.
WITH freed AS (
    SELECT k.tenant_id, k.key
    FROM idempotency_key AS k
    INNER JOIN unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
        ON k.tenant_id = r.tenant_id AND k.workflow_execution_id = r.id
    ORDER BY k.tenant_id, k.key
    FOR UPDATE OF k
)
DELETE FROM idempotency_key AS k
USING freed
WHERE k.tenant_id = freed.tenant_id AND k.key = freed.key

-- name: clean
-- A bounded number of expired keys of all tenants, except rows that are locked at this moment.
WITH expired AS (
    SELECT k.tenant_id, k.key
    FROM idempotency_key AS k
    WHERE k.expires_at <= now()
    ORDER BY k.expires_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotency_key AS k
USING expired
WHERE k.tenant_id = expired.tenant_id AND k.key = expired.key
RETURNING 1
