-- name: insert
-- Agents: pending, or claimed by a parked poller from the start.
INSERT INTO agent_execution (
    tenant_id, id, kind, queue, status, persistence_mode, metadata, input, parent_id, depth, claim_at, claim_id,
    claim_number, claimed_at, claimed_by, held_by, worker_id, created_at, started_at, updated_at, trace_context
)
SELECT
    tenant_id, id, kind, queue, CASE WHEN claim_id IS NULL THEN 'PENDING' ELSE 'RUNNING' END, persistence_mode,
    metadata::jsonb, input::json, parent_id, depth, now(), claim_id, (claim_id IS NOT NULL)::integer,
    CASE WHEN claim_id IS NOT NULL THEN now() END, claimed_by, held_by, worker_id, now(),
    CASE WHEN claim_id IS NOT NULL THEN now() END, now(), trace
FROM unnest(
    %(tenant_id)s::uuid[], %(id)s::uuid[], %(kind)s::text[], %(queue)s::text[], %(persistence_mode)s::text[],
    %(metadata)s::text[], %(input)s::text[], %(parent_id)s::uuid[], %(depth)s::integer[],
    string_to_array(%(claim_id)s, E'\x1f', '')::uuid[], %(worker_id)s::text[],
    string_to_array(%(held_by)s, E'\x1f', ''), string_to_array(%(claimed_by)s, E'\x1f', '')::integer[], %(trace)s::text[]
) AS r (
    tenant_id, id, kind, queue, persistence_mode, metadata, input, parent_id, depth, claim_id, worker_id, held_by,
    claimed_by, trace
)
RETURNING tenant_id, id, created_at

-- part: claimed
    a.tenant_id, a.id, a.kind, a.queue, a.input::text, a.persistence_mode, a.metadata::text, a.parent_id,
    a.checkpoint_seq, a.created_at, a.claim_id, a.trace_context AS trace

-- name: claim
-- Serves many pollers at once, as with workflows; the agents that became claimable first go to the pollers in order.
WITH wanted AS (
    SELECT *
    FROM unnest(%(tenant_id)s::uuid[], %(queue)s::text[], %(kinds)s::text[], %(count)s::integer[])
    WITH ORDINALITY AS w (tenant_id, queue, kinds, count, slot_group)
),
picked AS (
    SELECT
        wanted.slot_group,
        agent.tenant_id,
        agent.id,
        row_number() OVER (PARTITION BY wanted.slot_group ORDER BY agent.claim_at, agent.id) AS place
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT a.tenant_id, a.id, a.claim_at
        FROM agent_execution AS a
        WHERE
            a.tenant_id = wanted.tenant_id
            AND a.queue = wanted.queue
            AND a.status = 'PENDING'
            AND (wanted.kinds IS NULL OR a.kind = ANY (wanted.kinds::text[]))
        ORDER BY a.claim_at, a.id
        LIMIT wanted.count
        FOR UPDATE SKIP LOCKED
    ) AS agent
),
poller AS (
    SELECT *
    FROM unnest(
        %(slot_group)s::bigint[], %(place)s::bigint[], string_to_array(%(claim_id)s, E'\x1f', '')::uuid[],
        %(worker_id)s::text[], string_to_array(%(held_by)s, E'\x1f', ''),
        string_to_array(%(claimed_by)s, E'\x1f', '')::integer[]
    ) AS p (slot_group, place, claim_id, worker_id, held_by, claimed_by)
)
UPDATE agent_execution AS a
SET
    status = 'RUNNING',
    claim_id = poller.claim_id,
    worker_id = poller.worker_id,
    held_by = poller.held_by,
    claimed_by = poller.claimed_by,
    claim_number = a.claim_number + 1,
    claimed_at = now(),
    last_seen_at = NULL,
    started_at = coalesce(a.started_at, now()),
    updated_at = now()
FROM picked
INNER JOIN poller ON picked.slot_group = poller.slot_group AND picked.place = poller.place
WHERE a.tenant_id = picked.tenant_id AND a.id = picked.id
RETURNING
    picked.slot_group, picked.place, date_part('epoch', now() - a.claim_at) AS waited,
    -- use: claimed

-- name: release
-- Agents that did not reach their pollers. One that is CANCELLING waits for no worker any more: its lease ends at once.
UPDATE agent_execution AS a
SET
    status = CASE WHEN a.status = 'RUNNING' THEN 'PENDING' ELSE a.status END,
    claim_id = NULL,
    worker_id = NULL,
    held_by = NULL,
    claimed_by = NULL,
    claimed_at = CASE WHEN a.status = 'RUNNING' THEN a.claimed_at ELSE '-infinity' END,
    updated_at = now()
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[], %(claim_id)s::uuid[]) AS r (tenant_id, id, claim_id)
WHERE
    a.tenant_id = r.tenant_id
    AND a.id = r.id
    AND a.status IN ('RUNNING', 'CANCELLING')
    AND a.claim_id = r.claim_id

-- name: release_claims
-- The same for claims of all tenants that may or may not have been written, or whose answers were lost: those of agents
-- that no call has named since; see workflows.sql.
WITH lost AS (
    SELECT a.tenant_id, a.id, a.claim_id
    FROM agent_execution AS a
    WHERE
        a.status = 'RUNNING'
        AND a.claimed_at >= now() - %(age)s * interval '1 second'
        AND a.claim_id = ANY (%(claim_ids)s::uuid[])
        AND a.last_seen_at IS NULL
    FOR UPDATE SKIP LOCKED
)
UPDATE agent_execution AS a
SET
    status = 'PENDING',
    claim_id = NULL,
    worker_id = NULL,
    held_by = NULL,
    claimed_by = NULL,
    updated_at = now()
FROM lost
WHERE a.tenant_id = lost.tenant_id AND a.id = lost.id
RETURNING lost.claim_id AS id, a.tenant_id, a.queue, a.kind

-- part: state
    a.tenant_id, a.id, a.kind, a.queue, a.status, a.parent_id, a.depth, a.metadata::text, a.claim_number, a.wait_kind,
    a.wait_name, CASE WHEN a.wait_kind = 'ANY_CHILD' THEN a.wait_ids END AS wait_ids, a.joined_ids, a.checkpoint_seq,
    a.signal_count, a.has_provisional, a.lost_claims, a.cancel_reason, a.cascades,
    date_part('epoch', now() - a.created_at) AS age, a.trace_context AS trace

-- name: lock
-- The states of agents, and of the parents of some, locked in the order of their ids, so that two batches cannot wait
-- for each other. The lock lets rows be inserted that refer to the agents.
WITH wanted AS (
    SELECT *
    FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[], %(with_parent)s::boolean[]) AS r (tenant_id, id, with_parent)
),
involved AS (
    SELECT tenant_id, id FROM wanted
    UNION
    SELECT a.tenant_id, a.parent_id
    FROM wanted
    INNER JOIN agent_execution AS a ON wanted.tenant_id = a.tenant_id AND wanted.id = a.id
    WHERE wanted.with_parent AND a.parent_id IS NOT NULL
)
SELECT
    -- use: state
FROM agent_execution AS a
INNER JOIN involved ON a.tenant_id = involved.tenant_id AND a.id = involved.id
ORDER BY a.tenant_id, a.id
FOR NO KEY UPDATE OF a

-- name: lock_owners
-- The agents of tasks, locked in the same order; the agent of a task never changes.
SELECT
    -- use: state
FROM agent_execution AS a
WHERE
    (a.tenant_id, a.id) IN (
        SELECT t.tenant_id, t.agent_execution_id
        FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
        INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.id
    )
ORDER BY a.tenant_id, a.id
FOR NO KEY UPDATE OF a

-- name: lock_free
-- The agents that no other transaction has locked.
SELECT
    -- use: state
FROM agent_execution AS a
INNER JOIN unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id) ON a.tenant_id = r.tenant_id AND a.id = r.id
ORDER BY a.tenant_id, a.id
FOR NO KEY UPDATE OF a SKIP LOCKED

-- name: apply
-- New states of locked agents. The children of a parent end one after the other under its lock: clock_timestamp() is
-- the order of their ends.
UPDATE agent_execution AS a
SET
    status = s.status,
    claim_id = CASE WHEN s.held THEN a.claim_id END,
    worker_id = CASE WHEN s.held OR s.ended THEN a.worker_id END,
    held_by = CASE WHEN s.held THEN a.held_by END,
    claimed_by = CASE WHEN s.held THEN a.claimed_by END,
    claim_at = CASE WHEN s.status = 'PENDING' AND a.status <> 'PENDING' THEN clock_timestamp() ELSE a.claim_at END,
    wait_kind = s.wait_kind,
    wait_name = s.wait_name,
    wait_ids = CASE WHEN s.waits THEN s.wait_ids::uuid[] WHEN s.wait_kind IS NOT NULL THEN a.wait_ids END,
    wait_reason = CASE WHEN s.waits THEN s.wait_reason WHEN s.wait_kind IS NOT NULL THEN a.wait_reason END,
    joined_ids = s.joined_ids::uuid[],
    checkpoint_seq = s.checkpoint_seq,
    signal_count = s.signal_count,
    has_provisional = s.has_provisional,
    lost_claims = s.lost_claims,
    cancel_reason = s.cancel_reason,
    cancel_at = CASE WHEN s.cancel_reason IS NULL THEN a.cancel_at ELSE coalesce(a.cancel_at, clock_timestamp()) END,
    cascades = s.cascades,
    output = s.output::json,
    error = s.error,
    stack_trace = s.stack_trace,
    failure_type = s.failure_type,
    completed_at = CASE WHEN s.ended THEN clock_timestamp() END,
    updated_at = now()
FROM unnest(
    %(tenant_id)s::uuid[], %(id)s::uuid[], %(status)s::text[], %(held)s::boolean[], %(ended)s::boolean[],
    %(waits)s::boolean[], %(wait_kind)s::text[], %(wait_name)s::text[], %(wait_ids)s::text[], %(wait_reason)s::text[],
    %(joined_ids)s::text[], %(checkpoint_seq)s::integer[], %(signal_count)s::integer[], %(has_provisional)s::boolean[],
    %(lost_claims)s::smallint[], %(cancel_reason)s::text[], %(cascades)s::boolean[], %(output)s::text[],
    %(error)s::text[], %(stack_trace)s::text[], %(failure_type)s::text[]
) AS s (
    tenant_id, id, status, held, ended, waits, wait_kind, wait_name, wait_ids, wait_reason, joined_ids, checkpoint_seq,
    signal_count, has_provisional, lost_claims, cancel_reason, cascades, output, error, stack_trace, failure_type
)
WHERE a.tenant_id = s.tenant_id AND a.id = s.id

-- name: wake
-- The one place where conditions are evaluated: under the locks of the agents, which every end of a task and of a child
-- takes, too. A task counts for TASKS_ANY if it ended since the present claim: the agent has seen the earlier ends.
WITH met AS (
    SELECT a.tenant_id, a.id
    FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
    INNER JOIN agent_execution AS a ON a.tenant_id = r.tenant_id AND a.id = r.id
    WHERE
        a.status = 'WAITING'
        AND CASE a.wait_kind
            WHEN 'SIGNAL' THEN EXISTS (
                SELECT 1
                FROM agent_signal AS s
                WHERE
                    s.tenant_id = a.tenant_id
                    AND s.agent_execution_id = a.id
                    AND s.name = a.wait_name
                    AND s.consumed_at IS NULL
            )
            WHEN 'TASKS_ALL' THEN NOT EXISTS (
                SELECT 1
                FROM unnest(a.wait_ids) AS w (id)
                INNER JOIN task_execution AS t ON t.tenant_id = a.tenant_id AND t.id = w.id
                WHERE t.status IN ('PENDING', 'RUNNING')
            )
            WHEN 'TASKS_ANY' THEN EXISTS (
                SELECT 1
                FROM unnest(a.wait_ids) AS w (id)
                INNER JOIN task_execution AS t ON t.tenant_id = a.tenant_id AND t.id = w.id
                WHERE
                    t.status NOT IN ('PENDING', 'RUNNING')
                    AND (t.ended_in_claim IS NULL OR t.ended_in_claim = a.claim_number)
            )
            OR NOT EXISTS (
                SELECT 1
                FROM unnest(a.wait_ids) AS w (id)
                INNER JOIN task_execution AS t ON t.tenant_id = a.tenant_id AND t.id = w.id
                WHERE t.status IN ('PENDING', 'RUNNING')
            )
            WHEN 'ANY_CHILD' THEN EXISTS (
                SELECT 1
                FROM unnest(a.wait_ids) AS w (id)
                INNER JOIN agent_execution AS c ON c.tenant_id = a.tenant_id AND c.id = w.id
                WHERE c.status IN ('COMPLETED', 'FAILED', 'CANCELLED')
            )
            OR EXISTS (
                SELECT 1
                FROM agent_signal AS s
                WHERE
                    s.tenant_id = a.tenant_id
                    AND s.agent_execution_id = a.id
                    AND s.sender_id = ANY (a.wait_ids)
                    AND s.consumed_at IS NULL
            )
            WHEN 'ALL_CHILDREN' THEN NOT EXISTS (
                SELECT 1
                FROM unnest(a.wait_ids) AS w (id)
                INNER JOIN agent_execution AS c ON c.tenant_id = a.tenant_id AND c.id = w.id
                WHERE c.status IN ('PENDING', 'RUNNING', 'WAITING', 'CANCELLING')
            )
        END
)
UPDATE agent_execution AS a
SET
    status = 'PENDING',
    wait_kind = NULL,
    wait_name = NULL,
    wait_ids = NULL,
    wait_reason = NULL,
    claim_at = clock_timestamp(),
    updated_at = now()
FROM met
WHERE a.tenant_id = met.tenant_id AND a.id = met.id
RETURNING a.tenant_id, a.id, a.queue, a.kind

-- name: resume
-- Claims of WAITING agents by their ids, whether their conditions are met or not.
UPDATE agent_execution AS a
SET
    status = 'RUNNING',
    claim_id = r.claim_id,
    worker_id = r.worker_id,
    held_by = r.held_by,
    claimed_by = r.claimed_by,
    claim_number = a.claim_number + 1,
    claimed_at = now(),
    last_seen_at = now(),
    wait_kind = NULL,
    wait_name = NULL,
    wait_ids = NULL,
    wait_reason = NULL,
    updated_at = now()
FROM unnest(
    %(tenant_id)s::uuid[], %(id)s::uuid[], string_to_array(%(claim_id)s, E'\x1f', '')::uuid[], %(worker_id)s::text[],
    string_to_array(%(held_by)s, E'\x1f', ''), string_to_array(%(claimed_by)s, E'\x1f', '')::integer[]
) AS r (tenant_id, id, claim_id, worker_id, held_by, claimed_by)
WHERE a.tenant_id = r.tenant_id AND a.id = r.id AND a.status = 'WAITING'
RETURNING
    -- use: claimed

-- name: exists
SELECT 1 FROM agent_execution AS a WHERE a.tenant_id = %(tenant_id)s AND a.id = %(id)s

-- name: seen
-- Signs of life: calls that named claimed agents. No indexed column changes.
UPDATE agent_execution AS a
SET last_seen_at = now()
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
WHERE a.tenant_id = r.tenant_id AND a.id = r.id AND a.status IN ('RUNNING', 'CANCELLING')

-- name: silent
-- A bounded number of claimed agents of all tenants whose activations seem lost: no call has named them since the claim,
-- worker and agent are silent, the agent alone is silent for long, or it was cancelled a while ago. No row is locked:
-- each state is read again under its lock.
SELECT
    a.tenant_id, a.id, a.claim_number,
    CASE
        WHEN a.last_seen_at IS NULL THEN 'no worker has asked for its entries after the claim'
        ELSE 'its worker gave no sign of life in time'
    END AS why
FROM agent_execution AS a
WHERE
    a.status IN ('RUNNING', 'CANCELLING')
    AND a.claimed_at < now() - least(%(contact)s, %(silence)s, %(cancelling)s) * interval '1 second'
    AND (
        (a.last_seen_at IS NULL AND a.claimed_at < now() - %(contact)s * interval '1 second')
        OR greatest(a.claimed_at, a.last_seen_at) < now() - %(agent_silence)s * interval '1 second'
        OR (a.status = 'CANCELLING' AND a.cancel_at < now() - %(cancelling)s * interval '1 second')
        OR (
            greatest(a.claimed_at, a.last_seen_at) < now() - %(silence)s * interval '1 second'
            AND NOT EXISTS (
                SELECT 1
                FROM worker AS w
                WHERE
                    w.tenant_id = a.tenant_id
                    AND (
                        w.worker_name = a.worker_id
                        OR w.id = CASE WHEN a.worker_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN a.worker_id::uuid END
                    )
                    AND w.last_heartbeat_at >= now() - %(silence)s * interval '1 second'
            )
        )
    )
ORDER BY a.claimed_at
LIMIT %(limit)s

-- name: unseen_tasks
-- A bounded number of agents of all tenants whose tasks an older version of the server has ended.
SELECT DISTINCT t.tenant_id, t.agent_execution_id AS id
FROM (
    SELECT u.tenant_id, u.agent_execution_id
    FROM task_execution AS u
    WHERE u.agent_execution_id IS NOT NULL AND u.ended_in_claim IS NULL AND u.completed_at IS NOT NULL
    ORDER BY u.completed_at
    LIMIT %(limit)s
) AS t

-- name: see_tasks
-- The ends of such tasks count for the present claim of their agents, which the caller has locked.
UPDATE task_execution AS t
SET ended_in_claim = a.claim_number
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN agent_execution AS a ON a.tenant_id = r.tenant_id AND a.id = r.id
WHERE
    t.tenant_id = a.tenant_id
    AND t.agent_execution_id = a.id
    AND t.ended_in_claim IS NULL
    AND t.completed_at IS NOT NULL

-- name: cascading
-- A bounded number of cancelled agents of all tenants whose children are not cancelled yet.
SELECT a.tenant_id, a.id
FROM agent_execution AS a
WHERE a.cascades AND a.status = 'CANCELLED'
ORDER BY a.cancel_at
LIMIT %(limit)s

-- name: open_children
-- The open children of agents, of each a bounded number.
SELECT c.tenant_id, c.id, c.parent_id, p.cancel_reason
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN agent_execution AS p ON p.tenant_id = r.tenant_id AND p.id = r.id
CROSS JOIN LATERAL (
    SELECT o.tenant_id, o.id, o.parent_id
    FROM agent_execution AS o
    WHERE
        o.tenant_id = p.tenant_id
        AND o.parent_id = p.id
        AND o.status IN ('PENDING', 'RUNNING', 'WAITING')
    ORDER BY o.created_at, o.id
    LIMIT %(limit)s
) AS c

-- name: cascaded
-- Agents without open children: nothing is left to be cancelled below them.
UPDATE agent_execution AS a
SET cascades = false
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
WHERE a.tenant_id = r.tenant_id AND a.id = r.id AND a.cascades

-- name: count_children
-- The open children of locked agents, counted up to a limit.
SELECT r.tenant_id, r.id, counted.number
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
CROSS JOIN LATERAL (
    SELECT count(*) AS number
    FROM (
        SELECT 1
        FROM agent_execution AS c
        WHERE
            c.tenant_id = r.tenant_id
            AND c.parent_id = r.id
            AND c.status IN ('PENDING', 'RUNNING', 'WAITING', 'CANCELLING')
        LIMIT %(limit)s
    ) AS children
) AS counted

-- name: children
-- The present states of named children.
SELECT c.id, c.parent_id, c.status, c.output::text, c.error, c.completed_at
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN agent_execution AS c ON c.tenant_id = r.tenant_id AND c.id = r.id

-- name: prune
-- A bounded number of agents of all tenants that ended long ago; the foreign keys delete everything of them.
WITH old AS (
    SELECT a.tenant_id, a.id
    FROM agent_execution AS a
    WHERE a.completed_at < now() - %(age)s * interval '1 second'
    ORDER BY a.completed_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
DELETE FROM agent_execution AS a
USING old
WHERE a.tenant_id = old.tenant_id AND a.id = old.id
RETURNING 1
