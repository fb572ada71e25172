-- name: outlook
-- The seconds until work of each kind is due next, over all tenants; each is the first entry of a small index. The
-- leader runs this statement every few seconds, so that it announces the leader to the other processes as well.
SELECT
    extract(EPOCH FROM (SELECT min(t.fire_at) FROM timer AS t WHERE t.status = 'ACTIVE') - now())::double precision AS timers,
    extract(
        EPOCH FROM (SELECT min(p.timeout_at) FROM promise AS p WHERE p.status = 'PENDING' AND p.timeout_at IS NOT NULL) - now()
    )::double precision AS promises,
    extract(
        EPOCH FROM (SELECT min(s.next_run_at) FROM schedule AS s WHERE s.enabled AND s.next_run_at IS NOT NULL) - now()
    )::double precision AS schedules,
    extract(
        EPOCH FROM (
            SELECT min(t.deadline_at)
            FROM task_execution AS t
            WHERE t.deadline_at IS NOT NULL AND t.status IN ('PENDING', 'RUNNING')
        ) - now()
    )::double precision AS deadlines,
    -- requests that are not yet carried out: a workflow in CANCELLING waits for its worker
    extract(
        EPOCH FROM (
            SELECT min(c.created_at)
            FROM cancellation_request AS c
            INNER JOIN workflow_execution AS e ON c.tenant_id = e.tenant_id AND c.workflow_execution_id = e.id
            WHERE e.status <> 'CANCELLING'
        ) - now()
    )::double precision AS cancellations,
    -- ordered like the indexes, so that no table is read
    EXISTS (SELECT e.id FROM workflow_execution AS e WHERE e.status = 'PENDING' ORDER BY e.tenant_id, e.queue LIMIT 1)
    OR EXISTS (SELECT t.id FROM task_execution AS t WHERE t.status = 'PENDING' ORDER BY t.tenant_id, t.queue LIMIT 1)
    OR EXISTS (SELECT a.id FROM agent_execution AS a WHERE a.status = 'PENDING' ORDER BY a.tenant_id, a.queue LIMIT 1)
    AS is_work_pending,
    pg_notify(%(channel)s::text, '')

-- name: pending_queues
-- Queues of all tenants with pending work, behind a given queue, by one probe of an index for each. A task may be
-- scheduled for later: due_in is the time until the first task of the queue may be claimed, in seconds.
WITH RECURSIVE workflows AS (
    (
        SELECT e.tenant_id, e.queue
        FROM workflow_execution AS e
        WHERE e.status = 'PENDING' AND (e.tenant_id, e.queue) > (%(workflow_tenant_id)s::uuid, %(workflow_queue)s::text)
        ORDER BY e.tenant_id, e.queue
        LIMIT 1
    )
    UNION ALL
    SELECT following.tenant_id, following.queue
    FROM workflows AS w
    CROSS JOIN LATERAL (
        SELECT e.tenant_id, e.queue
        FROM workflow_execution AS e
        WHERE e.status = 'PENDING' AND (e.tenant_id, e.queue) > (w.tenant_id, w.queue)
        ORDER BY e.tenant_id, e.queue
        LIMIT 1
    ) AS following
),
tasks AS (
    (
        SELECT t.tenant_id, t.queue, t.claim_at
        FROM task_execution AS t
        WHERE t.status = 'PENDING' AND (t.tenant_id, t.queue) > (%(task_tenant_id)s::uuid, %(task_queue)s::text)
        ORDER BY t.tenant_id, t.queue, t.claim_at
        LIMIT 1
    )
    UNION ALL
    SELECT following.tenant_id, following.queue, following.claim_at
    FROM tasks AS k
    CROSS JOIN LATERAL (
        SELECT t.tenant_id, t.queue, t.claim_at
        FROM task_execution AS t
        WHERE t.status = 'PENDING' AND (t.tenant_id, t.queue) > (k.tenant_id, k.queue)
        ORDER BY t.tenant_id, t.queue, t.claim_at
        LIMIT 1
    ) AS following
),
agents AS (
    (
        SELECT a.tenant_id, a.queue
        FROM agent_execution AS a
        WHERE a.status = 'PENDING' AND (a.tenant_id, a.queue) > (%(agent_tenant_id)s::uuid, %(agent_queue)s::text)
        ORDER BY a.tenant_id, a.queue
        LIMIT 1
    )
    UNION ALL
    SELECT following.tenant_id, following.queue
    FROM agents AS g
    CROSS JOIN LATERAL (
        SELECT a.tenant_id, a.queue
        FROM agent_execution AS a
        WHERE a.status = 'PENDING' AND (a.tenant_id, a.queue) > (g.tenant_id, g.queue)
        ORDER BY a.tenant_id, a.queue
        LIMIT 1
    ) AS following
)
(SELECT 'WORKFLOW' AS category, tenant_id, queue, 0::double precision AS due_in FROM workflows LIMIT %(limit)s)
UNION ALL
(SELECT 'TASK', tenant_id, queue, extract(EPOCH FROM claim_at - now())::double precision FROM tasks LIMIT %(limit)s)
UNION ALL
(SELECT 'AGENT', tenant_id, queue, 0::double precision FROM agents LIMIT %(limit)s)
