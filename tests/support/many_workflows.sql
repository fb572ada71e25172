-- Loads a database with finished and open work; see many_workflows.py. Every value follows from the number of its row, so
-- that each load is the same.

-- name: random
-- From 0 (inclusive) to 1 (exclusive), by a number and a salt.
CREATE FUNCTION pg_temp.rnd(n bigint, salt bigint) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT (hashint8extended(n, salt) & 2147483647) / 2147483648.0'

-- name: tenants
-- The first tenant is in the settings of the server; it has nine tenths of the work.
INSERT INTO tenant (id, slug, name)
SELECT md5('tenant ' || n)::uuid, 'bench-' || n, 'Bench ' || n
FROM generate_series(1, 20) AS n

-- name: workflows
-- Of 30 days, one in the order of its number. Twenty kinds and thirty queues, the first ones used most; 200 workers.
INSERT INTO workflow_execution (
    tenant_id, id, kind, queue, status, priority_ms, metadata, input, output, error, worker_id, last_sequence,
    dispatched_sequence, created_at, claim_at, started_at, claimed_at, completed_at, updated_at, parent_id,
    child_execution_name, depth, history_bytes
)
SELECT
    r.tenant_id,
    md5('workflow ' || r.n)::uuid,
    r.kind,
    r.queue,
    r.status,
    0,
    CASE WHEN pg_temp.rnd(r.n, 4) < 0.7 THEN jsonb_build_object(
        'customer', 'c' || (pg_temp.rnd(r.n, 5) * %(count)s / 50)::int,
        'region', (ARRAY['eu', 'eu', 'eu', 'us', 'us', 'asia'])[1 + floor(pg_temp.rnd(r.n, 6) * 6)::int],
        'order', 'o' || r.n
    ) ELSE '{}' END,
    json_build_object('item', r.n, 'text', repeat('x', (pg_temp.rnd(r.n, 7) * 300)::int)),
    CASE WHEN r.status = 'COMPLETED' THEN '{"ok": true}'::json END,
    CASE WHEN r.status = 'FAILED' THEN (ARRAY[
        'connection to payments refused after 3 attempts', 'timeout: inventory did not answer within 30 s',
        'the order ' || r.n || ' has no address', 'card was declined by bank ' || mod(r.n, 400),
        'disk quota of volume v' || mod(r.n, 5000) || ' is exceeded'
    ])[1 + floor(pg_temp.rnd(r.n, 8) * 5)::int] END,
    CASE WHEN r.status <> 'PENDING' THEN 'worker-' || (pg_temp.rnd(r.n, 9) * 200)::int END,
    3,
    3,
    r.created_at,
    r.created_at,
    r.created_at + interval '20 milliseconds',
    r.created_at + interval '20 milliseconds',
    CASE WHEN r.status IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN r.ended_at END,
    r.ended_at,
    CASE WHEN mod(r.n, 10) = 5 THEN md5('workflow ' || (r.n - 1 - mod(r.n / 5, 3)))::uuid END,
    CASE WHEN mod(r.n, 10) = 5 THEN 'child' END,
    CASE WHEN mod(r.n, 10) = 5 THEN 1 ELSE 0 END,
    900
FROM (
    SELECT
        n,
        CASE WHEN pg_temp.rnd(n / 10, 1) < 0.9 THEN %(tenant_id)s::uuid
        ELSE md5('tenant ' || 1 + (pg_temp.rnd(n / 10, 10) * 19)::int)::uuid END AS tenant_id,
        'kind-' || (pg_temp.rnd(n, 2) ^ 3 * 20)::int AS kind,
        'queue-' || (pg_temp.rnd(n, 11) ^ 2 * 30)::int AS queue,
        CASE
            WHEN pg_temp.rnd(n, 3) < 0.04 THEN 'FAILED'
            WHEN pg_temp.rnd(n, 3) < 0.055 THEN 'CANCELLED'
            WHEN pg_temp.rnd(n, 3) < 0.063 THEN 'WAITING'
            WHEN n > %(count)s * 0.999 THEN 'RUNNING'
            WHEN n > %(count)s * 0.998 THEN 'PENDING'
            ELSE 'COMPLETED'
        END AS status,
        s.created_at,
        s.created_at + interval '1 second' * (0.1 - ln(1 - pg_temp.rnd(n, 12)) * 20) AS ended_at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
    CROSS JOIN LATERAL (
        SELECT now() - interval '30 days' * (1 - n::double precision / %(count)s) AS created_at
    ) AS s
) AS r

-- name: events
-- Three of each workflow.
INSERT INTO workflow_event (tenant_id, workflow_execution_id, sequence, event_type, event_data, created_at)
SELECT
    e.tenant_id,
    e.id,
    v.sequence,
    v.event_type,
    v.event_data::json,
    e.created_at + v.sequence * interval '1 second'
FROM workflow_execution AS e
CROSS JOIN (
    VALUES
    (1, 'WORKFLOW_STARTED', '{"input": {"item": 1}, "workflowKind": "kind"}'),
    (2, 'TASK_SCHEDULED', '{"kind": "charge-card", "taskExecutionId": "50978827-95c3-5808-b4a6-d1a1e4e0c6b4"}'),
    (3, 'WORKFLOW_COMPLETED', '{"output": {"ok": true}}')
) AS v (sequence, event_type, event_data)

-- name: tasks
-- One of each workflow, and a standalone one beside every tenth. Of the open workflows' tasks, one in ten is failing.
INSERT INTO task_execution (
    tenant_id, id, workflow_execution_id, kind, queue, status, metadata, input, output, error, max_retries,
    execution_count, worker_id, claim_at, created_at, started_at, claimed_at, completed_at, updated_at
)
SELECT
    e.tenant_id,
    md5(own.n || e.id::text)::uuid,
    CASE WHEN own.n = 1 THEN e.id END,
    'task-' || e.kind,
    e.queue,
    CASE e.status WHEN 'WAITING' THEN 'PENDING' WHEN 'CANCELLING' THEN 'RUNNING' ELSE e.status END,
    '{}',
    '{"item": 1}',
    CASE WHEN e.status = 'COMPLETED' THEN '{"ok": true}'::json END,
    e.error,
    3,
    CASE WHEN e.completed_at IS NOT NULL THEN 1 WHEN mod(hashtext(e.id::text), 10) = 0 THEN 2 ELSE 0 END,
    e.worker_id,
    e.created_at,
    e.created_at,
    e.started_at,
    e.claimed_at,
    e.completed_at,
    e.updated_at
FROM workflow_execution AS e
INNER JOIN (VALUES (1), (2)) AS own (n) ON own.n = 1 OR mod(hashtext(e.id::text), 10) = 1

-- name: indexes
-- The indexes that no constraint needs, with the statements that create them: a load is faster without them.
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index AS i
INNER JOIN pg_class AS c ON c.oid = i.indrelid
WHERE
    c.relname IN ('workflow_execution', 'workflow_event', 'task_execution')
    AND NOT EXISTS (SELECT FROM pg_constraint AS t WHERE t.conindid = i.indexrelid)

-- name: sizes
SELECT
    c.relname::text AS name,
    c.reltuples::bigint AS rows,
    pg_relation_size(c.oid) AS bytes,
    c.relkind = 'i' AS is_index
FROM pg_class AS c
WHERE
    c.relname ~ '^(workflow_execution|workflow_event|task_execution)'
ORDER BY c.relname
