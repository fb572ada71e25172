-- name: claims
-- The server processes with claims of at most age seconds, over all tenants, with the time of their newest claim. A
-- living process holds an advisory lock on its number. Each scan uses the index on the time of claims.
SELECT
    c.claimed_by AS number, max(c.claimed_at) AS newest, now() AS now, bool_or(held.number IS NOT NULL) AS is_alive
FROM (
    SELECT e.claimed_by, e.claimed_at
    FROM workflow_execution AS e
    WHERE e.status = 'RUNNING' AND e.claimed_at >= now() - %(age)s * interval '1 second' AND e.claimed_by IS NOT NULL
    UNION ALL
    SELECT e.claimed_by, e.claimed_at
    FROM workflow_execution AS e
    WHERE e.status = 'CANCELLING' AND e.claimed_at >= now() - %(age)s * interval '1 second' AND e.claimed_by IS NOT NULL
    UNION ALL
    SELECT t.claimed_by, t.claimed_at
    FROM task_execution AS t
    WHERE t.status = 'RUNNING' AND t.claimed_at >= now() - %(age)s * interval '1 second' AND t.claimed_by IS NOT NULL
    UNION ALL
    SELECT a.claimed_by, a.claimed_at
    FROM agent_execution AS a
    WHERE a.status = 'RUNNING' AND a.claimed_at >= now() - %(age)s * interval '1 second' AND a.claimed_by IS NOT NULL
) AS c
LEFT JOIN (
    SELECT l.objid::bigint AS number
    FROM pg_locks AS l
    INNER JOIN pg_database AS d ON d.oid = l.database
    WHERE
        d.datname = current_database()
        AND l.locktype = 'advisory'
        AND l.classid = %(lock_class)s::oid
        AND l.objsubid = 2
        AND l.granted
) AS held ON held.number = c.claimed_by
GROUP BY c.claimed_by

-- name: release_workflows
-- Workflows that dead processes claimed last. Their workers may have received them all the same, hence contested. A
-- workflow in CANCELLING waits for no worker any more: its lease ends at once.
WITH orphan AS (
    SELECT e.tenant_id, e.id
    FROM unnest(%(number)s::integer[], %(since)s::timestamptz[]) AS d (number, since)
    INNER JOIN workflow_execution AS e ON e.claimed_by = d.number AND e.claimed_at >= d.since
    WHERE
        -- one index for each status: an index does not serve a list of them
        (e.status = 'RUNNING' AND e.claimed_at >= %(oldest)s)
        OR (e.status = 'CANCELLING' AND e.claimed_at >= %(oldest)s)
    FOR UPDATE OF e SKIP LOCKED
)
UPDATE workflow_execution AS e
SET
    status = CASE WHEN e.status = 'RUNNING' THEN 'PENDING' ELSE e.status END,
    claim_id = NULL,
    worker_id = NULL,
    held_by = NULL,
    claimed_by = NULL,
    claimed_at = CASE WHEN e.status = 'RUNNING' THEN e.claimed_at ELSE '-infinity' END,
    contested = least(e.contested + 1, 100),
    updated_at = now()
FROM orphan
WHERE e.tenant_id = orphan.tenant_id AND e.id = orphan.id
RETURNING e.tenant_id, e.queue, e.kind

-- name: release_tasks
-- The same for tasks without a heartbeat. No worker is known to have received them, so that no attempt is counted.
WITH orphan AS (
    SELECT t.tenant_id, t.id
    FROM unnest(%(number)s::integer[], %(since)s::timestamptz[]) AS d (number, since)
    INNER JOIN task_execution AS t ON t.claimed_by = d.number AND t.claimed_at >= d.since
    WHERE t.status = 'RUNNING' AND t.claimed_at >= %(oldest)s AND t.last_heartbeat_at IS NULL
    FOR UPDATE OF t SKIP LOCKED
)
UPDATE task_execution AS t
SET
    status = 'PENDING',
    claim_id = NULL,
    worker_id = NULL,
    held_by = NULL,
    claimed_by = NULL,
    former_holders = (array_prepend(t.held_by, array_remove(t.former_holders, t.held_by)))[1:8],
    execution_count = t.execution_count - 1,
    started_at = CASE WHEN t.execution_count > 1 THEN t.started_at END,
    updated_at = now()
FROM orphan
WHERE t.tenant_id = orphan.tenant_id AND t.id = orphan.id
RETURNING t.tenant_id, t.queue, t.kind

-- name: release_agents
-- The same for agents that no call has named since.
WITH orphan AS (
    SELECT a.tenant_id, a.id
    FROM unnest(%(number)s::integer[], %(since)s::timestamptz[]) AS d (number, since)
    INNER JOIN agent_execution AS a ON a.claimed_by = d.number AND a.claimed_at >= d.since
    WHERE a.status = 'RUNNING' AND a.claimed_at >= %(oldest)s AND a.last_seen_at IS NULL
    FOR UPDATE OF a SKIP LOCKED
)
UPDATE agent_execution AS a
SET status = 'PENDING', claim_id = NULL, worker_id = NULL, held_by = NULL, claimed_by = NULL, updated_at = now()
FROM orphan
WHERE a.tenant_id = orphan.tenant_id AND a.id = orphan.id
RETURNING a.tenant_id, a.queue, a.kind

-- name: disown_workflows
-- A process that ends in good order has delivered its claims: no other process needs to release them.
UPDATE workflow_execution AS e
SET claimed_by = NULL
WHERE
    (
        (e.status = 'RUNNING' AND e.claimed_at >= now() - %(age)s * interval '1 second')
        OR (e.status = 'CANCELLING' AND e.claimed_at >= now() - %(age)s * interval '1 second')
    )
    AND e.claimed_by = %(number)s

-- name: disown_tasks
UPDATE task_execution AS t
SET claimed_by = NULL
WHERE t.status = 'RUNNING' AND t.claimed_at >= now() - %(age)s * interval '1 second' AND t.claimed_by = %(number)s

-- name: disown_agents
UPDATE agent_execution AS a
SET claimed_by = NULL
WHERE a.status = 'RUNNING' AND a.claimed_at >= now() - %(age)s * interval '1 second' AND a.claimed_by = %(number)s
