-- name: start
-- Workflows and their first events, in one statement; returns the workflows that are inserted as claimed.
WITH request AS (
    SELECT *
    FROM unnest(
        %(tenant_id)s::uuid[], %(id)s::uuid[], %(kind)s::text[], %(queue)s::text[], %(input)s::text[],
        %(priority_ms)s::bigint[], %(workflow_version)s::text[], %(metadata)s::text[],
        %(event_type)s::text[], %(event_data)s::text[], %(parent_id)s::uuid[], %(child_name)s::text[], %(depth)s::integer[],
        %(has_key)s::boolean[], %(history_bytes)s::bigint[], string_to_array(%(claim_id)s, E'\x1f', '')::uuid[],
        %(worker_id)s::text[], string_to_array(%(held_by)s, E'\x1f', ''), string_to_array(%(claimed_by)s, E'\x1f', '')::integer[],
        %(trace)s::text[]
    ) AS r (
        tenant_id, id, kind, queue, input, priority_ms, workflow_version, metadata, event_type, event_data,
        parent_id, child_name, depth, has_key, history_bytes, claim_id, worker_id, held_by, claimed_by, trace
    )
),
run AS (
    INSERT INTO workflow_execution (
        tenant_id, id, kind, queue, status, priority_ms, workflow_version, metadata, input,
        last_sequence, created_at, claim_at, updated_at, parent_id, child_execution_name, depth, has_dependents,
        history_bytes, claim_id, worker_id, held_by, claimed_by, dispatched_sequence, started_at, claimed_at, trace_context
    )
    SELECT
        tenant_id, id, kind, queue, CASE WHEN claim_id IS NULL THEN 'PENDING' ELSE 'RUNNING' END, priority_ms,
        workflow_version, metadata::jsonb, input::json,
        1, now(), now() - priority_ms * interval '1 millisecond', now(), parent_id, child_name, depth, has_key,
        history_bytes, claim_id, worker_id, held_by, claimed_by,
        CASE WHEN claim_id IS NULL THEN 0 ELSE 1 END,
        CASE WHEN claim_id IS NOT NULL THEN now() END,
        CASE WHEN claim_id IS NOT NULL THEN date_trunc('milliseconds', now()) END,
        trace
    FROM request
    RETURNING tenant_id, id, created_at, claimed_at
),
event AS (
    INSERT INTO workflow_event (tenant_id, workflow_execution_id, sequence, event_type, event_data)
    SELECT tenant_id, id, 1, event_type, event_data::json
    FROM request
)
SELECT tenant_id, id, created_at, claimed_at
FROM run
WHERE claimed_at IS NOT NULL

-- name: claim
-- Serves many pollers at once. A group is the pollers of one queue that poll for the same kinds; the oldest workflows
-- go to its pollers in order. A workflow that two groups picked is claimed by one of them. SKIP LOCKED: concurrent
-- claims do not wait for each other, and take different rows.
WITH wanted AS (
    SELECT *
    FROM unnest(%(tenant_id)s::uuid[], %(queue)s::text[], %(kinds)s::text[], %(count)s::integer[])
    WITH ORDINALITY AS w (tenant_id, queue, kinds, count, slot_group)
),
picked AS (
    SELECT
        wanted.slot_group,
        run.tenant_id,
        run.id,
        run.updated_at AS pending_since,
        row_number() OVER (PARTITION BY wanted.slot_group ORDER BY run.claim_at, run.created_at, run.id) AS place
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT e.tenant_id, e.id, e.claim_at, e.created_at, e.updated_at
        FROM workflow_execution AS e
        WHERE
            e.tenant_id = wanted.tenant_id
            AND e.queue = wanted.queue
            AND e.status = 'PENDING'
            AND (wanted.kinds IS NULL OR e.kind = ANY (wanted.kinds::text[]))
        ORDER BY e.claim_at, e.created_at, e.id
        LIMIT wanted.count
        FOR UPDATE SKIP LOCKED
    ) AS run
),
poller AS (
    SELECT *
    FROM unnest(
        %(slot_group)s::bigint[], %(place)s::bigint[], string_to_array(%(claim_id)s, E'\x1f', '')::uuid[],
        %(worker_id)s::text[], string_to_array(%(held_by)s, E'\x1f', ''),
        string_to_array(%(claimed_by)s, E'\x1f', '')::integer[]
    ) AS p (slot_group, place, claim_id, worker_id, held_by, claimed_by)
)
UPDATE workflow_execution AS e
SET
    status = 'RUNNING',
    claim_id = poller.claim_id,
    worker_id = poller.worker_id,
    held_by = poller.held_by,
    claimed_by = poller.claimed_by,
    dispatched_sequence = e.last_sequence,
    started_at = coalesce(e.started_at, now()),
    -- to the millisecond, as the wire carries it
    claimed_at = greatest(e.claimed_at, date_trunc('milliseconds', now())),
    updated_at = now()
FROM picked
INNER JOIN poller ON picked.slot_group = poller.slot_group AND picked.place = poller.place
WHERE e.tenant_id = picked.tenant_id AND e.id = picked.id
RETURNING
    picked.slot_group, picked.place, date_part('epoch', now() - picked.pending_since) AS waited,
    e.tenant_id, e.id, e.kind, e.queue, e.input::text, e.priority_ms, e.workflow_version,
    e.last_sequence, e.created_at, e.claimed_at, e.claim_id, e.trace_context AS trace

-- name: release
-- Workflows that did not reach their pollers; the id of the claim shows whether the claim is still the present one. A
-- workflow in CANCELLING waits for no worker any more: its lease ends at once.
UPDATE workflow_execution AS e
SET
    status = CASE WHEN e.status = 'RUNNING' THEN 'PENDING' ELSE e.status END,
    claim_id = NULL,
    worker_id = NULL,
    held_by = NULL,
    claimed_by = NULL,
    claimed_at = CASE WHEN e.status = 'RUNNING' THEN e.claimed_at ELSE '-infinity' END,
    updated_at = now()
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[], %(claim_id)s::uuid[]) AS r (tenant_id, id, claim_id)
WHERE
    e.tenant_id = r.tenant_id
    AND e.id = r.id
    AND e.status IN ('RUNNING', 'CANCELLING')
    AND e.claim_id = r.claim_id

-- name: release_claims
-- The same for claims of all tenants that may or may not have been written. They are no older than age, so that the
-- indexes on the time of claims find them. Locked rows are left to the next attempt.
WITH lost AS (
    SELECT e.tenant_id, e.id, e.claim_id
    FROM workflow_execution AS e
    WHERE
        -- one index for each status: an index does not serve a list of them
        (
            (e.status = 'RUNNING' AND e.claimed_at >= now() - %(age)s * interval '1 second')
            OR (e.status = 'CANCELLING' AND e.claimed_at >= now() - %(age)s * interval '1 second')
        )
        AND e.claim_id = ANY (%(claim_ids)s::uuid[])
    FOR UPDATE SKIP LOCKED
)
UPDATE workflow_execution AS e
SET
    status = CASE WHEN e.status = 'RUNNING' THEN 'PENDING' ELSE e.status END,
    claim_id = NULL,
    worker_id = NULL,
    held_by = NULL,
    claimed_by = NULL,
    claimed_at = CASE WHEN e.status = 'RUNNING' THEN e.claimed_at ELSE '-infinity' END,
    contested = least(e.contested + %(answered)s, 100),
    updated_at = now()
FROM lost
WHERE e.tenant_id = lost.tenant_id AND e.id = lost.id
RETURNING lost.claim_id AS id, e.tenant_id, e.queue, e.kind

-- name: reclaim
-- Workflows of all tenants whose lease is over, or whose worker sends no heartbeats: a bounded number. Rows that
-- another process has locked are left to it. Workers poll by their id or by their name.
WITH expired AS (
    SELECT e.tenant_id, e.id, e.claimed_at < now() - %(lease)s * interval '1 second' AS by_lease
    FROM workflow_execution AS e
    WHERE
        e.status = 'RUNNING'
        AND e.claimed_at < now() - least(%(lease)s, %(silence)s) * interval '1 second'
        AND (
            e.claimed_at < now() - %(lease)s * interval '1 second'
            OR NOT EXISTS (
                SELECT 1
                FROM worker AS w
                WHERE
                    w.tenant_id = e.tenant_id
                    AND (
                        w.worker_name = e.worker_id
                        OR w.id = CASE WHEN e.worker_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN e.worker_id::uuid END
                    )
                    AND w.last_heartbeat_at >= now() - %(silence)s * interval '1 second'
            )
        )
    ORDER BY e.claimed_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE workflow_execution AS e
SET
    status = 'PENDING',
    claim_id = NULL,
    worker_id = NULL,
    held_by = NULL,
    claimed_by = NULL,
    contested = least(e.contested + 1, 100),
    updated_at = now()
FROM expired
WHERE e.tenant_id = expired.tenant_id AND e.id = expired.id
RETURNING e.tenant_id, e.queue, e.kind, expired.by_lease

-- part: state
    e.tenant_id, e.id, e.kind, e.queue, e.status, e.last_sequence, e.dispatched_sequence, e.waking_sequence,
    e.has_dependents, e.signal_count, e.parent_id, e.child_execution_name AS child_name, e.depth,
    e.history_bytes, e.claim_id::text, e.held_by, e.contested, encode(e.submission_digest, 'hex') AS submission_digest,
    date_part('epoch', now() - e.created_at) AS age, e.trace_context AS trace

-- name: lock
-- The states of workflows, locked in the order of their ids, so that two batches cannot wait for each other.
SELECT
    -- use: state
FROM workflow_execution AS e
INNER JOIN unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id) ON e.tenant_id = r.tenant_id AND e.id = r.id
ORDER BY e.tenant_id, e.id
FOR UPDATE OF e

-- name: lock_owners
-- The same for the workflows of tasks; the workflow of a task never changes.
SELECT
    -- use: state
FROM workflow_execution AS e
WHERE
    (e.tenant_id, e.id) IN (
        SELECT t.tenant_id, t.workflow_execution_id
        FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
        INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.id
    )
ORDER BY e.tenant_id, e.id
FOR UPDATE OF e

-- name: lock_with_parents
-- Like the query above, with the parents of the workflows, which get an event when a child ends.
WITH wanted AS (
    SELECT *
    FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
),
involved AS (
    SELECT tenant_id, id FROM wanted
    UNION
    SELECT e.tenant_id, e.parent_id
    FROM wanted
    INNER JOIN workflow_execution AS e ON wanted.tenant_id = e.tenant_id AND wanted.id = e.id
    WHERE e.parent_id IS NOT NULL
)
SELECT
    -- use: state
FROM workflow_execution AS e
INNER JOIN involved ON e.tenant_id = involved.tenant_id AND e.id = involved.id
ORDER BY e.tenant_id, e.id
FOR UPDATE OF e

-- name: lock_free
-- Like the query above, for the rows that no other transaction has locked.
SELECT
    -- use: state
FROM workflow_execution AS e
INNER JOIN unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id) ON e.tenant_id = r.tenant_id AND e.id = r.id
ORDER BY e.tenant_id, e.id
FOR UPDATE OF e SKIP LOCKED

-- name: apply
-- New states and their events, under the locks of the queries above; returns the workflows that are claimed by a parked
-- poller with the step.
WITH step AS (
    SELECT *
    FROM unnest(
        %(tenant_id)s::uuid[], %(id)s::uuid[], %(status)s::text[], %(last_sequence)s::integer[], %(waking_sequence)s::integer[],
        %(has_dependents)s::boolean[], %(signal_count)s::integer[], %(history_bytes)s::bigint[], %(contested)s::smallint[],
        %(submission_digest)s::text[], %(output)s::text[], %(error)s::text[], %(ended)s::boolean[],
        string_to_array(%(claim_id)s, E'\x1f', '')::uuid[], %(worker_id)s::text[], string_to_array(%(held_by)s, E'\x1f', ''),
        string_to_array(%(claimed_by)s, E'\x1f', '')::integer[]
    ) AS s (
        tenant_id, id, status, last_sequence, waking_sequence, has_dependents, signal_count, history_bytes, contested,
        submission_digest, output, error, ended, claim_id, worker_id, held_by, claimed_by
    )
),
moved AS (
    UPDATE workflow_execution AS e
    SET
        status = step.status,
        last_sequence = step.last_sequence,
        waking_sequence = step.waking_sequence,
        has_dependents = step.has_dependents,
        signal_count = step.signal_count,
        history_bytes = step.history_bytes,
        contested = step.contested,
        submission_digest = decode(step.submission_digest, 'hex'),
        claim_id = CASE WHEN step.status IN ('RUNNING', 'CANCELLING') THEN coalesce(step.claim_id, e.claim_id) END,
        worker_id = coalesce(step.worker_id, e.worker_id),
        held_by = CASE WHEN step.claim_id IS NOT NULL THEN step.held_by WHEN step.status IN ('RUNNING', 'CANCELLING') THEN e.held_by END,
        claimed_by = CASE
            WHEN step.claim_id IS NOT NULL THEN step.claimed_by WHEN step.status IN ('RUNNING', 'CANCELLING') THEN e.claimed_by
        END,
        dispatched_sequence = CASE WHEN step.claim_id IS NULL THEN e.dispatched_sequence ELSE step.last_sequence END,
        started_at = CASE WHEN step.claim_id IS NULL THEN e.started_at ELSE coalesce(e.started_at, now()) END,
        claimed_at = CASE
            WHEN step.claim_id IS NULL THEN e.claimed_at ELSE greatest(e.claimed_at, date_trunc('milliseconds', now()))
        END,
        output = step.output::json,
        error = step.error,
        completed_at = CASE WHEN step.ended THEN now() END,
        updated_at = now()
    FROM step
    WHERE e.tenant_id = step.tenant_id AND e.id = step.id
    RETURNING
        e.tenant_id, e.id, e.kind, e.queue, e.input, e.priority_ms, e.workflow_version, e.last_sequence, e.created_at,
        e.claimed_at, step.claim_id, e.trace_context AS trace
),
event AS (
    INSERT INTO workflow_event (tenant_id, workflow_execution_id, sequence, event_type, event_data)
    SELECT tenant_id, id, sequence, event_type, event_data::json
    FROM unnest(
        %(event_tenant_id)s::uuid[], %(event_workflow_id)s::uuid[], %(sequence)s::integer[], %(event_type)s::text[],
        %(event_data)s::text[]
    ) AS v (tenant_id, id, sequence, event_type, event_data)
)
SELECT
    tenant_id, id, kind, queue, input::text, priority_ms, workflow_version, last_sequence, created_at, claimed_at, claim_id,
    trace
FROM moved
WHERE claim_id IS NOT NULL

-- name: histories
-- The first event carries the present claim, so that history and claim are of the same moment.
SELECT
    e.tenant_id, e.workflow_execution_id, e.sequence, e.event_type, e.event_data::text,
    CASE WHEN e.sequence = 1 THEN run.claim_id::text END AS claim_id
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN workflow_execution AS run ON run.tenant_id = r.tenant_id AND run.id = r.id
INNER JOIN workflow_event AS e ON e.tenant_id = r.tenant_id AND e.workflow_execution_id = r.id
WHERE NOT e.superseded
ORDER BY e.tenant_id, e.workflow_execution_id, e.sequence

-- name: parents
-- The workflows that exist, with their parents.
SELECT e.tenant_id, e.id, e.parent_id
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN workflow_execution AS e ON e.tenant_id = r.tenant_id AND e.id = r.id

-- name: trace_contexts
SELECT e.tenant_id, e.id, e.trace_context AS trace
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN workflow_execution AS e ON e.tenant_id = r.tenant_id AND e.id = r.id

-- name: dated_histories
-- The events that spans show, with their times. The names are at the beginning of the data; payloads come after them.
SELECT v.tenant_id, v.workflow_execution_id, v.event_type, left(v.event_data::text, 2048) AS head, v.created_at
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN workflow_event AS v ON v.tenant_id = r.tenant_id AND v.workflow_execution_id = r.id
WHERE v.event_type = ANY (%(types)s::text[])
ORDER BY v.tenant_id, v.workflow_execution_id, v.sequence

-- part: deleted
-- The foreign keys delete everything of the workflows.
DELETE FROM workflow_execution AS e
USING old
WHERE e.tenant_id = old.tenant_id AND e.id = old.id

-- name: delete
-- The ended ones of these workflows, locked in the order of their ids.
WITH old AS (
    SELECT e.tenant_id, e.id
    FROM workflow_execution AS e
    INNER JOIN unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id) ON e.tenant_id = r.tenant_id AND e.id = r.id
    WHERE e.completed_at IS NOT NULL
    ORDER BY e.tenant_id, e.id
    FOR UPDATE OF e
)
-- use: deleted
RETURNING old.id

-- name: prune_from
-- A bounded number of workflows that ended long ago. An earlier rule says how long
-- the workflows are kept that it matches. The parts of the statement follow.
WITH earlier AS (
    SELECT * FROM unnest(%(tenant_ids)s::uuid[], %(kinds)s::text[]) AS r (tenant_id, kind)
),
old AS (
    SELECT e.tenant_id, e.id, e.created_at, e.completed_at
    FROM workflow_execution AS e
    WHERE
        e.completed_at < now() - %(age)s * interval '1 second'
        AND NOT EXISTS (
            SELECT
            FROM earlier
            WHERE
                (earlier.tenant_id IS NULL OR earlier.tenant_id = e.tenant_id)
                AND (earlier.kind IS NULL OR earlier.kind = e.kind)
        )

-- name: prune_tenant
        AND e.tenant_id = %(tenant_id)s

-- name: prune_kind
        AND e.kind = %(kind)s

-- name: prune_by_end
-- Those that ended first, from the last time of the batch before on: rows that are kept are passed once in a sweep.
        AND e.completed_at >= %(since)s
    ORDER BY e.completed_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
-- use: deleted
RETURNING old.completed_at

-- name: prune_by_creation
-- Of one tenant, those that were created first: lists have indexes in this order, and old workflows were created long ago.
        AND e.created_at < now() - %(age)s * interval '1 second'
        AND e.created_at >= %(since)s
    ORDER BY e.created_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
-- use: deleted
RETURNING old.created_at
