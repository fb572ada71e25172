-- name: append
-- Entries, in the order of the request. An entry of a known id is not changed. Refused are entries of agents that are
-- cancelled or have ended, and entries whose parent is none of the agent's; the next query tells which.
INSERT INTO agent_entry (
    tenant_id, id, agent_execution_id, parent_id, entry_type, role, content, size, turn_id, token_usage, created_at
)
SELECT
    r.tenant_id, r.id, r.agent_id, r.parent_id, r.entry_type, r.role, r.content::json, octet_length(r.content), r.turn_id,
    r.token_usage::json, now()
FROM unnest(
    %(tenant_id)s::uuid[], %(agent_id)s::uuid[], %(id)s::uuid[], %(parent_id)s::uuid[], %(entry_type)s::text[],
    %(role)s::text[], %(content)s::text[], %(turn_id)s::text[], %(token_usage)s::text[]
) WITH ORDINALITY AS r (tenant_id, agent_id, id, parent_id, entry_type, role, content, turn_id, token_usage, place)
INNER JOIN agent_execution AS a ON a.tenant_id = r.tenant_id AND a.id = r.agent_id
WHERE
    a.status IN ('PENDING', 'RUNNING', 'WAITING')
    AND (
        r.parent_id IS NULL
        OR EXISTS (
            SELECT 1
            FROM agent_entry AS p
            WHERE p.tenant_id = r.tenant_id AND p.id = r.parent_id AND p.agent_execution_id = r.agent_id
        )
    )
ORDER BY r.tenant_id, r.agent_id, r.place
ON CONFLICT (tenant_id, id) DO NOTHING
RETURNING tenant_id, id

-- name: append_facts
-- For each entry of the request: the state of its agent, the agent that has the entry, and the agent of its parent.
SELECT r.place, a.status, e.agent_execution_id AS owner_id, p.agent_execution_id AS parent_owner_id
FROM unnest(%(tenant_id)s::uuid[], %(agent_id)s::uuid[], %(id)s::uuid[], %(parent_id)s::uuid[])
WITH ORDINALITY AS r (tenant_id, agent_id, id, parent_id, place)
LEFT JOIN agent_execution AS a ON a.tenant_id = r.tenant_id AND a.id = r.agent_id
LEFT JOIN agent_entry AS e ON e.tenant_id = r.tenant_id AND e.id = r.id
LEFT JOIN agent_entry AS p ON p.tenant_id = r.tenant_id AND p.id = r.parent_id

-- name: entries
-- A page of an agent's entries: of a bounded number, those whose contents are together not too large, but at least one.
SELECT e.number, e.id, e.parent_id, e.entry_type, e.role, e.content::text, e.turn_id, e.token_usage::text, e.created_at
FROM (
    SELECT
        c.*, sum(c.size) OVER (ORDER BY c.number) - c.size AS before
    FROM (
        SELECT *
        FROM agent_entry AS p
        WHERE p.tenant_id = %(tenant_id)s AND p.agent_execution_id = %(agent_id)s AND p.number > %(after)s
        ORDER BY p.number
        LIMIT %(limit)s
    ) AS c
) AS e
WHERE e.before < %(bytes)s
ORDER BY e.number

-- name: first_entries
-- The first entries of many agents: of each a bounded number, whose contents are together not too large. The first one
-- beyond has no content: it tells that there are more.
SELECT
    r.place, a.id IS NOT NULL AS found, e.number, e.id, e.parent_id, e.entry_type, e.role, e.content, e.turn_id,
    e.token_usage, e.created_at
FROM unnest(%(tenant_id)s::uuid[], %(agent_id)s::uuid[]) WITH ORDINALITY AS r (tenant_id, agent_id, place)
LEFT JOIN agent_execution AS a ON a.tenant_id = r.tenant_id AND a.id = r.agent_id
LEFT JOIN LATERAL (
    SELECT
        c.number, c.id, c.parent_id, c.entry_type, c.role, c.turn_id, c.token_usage::text, c.created_at,
        CASE WHEN c.upto <= %(bytes)s AND c.row <= %(limit)s THEN c.content::text END AS content
    FROM (
        SELECT p.*, sum(p.size) OVER in_order AS upto, row_number() OVER in_order AS row
        FROM (
            SELECT *
            FROM agent_entry AS o
            WHERE o.tenant_id = r.tenant_id AND o.agent_execution_id = r.agent_id
            ORDER BY o.number
            LIMIT %(limit)s + 1
        ) AS p
        WINDOW in_order AS (ORDER BY p.number)
    ) AS c
    WHERE c.upto - c.size <= %(bytes)s
) AS e ON true
ORDER BY r.place, e.number

-- name: entry_number
SELECT e.number
FROM agent_entry AS e
WHERE e.tenant_id = %(tenant_id)s AND e.id = %(id)s AND e.agent_execution_id = %(agent_id)s

-- name: checkpoint
-- Checkpoints of locked agents.
INSERT INTO agent_checkpoint (
    tenant_id, agent_execution_id, sequence, id, leaf_entry_id, state, token_usage, created_at
)
SELECT tenant_id, agent_id, sequence, id, leaf_entry_id, state::json, token_usage::json, now()
FROM unnest(
    %(tenant_id)s::uuid[], %(agent_id)s::uuid[], %(sequence)s::integer[], %(id)s::uuid[], %(leaf_entry_id)s::text[],
    %(state)s::text[], %(token_usage)s::text[]
) AS c (tenant_id, agent_id, sequence, id, leaf_entry_id, state, token_usage)

-- part: checkpoint_columns
    c.id, c.agent_execution_id, c.sequence, c.leaf_entry_id, c.state::text, c.created_at

-- name: latest_checkpoints
-- The newest checkpoints of many agents.
SELECT r.place, a.id IS NOT NULL AS found, k.*
FROM unnest(%(tenant_id)s::uuid[], %(agent_id)s::uuid[]) WITH ORDINALITY AS r (tenant_id, agent_id, place)
LEFT JOIN agent_execution AS a ON a.tenant_id = r.tenant_id AND a.id = r.agent_id
LEFT JOIN LATERAL (
    SELECT
        -- use: checkpoint_columns
    FROM agent_checkpoint AS c
    WHERE c.tenant_id = r.tenant_id AND c.agent_execution_id = r.agent_id
    ORDER BY c.sequence DESC
    LIMIT 1
) AS k ON true
ORDER BY r.place

-- name: signal
-- Signals of locked agents, in the order of the request.
INSERT INTO agent_signal (tenant_id, agent_execution_id, id, name, value, size, sender_id, created_at)
SELECT tenant_id, agent_id, id, name, value::json, octet_length(value), sender_id, clock_timestamp()
FROM unnest(
    %(tenant_id)s::uuid[], %(agent_id)s::uuid[], %(id)s::uuid[], %(name)s::text[], %(value)s::text[], %(sender_id)s::uuid[]
) WITH ORDINALITY AS s (tenant_id, agent_id, id, name, value, sender_id, place)
ORDER BY place

-- name: open_signals
-- Signals of locked agents that are not consumed, the oldest first: for each request a bounded number, whose values are
-- together not too large, but at least one. A request names a signal, gives an expression for names, or lists senders.
SELECT r.place, s.number, s.id, s.name, s.value::text, s.sender_id, s.created_at
FROM unnest(
    %(tenant_id)s::uuid[], %(agent_id)s::uuid[], %(name)s::text[], %(expression)s::text[], %(senders)s::text[],
    %(count)s::integer[]
) WITH ORDINALITY AS r (tenant_id, agent_id, name, expression, senders, count, place)
CROSS JOIN LATERAL (
    SELECT c.*, sum(c.size) OVER (ORDER BY c.number) - c.size AS before
    FROM (
        SELECT *
        FROM agent_signal AS o
        WHERE
            o.tenant_id = r.tenant_id
            AND o.agent_execution_id = r.agent_id
            AND o.consumed_at IS NULL
            AND (r.name IS NULL OR o.name = r.name)
            AND (r.expression IS NULL OR o.name ~ r.expression)
            AND (r.senders IS NULL OR o.sender_id = ANY (r.senders::uuid[]))
        ORDER BY o.number
        LIMIT r.count
    ) AS c
) AS s
WHERE s.before < %(bytes)s
ORDER BY r.place, s.number

-- name: consume
-- Signals of locked agents that were handed out; provisional until the next checkpoint, suspension or end.
UPDATE agent_signal AS s
SET consumed_at = now(), provisional = true
FROM unnest(%(tenant_id)s::uuid[], %(agent_id)s::uuid[], %(number)s::bigint[]) AS r (tenant_id, agent_id, number)
WHERE s.tenant_id = r.tenant_id AND s.agent_execution_id = r.agent_id AND s.number = r.number

-- name: keep
-- Consumptions that are final now.
UPDATE agent_signal AS s
SET provisional = false
FROM unnest(%(tenant_id)s::uuid[], %(agent_id)s::uuid[]) AS r (tenant_id, agent_id)
WHERE s.tenant_id = r.tenant_id AND s.agent_execution_id = r.agent_id AND s.provisional

-- name: undo
-- Consumptions of lost activations: the signals are open again.
WITH undone AS (
    UPDATE agent_signal AS s
    SET consumed_at = NULL, provisional = false
    FROM unnest(%(tenant_id)s::uuid[], %(agent_id)s::uuid[]) AS r (tenant_id, agent_id)
    WHERE s.tenant_id = r.tenant_id AND s.agent_execution_id = r.agent_id AND s.provisional
    RETURNING s.tenant_id, s.agent_execution_id
),
counted AS (
    SELECT tenant_id, agent_execution_id, count(*) AS number
    FROM undone
    GROUP BY tenant_id, agent_execution_id
)
UPDATE agent_execution AS a
SET signal_count = a.signal_count + counted.number
FROM counted
WHERE a.tenant_id = counted.tenant_id AND a.id = counted.agent_execution_id

-- name: has_signal
SELECT
    EXISTS (
        SELECT 1
        FROM agent_signal AS s
        WHERE
            s.tenant_id = a.tenant_id AND s.agent_execution_id = a.id AND s.name = %(name)s AND s.consumed_at IS NULL
    )
FROM agent_execution AS a
WHERE a.tenant_id = %(tenant_id)s AND a.id = %(agent_id)s

-- name: tasks
-- The present states of tasks, and the agents that own them.
SELECT
    t.tenant_id, t.id, t.agent_execution_id AS agent_id, a.status AS agent_status, t.status, t.output::text, t.error
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.id
LEFT JOIN agent_execution AS a ON a.tenant_id = t.tenant_id AND a.id = t.agent_execution_id

-- name: task_owners
-- The owners of tasks.
SELECT t.tenant_id, t.id, t.agent_execution_id AS agent_id
FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS r (tenant_id, id)
INNER JOIN task_execution AS t ON t.tenant_id = r.tenant_id AND t.id = r.id

-- name: count_tasks
SELECT
    (
        SELECT count(*)
        FROM task_execution AS t
        WHERE t.tenant_id = a.tenant_id AND t.agent_execution_id = a.id
    )::integer
FROM agent_execution AS a
WHERE a.tenant_id = %(tenant_id)s AND a.id = %(agent_id)s
