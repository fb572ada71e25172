-- name: insert
-- Tasks: pending, or claimed by a parked poller from the start. A priority is a head start; a task cannot be claimed
-- before its claim_at.
INSERT INTO task_execution (
    tenant_id, id, workflow_execution_id, agent_execution_id, kind, queue, status, claim_id, worker_id, held_by,
    claimed_by, execution_count, started_at, claimed_at, metadata, input, max_retries, scheduled_at, claim_at, deadline_at, created_at, updated_at,
    trace_context
)
SELECT
    tenant_id, id, workflow_execution_id, agent_execution_id, kind, queue,
    CASE WHEN claim_id IS NULL THEN 'PENDING' ELSE 'RUNNING' END, claim_id, worker_id, held_by, claimed_by, (claim_id IS NOT NULL)::integer, CASE WHEN claim_id IS NOT NULL THEN now() END,
    CASE WHEN claim_id IS NOT NULL THEN now() END, metadata::jsonb, input::json, max_retries,
    scheduled_at, coalesce(scheduled_at, now() - priority_ms * interval '1 millisecond'),
    now() + timeout_ms * interval '1 millisecond', now(), now(), trace
FROM unnest(
    %(tenant_id)s::uuid[], %(id)s::uuid[], %(workflow_execution_id)s::uuid[], %(agent_execution_id)s::uuid[],
    %(kind)s::text[], %(queue)s::text[], %(metadata)s::text[], %(input)s::text[], %(max_retries)s::integer[],
    %(scheduled_at)s::timestamptz[],
    %(priority_ms)s::bigint[], %(timeout_ms)s::bigint[], string_to_array(%(claim_id)s, E'\x1f', '')::uuid[],
    %(worker_id)s::text[], string_to_array(%(held_by)s, E'\x1f', ''),
    string_to_array(%(claimed_by)s, E'\x1f', '')::integer[], %(trace)s::text[]
) AS t (
    tenant_id, id, workflow_execution_id, agent_execution_id, kind, queue, metadata, input, max_retries, scheduled_at,
    priority_ms, timeout_ms, claim_id, worker_id, held_by, claimed_by, trace
)

-- name: claim
-- Serves many pollers at once, as with workflows: the due tasks of a queue go to its pollers in order.
WITH wanted AS (
    SELECT *
    FROM unnest(%(tenant_id)s::uuid[], %(queue)s::text[], %(count)s::integer[])
    WITH ORDINALITY AS w (tenant_id, queue, count, slot_group)
),
picked AS (
    SELECT
        wanted.slot_group,
        task.tenant_id,
        task.id,
        task.pending_since,
        row_number() OVER (PARTITION BY wanted.slot_group ORDER BY task.claim_at, task.created_at, task.id) AS place
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT t.tenant_id, t.id, t.claim_at, t.created_at, greatest(t.claim_at, t.created_at) AS pending_since
        FROM task_execution AS t
        WHERE
            t.tenant_id = wanted.tenant_id
            AND t.queue = wanted.queue
            AND t.status = 'PENDING'
            AND t.claim_at <= now()
        ORDER BY t.claim_at, t.created_at, t.id
        LIMIT wanted.count
        FOR UPDATE SKIP LOCKED
    ) AS task
),
poller AS (
    SELECT *
    FROM unnest(
        %(slot_group)s::bigint[], %(place)s::bigint[], string_to_array(%(claim_id)s, E'\x1f', '')::uuid[],
        %(worker_id)s::text[], string_to_array(%(held_by)s, E'\x1f', ''),
        string_to_array(%(claimed_by)s, E'\x1f', '')::integer[]
    ) AS p (slot_group, place, claim_id, worker_id, held_by, claimed_by)
)
UPDATE task_execution AS t
SET
    status = 'RUNNING',
    claim_id = poller.claim_id,
    worker_id = poller.worker_id,
    held_by = poller.held_by,
    claimed_by = poller.claimed_by,
    execution_count = t.execution_count + 1,
    started_at = coalesce(t.started_at, now()),
    claimed_at = now(),
    last_heartbeat_at = NULL,
    updated_at = now()
FROM picked
INNER JOIN poller ON picked.slot_group = poller.slot_group AND picked.place = poller.place
WHERE t.tenant_id = picked.tenant_id AND t.id = picked.id
RETURNING
    picked.slot_group, picked.place, date_part('epoch', now() - picked.pending_since) AS waited,
    t.tenant_id, t.id, t.workflow_execution_id, t.kind, t.queue, t.input::text, t.execution_count AS attempt, t.claim_id,
    t.trace_context AS trace

-- name: release
-- Tasks that did not reach their pollers: no attempt was made. The id of the claim shows whether it is the present one.
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
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[], %(claim_id)s::uuid[]) AS r (tenant_id, id, claim_id)
WHERE t.tenant_id = r.tenant_id AND t.id = r.id AND t.status = 'RUNNING' AND t.claim_id = r.claim_id

-- name: release_claims
-- The same for claims of all tenants that may or may not have been written; see workflows.sql.
WITH lost AS (
    SELECT t.tenant_id, t.id, t.claim_id
    FROM task_execution AS t
    WHERE
        t.status = 'RUNNING'
        AND t.claimed_at >= now() - %(age)s * interval '1 second'
        AND t.claim_id = ANY (%(claim_ids)s::uuid[])
        AND t.last_heartbeat_at IS NULL
    FOR UPDATE SKIP LOCKED
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
FROM lost
WHERE t.tenant_id = lost.tenant_id AND t.id = lost.id
RETURNING lost.claim_id AS id, t.tenant_id, t.queue, t.kind

-- name: lock
-- The states of tasks, locked in the order of their ids, after the workflows that they belong to.
SELECT t.tenant_id, t.id, t.workflow_execution_id, t.kind, t.queue, t.status, t.execution_count AS attempt, t.max_retries,
    t.held_by, t.former_holders, date_part('epoch', now() - t.created_at) AS age,
    date_part('epoch', now() - t.claimed_at) AS attempt_age,
    t.agent_execution_id, t.trace_context AS trace
FROM task_execution AS t
INNER JOIN unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id) ON t.tenant_id = r.tenant_id AND t.id = r.id
ORDER BY t.tenant_id, t.id
FOR UPDATE OF t

-- name: settle
-- New states of locked tasks, and their ended attempts. A task that is tried again goes to the end of its queue. An
-- attempt has a row already when it was ended by the server and completed later.
WITH step AS (
    SELECT *
    FROM unnest(
        %(tenant_id)s::uuid[], %(id)s::uuid[], %(status)s::text[], %(execution_count)s::integer[], %(ended)s::boolean[],
        %(output)s::text[], %(error)s::text[], %(ended_in_claim)s::integer[]
    ) AS s (tenant_id, id, status, execution_count, ended, output, error, ended_in_claim)
),
moved AS (
    UPDATE task_execution AS t
    SET
        status = step.status,
        execution_count = step.execution_count,
        output = step.output::json,
        error = step.error,
        claim_id = NULL,
        worker_id = CASE WHEN step.ended THEN t.worker_id END,
        held_by = CASE WHEN step.ended THEN t.held_by END,
        claimed_by = NULL,
        -- the last eight are enough to recognise a late report
        former_holders = CASE
            WHEN step.ended OR t.held_by IS NULL THEN t.former_holders
            ELSE (array_prepend(t.held_by, array_remove(t.former_holders, t.held_by)))[1:8]
        END,
        claim_at = CASE WHEN step.ended THEN t.claim_at ELSE now() END,
        completed_at = CASE WHEN step.ended THEN now() END,
        ended_in_claim = step.ended_in_claim,
        updated_at = now()
    FROM step
    WHERE t.tenant_id = step.tenant_id AND t.id = step.id
)
INSERT INTO task_attempt (tenant_id, task_execution_id, attempt, status, error, worker_id, started_at, finished_at)
SELECT t.tenant_id, t.id, a.attempt, a.status, a.error, t.worker_id, t.claimed_at, now()
FROM unnest(
    %(attempt_tenant_id)s::uuid[], %(attempt_task_id)s::uuid[], %(attempt)s::integer[], %(attempt_status)s::text[],
    %(attempt_error)s::text[]
) AS a (tenant_id, task_id, attempt, status, error)
INNER JOIN task_execution AS t ON t.tenant_id = a.tenant_id AND t.id = a.task_id
ON CONFLICT (tenant_id, task_execution_id, attempt) DO UPDATE
SET status = excluded.status, error = excluded.error, finished_at = excluded.finished_at

-- name: overdue
-- A bounded number of open tasks of all tenants past their deadline, the longest overdue first. No row is locked: the
-- state of each task is read again under its lock.
SELECT t.tenant_id, t.id
FROM task_execution AS t
WHERE t.deadline_at <= now() AND t.status IN ('PENDING', 'RUNNING')
ORDER BY t.deadline_at
LIMIT %(limit)s

-- name: expired_leases
-- A bounded number of running tasks of all tenants without a heartbeat for their lease. The timeout of the kind of the
-- task replaces the lease. Polls of a worker of the same name do not count: workers share names. No row is locked, as
-- above.
SELECT t.tenant_id, t.id, t.execution_count
FROM task_execution AS t
LEFT JOIN definition AS d ON d.tenant_id = t.tenant_id AND d.category = 'TASK' AND d.kind = t.kind AND d.timeout_seconds > 0
WHERE
    t.status = 'RUNNING'
    -- the shortest lease that a kind can have: the index scan then skips tasks that have just been claimed
    AND t.claimed_at < now() - least(%(lease)s, 1) * interval '1 second'
    AND greatest(t.claimed_at, t.last_heartbeat_at) < now() - coalesce(d.timeout_seconds, %(lease)s) * interval '1 second'
ORDER BY t.claimed_at
LIMIT %(limit)s

-- name: existing
SELECT t.tenant_id, t.id, t.workflow_execution_id, t.kind
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.id

-- name: cancel_of_workflows
-- The open tasks of ended workflows, whose rows the caller has locked.
WITH open AS (
    SELECT t.tenant_id, t.id, t.status
    FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
    INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.workflow_execution_id = r.id
    WHERE t.status IN ('PENDING', 'RUNNING')
    ORDER BY t.tenant_id, t.id
    FOR UPDATE OF t
),
ended AS (
    UPDATE task_execution AS t
    SET status = 'CANCELLED', error = 'the workflow ended', completed_at = now(), updated_at = now()
    FROM open
    WHERE t.tenant_id = open.tenant_id AND t.id = open.id
    RETURNING
        t.tenant_id, t.id, t.workflow_execution_id, t.kind, t.queue, t.execution_count, t.worker_id, t.created_at, t.claimed_at,
        t.trace_context, open.status AS was
),
attempt AS (
    INSERT INTO task_attempt (tenant_id, task_execution_id, attempt, status, error, worker_id, started_at, finished_at)
    SELECT tenant_id, id, execution_count, 'CANCELLED', 'the workflow ended', worker_id, claimed_at, now()
    FROM ended
    WHERE was = 'RUNNING'
)
SELECT
    tenant_id, id, workflow_execution_id, NULL AS agent_execution_id, kind, queue, execution_count AS attempt,
    was = 'RUNNING' AS was_running,
    date_part('epoch', now() - created_at) AS age, date_part('epoch', now() - claimed_at) AS attempt_age,
    trace_context AS trace
FROM ended

-- name: cancel_of_agents
-- The open tasks of cancelled agents, whose rows the caller has locked.
WITH open AS (
    SELECT t.tenant_id, t.id, t.status, a.claim_number
    FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
    INNER JOIN agent_execution AS a ON a.tenant_id = r.tenant_id AND a.id = r.id
    INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.agent_execution_id = r.id
    WHERE t.status IN ('PENDING', 'RUNNING')
    ORDER BY t.tenant_id, t.id
    FOR UPDATE OF t
),
ended AS (
    UPDATE task_execution AS t
    SET
        status = 'CANCELLED',
        error = 'the agent was cancelled',
        ended_in_claim = open.claim_number,
        completed_at = now(),
        updated_at = now()
    FROM open
    WHERE t.tenant_id = open.tenant_id AND t.id = open.id
    RETURNING
        t.tenant_id, t.id, t.agent_execution_id, t.kind, t.queue, t.execution_count, t.worker_id, t.created_at, t.claimed_at,
        t.trace_context, open.status AS was
),
attempt AS (
    INSERT INTO task_attempt (tenant_id, task_execution_id, attempt, status, error, worker_id, started_at, finished_at)
    SELECT tenant_id, id, execution_count, 'CANCELLED', 'the agent was cancelled', worker_id, claimed_at, now()
    FROM ended
    WHERE was = 'RUNNING'
)
SELECT
    tenant_id, id, NULL AS workflow_execution_id, agent_execution_id, kind, queue, execution_count AS attempt,
    was = 'RUNNING' AS was_running, date_part('epoch', now() - created_at) AS age,
    date_part('epoch', now() - claimed_at) AS attempt_age, trace_context AS trace
FROM ended
