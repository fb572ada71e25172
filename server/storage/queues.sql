-- part: told
-- The queues with pending or running work, by name, and the online workers that have registered a kind of this work.
SELECT
    coalesce(w.queue, r.queue) AS name,
    %(category)s::text AS category,
    coalesce(w.number, 0) AS pending,
    date_part('epoch', now() - w.since) AS oldest,
    coalesce(r.number, 0) AS running,
    coalesce(r.workers, 0) AS busy_workers,
    (
        SELECT count(DISTINCT c.worker_id)
        FROM worker_capability AS c
        INNER JOIN worker AS k ON k.tenant_id = c.tenant_id AND k.id = c.worker_id
        WHERE
            c.tenant_id = %(tenant_id)s
            AND c.category = %(category)s
            AND c.kind = ANY (coalesce(w.kinds, '{}') || coalesce(r.kinds, '{}'))
            AND k.last_heartbeat_at >= now() - %(silence)s * interval '1 second'
    ) AS online_workers
FROM waiting AS w
FULL JOIN running AS r ON r.queue = w.queue
ORDER BY 1

-- name: workflow
-- The queues are found by skipping from one to the next in the index of claims, and each is counted up to a bound, so that
-- one long queue hides no other. Pending work is the same, and is dated the same, as in depths.sql.
WITH RECURSIVE queue AS (
    (
        SELECT e.queue AS name
        FROM workflow_execution AS e
        WHERE e.tenant_id = %(tenant_id)s AND e.status = 'PENDING'
        ORDER BY e.queue
        LIMIT 1
    )
    UNION ALL
    SELECT following.queue
    FROM queue AS q
    CROSS JOIN LATERAL (
        SELECT e.queue
        FROM workflow_execution AS e
        WHERE e.tenant_id = %(tenant_id)s AND e.status = 'PENDING' AND e.queue > q.name
        ORDER BY e.queue
        LIMIT 1
    ) AS following
),
waiting AS (
    SELECT q.name AS queue, found.number, found.since, found.kinds
    FROM (SELECT name FROM queue LIMIT %(queues)s) AS q
    CROSS JOIN LATERAL (
        SELECT count(*) AS number, min(counted.since) AS since, array_agg(DISTINCT counted.kind) AS kinds
        FROM (
            SELECT e.kind, e.updated_at AS since
            FROM workflow_execution AS e
            WHERE e.tenant_id = %(tenant_id)s AND e.status = 'PENDING' AND e.queue = q.name
            ORDER BY e.claim_at, e.created_at, e.id
            LIMIT %(most)s
        ) AS counted
    ) AS found
),
running AS (
    SELECT counted.queue, count(*) AS number, count(DISTINCT counted.worker_id) AS workers, array_agg(DISTINCT counted.kind) AS kinds
    FROM (
        SELECT e.queue, e.kind, e.worker_id
        FROM workflow_execution AS e
        WHERE e.tenant_id = %(tenant_id)s AND e.status = 'RUNNING'
        LIMIT %(most)s
    ) AS counted
    GROUP BY counted.queue
)
-- use: told

-- name: task
-- A task that waits for its next attempt is not pending yet.
WITH RECURSIVE queue AS (
    (
        SELECT t.queue AS name
        FROM task_execution AS t
        WHERE t.tenant_id = %(tenant_id)s AND t.status = 'PENDING'
        ORDER BY t.queue
        LIMIT 1
    )
    UNION ALL
    SELECT following.queue
    FROM queue AS q
    CROSS JOIN LATERAL (
        SELECT t.queue
        FROM task_execution AS t
        WHERE t.tenant_id = %(tenant_id)s AND t.status = 'PENDING' AND t.queue > q.name
        ORDER BY t.queue
        LIMIT 1
    ) AS following
),
waiting AS (
    SELECT q.name AS queue, found.number, found.since, found.kinds
    FROM (SELECT name FROM queue LIMIT %(queues)s) AS q
    CROSS JOIN LATERAL (
        SELECT count(*) AS number, min(counted.since) AS since, array_agg(DISTINCT counted.kind) AS kinds
        FROM (
            SELECT t.kind, greatest(t.claim_at, t.created_at) AS since
            FROM task_execution AS t
            WHERE t.tenant_id = %(tenant_id)s AND t.status = 'PENDING' AND t.queue = q.name AND t.claim_at <= now()
            ORDER BY t.claim_at, t.created_at, t.id
            LIMIT %(most)s
        ) AS counted
    ) AS found
),
running AS (
    SELECT counted.queue, count(*) AS number, count(DISTINCT counted.worker_id) AS workers, array_agg(DISTINCT counted.kind) AS kinds
    FROM (
        SELECT t.queue, t.kind, t.worker_id
        FROM task_execution AS t
        WHERE t.tenant_id = %(tenant_id)s AND t.status = 'RUNNING'
        LIMIT %(most)s
    ) AS counted
    GROUP BY counted.queue
)
-- use: told

-- name: agent
WITH RECURSIVE queue AS (
    (
        SELECT a.queue AS name
        FROM agent_execution AS a
        WHERE a.tenant_id = %(tenant_id)s AND a.status = 'PENDING'
        ORDER BY a.queue
        LIMIT 1
    )
    UNION ALL
    SELECT following.queue
    FROM queue AS q
    CROSS JOIN LATERAL (
        SELECT a.queue
        FROM agent_execution AS a
        WHERE a.tenant_id = %(tenant_id)s AND a.status = 'PENDING' AND a.queue > q.name
        ORDER BY a.queue
        LIMIT 1
    ) AS following
),
waiting AS (
    SELECT q.name AS queue, found.number, found.since, found.kinds
    FROM (SELECT name FROM queue LIMIT %(queues)s) AS q
    CROSS JOIN LATERAL (
        SELECT count(*) AS number, min(counted.since) AS since, array_agg(DISTINCT counted.kind) AS kinds
        FROM (
            SELECT a.kind, a.claim_at AS since
            FROM agent_execution AS a
            WHERE a.tenant_id = %(tenant_id)s AND a.status = 'PENDING' AND a.queue = q.name
            ORDER BY a.claim_at, a.id
            LIMIT %(most)s
        ) AS counted
    ) AS found
),
running AS (
    SELECT counted.queue, count(*) AS number, count(DISTINCT counted.worker_id) AS workers, array_agg(DISTINCT counted.kind) AS kinds
    FROM (
        SELECT a.queue, a.kind, a.worker_id
        FROM agent_execution AS a
        WHERE a.tenant_id = %(tenant_id)s AND a.status IN ('RUNNING', 'CANCELLING')
        LIMIT %(most)s
    ) AS counted
    GROUP BY counted.queue
)
-- use: told
