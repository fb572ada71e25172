-- part: agent
    a.id, a.tenant_id, a.kind, a.queue, a.status, a.persistence_mode, a.input::text, a.output::text, a.error,
    a.failure_type, a.stack_trace, a.metadata::text, a.parent_id, a.checkpoint_seq, a.worker_id, a.wait_kind, a.wait_name,
    a.wait_ids, a.wait_reason, a.signal_count, a.created_at, a.started_at, a.completed_at, a.updated_at

-- name: get
SELECT
    -- use: agent
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN agent_execution AS a ON a.tenant_id = r.tenant_id AND a.id = r.id

-- name: page
-- The parts of the list follow. The inner query needs only an index.
SELECT
    -- use: agent
FROM (
    SELECT a.tenant_id, a.id
    FROM agent_execution AS a
    WHERE a.tenant_id = %(tenant_id)s

-- name: with_status
AND a.status = %(status)s

-- name: with_kind
AND a.kind = %(kind)s

-- name: with_queue
AND a.queue = %(queue)s

-- name: with_parent_id
AND a.parent_id = %(parent_id)s

-- name: with_metadata
AND a.metadata @> %(metadata)s::jsonb

-- name: after
AND (a.created_at, a.id) < (%(after_0)s, %(after_1)s)

-- name: ordered
    ORDER BY a.created_at DESC, a.id DESC
    LIMIT %(limit)s OFFSET %(offset)s
) AS picked
INNER JOIN agent_execution AS a ON a.tenant_id = picked.tenant_id AND a.id = picked.id
ORDER BY a.created_at DESC, a.id DESC

-- name: count_from
SELECT count(*)
FROM (
    SELECT
    FROM agent_execution AS a
    WHERE a.tenant_id = %(tenant_id)s

-- name: count_to
    LIMIT %(most)s
) AS counted

-- name: children
SELECT
    -- use: agent
FROM agent_execution AS a
WHERE a.tenant_id = %(tenant_id)s AND a.parent_id = %(id)s
ORDER BY a.created_at, a.id
LIMIT %(limit)s

-- part: checkpoint_columns
    c.id, c.agent_execution_id, c.sequence, c.leaf_entry_id, c.state::text, c.created_at

-- name: checkpoints
SELECT
    -- use: checkpoint_columns
FROM agent_checkpoint AS c
WHERE c.tenant_id = %(tenant_id)s AND c.agent_execution_id = %(id)s
ORDER BY c.sequence
LIMIT %(limit)s

-- name: checkpoint
SELECT
    -- use: checkpoint_columns
FROM agent_checkpoint AS c
WHERE c.tenant_id = %(tenant_id)s AND c.agent_execution_id = %(id)s AND c.sequence = %(sequence)s

-- name: signals
SELECT s.number, s.id, s.name, s.value::text, s.sender_id, s.created_at, s.consumed_at
FROM agent_signal AS s
WHERE s.tenant_id = %(tenant_id)s AND s.agent_execution_id = %(id)s
ORDER BY s.number
LIMIT %(limit)s
