-- part: workflow
    e.id, e.tenant_id, e.kind, e.queue, e.status, e.input::text, e.output::text, e.error, e.last_sequence,
    e.workflow_version, e.parent_id, e.child_execution_name AS child_name, e.worker_id, e.retry_count, e.priority_ms, e.created_at,
    e.started_at, e.completed_at, e.updated_at, e.metadata, e.history_bytes

-- part: summary
    e.id, e.tenant_id, e.kind, e.queue, e.status, e.error, e.last_sequence, e.workflow_version, e.parent_id,
    e.child_execution_name AS child_name, e.worker_id, e.retry_count, e.priority_ms, e.created_at, e.started_at, e.completed_at,
    e.updated_at, e.metadata, e.history_bytes

-- name: get
SELECT
    -- use: workflow
FROM workflow_execution AS e
WHERE e.tenant_id = %(tenant_id)s AND e.id = %(id)s

-- part: picked
    SELECT e.tenant_id, e.id
    FROM workflow_execution AS e
    WHERE e.tenant_id = %(tenant_id)s

-- name: page
-- The parts of the list follow. The inner query needs only the index that gives the order, and skips an offset there.
SELECT
    -- use: workflow
FROM (
    -- use: picked

-- name: summaries
SELECT
    -- use: summary
FROM (
    -- use: picked

-- name: page_of_several
-- For several statuses: each has an index that gives its order, so each is a branch of its own.
SELECT
    -- use: workflow
FROM (
    SELECT e.tenant_id, e.id
    FROM (

-- name: summaries_of_several
SELECT
    -- use: summary
FROM (
    SELECT e.tenant_id, e.id
    FROM (

-- name: branch
(
    SELECT e.tenant_id, e.id, e.created_at
    FROM workflow_execution AS e
    WHERE e.tenant_id = %(tenant_id)s

-- name: branch_ordered
    ORDER BY e.created_at DESC, e.id DESC
    LIMIT %(limit)s + %(offset)s
)

-- name: or
UNION ALL

-- name: ordered_of_several
    ) AS e
    ORDER BY e.created_at DESC, e.id DESC
    LIMIT %(limit)s OFFSET %(offset)s
) AS picked
INNER JOIN workflow_execution AS e ON e.tenant_id = picked.tenant_id AND e.id = picked.id
ORDER BY e.created_at DESC, e.id DESC

-- name: count_from_several
SELECT count(*)
FROM (
    SELECT
    FROM (

-- name: branch_counted
    LIMIT %(most)s
)

-- name: count_to_several
    ) AS e
    LIMIT %(most)s
) AS counted

-- name: is_pending
-- The statuses stand here as texts, because the conditions of indexes do.
AND e.status = 'PENDING'

-- name: is_running
AND e.status = 'RUNNING'

-- name: is_waiting
AND e.status = 'WAITING'

-- name: is_cancelling
AND e.status = 'CANCELLING'

-- name: is_completed
AND e.status = 'COMPLETED'
AND e.completed_at IS NOT NULL

-- name: is_failed
AND e.status = 'FAILED'
AND e.completed_at IS NOT NULL

-- name: is_cancelled
AND e.status = 'CANCELLED'
AND e.completed_at IS NOT NULL

-- name: has_ended
AND e.completed_at IS NOT NULL

-- name: with_kind
AND e.kind = %(kind)s

-- name: with_queue
AND e.queue = %(queue)s

-- name: with_created_from
AND e.created_at >= %(created_from)s

-- name: with_created_to
AND e.created_at < %(created_to)s

-- name: with_ended_from
AND e.completed_at >= %(ended_from)s

-- name: with_ended_to
-- A workflow ends after its creation.
AND e.completed_at < %(ended_to)s
AND e.created_at < %(ended_to)s

-- name: with_first_id
AND e.id >= %(first_id)s

-- name: with_last_id
AND e.id <= %(last_id)s

-- name: with_parent_id
AND e.parent_id = %(parent_id)s

-- name: with_root_id
AND e.id IN (
    WITH RECURSIVE family AS (
        SELECT %(root_id)s::uuid AS id
        UNION
        SELECT c.id
        FROM family AS f
        INNER JOIN workflow_execution AS c ON c.tenant_id = %(tenant_id)s AND c.parent_id = f.id
    )
    SELECT f.id FROM family AS f
)

-- name: with_worker_id
AND e.worker_id = %(worker_id)s

-- name: with_metadata
AND e.metadata @> %(metadata)s::jsonb
AND e.metadata <> '{}'

-- name: with_metadata_key
AND e.metadata ? %(metadata_key)s
AND e.metadata <> '{}'

-- name: with_error
-- The expression of the index. That there is an error follows from it; said once more, PostgreSQL would count it twice when
-- it estimates how many workflows match.
AND to_tsvector('simple', left(e.error, 1000)) @@ plainto_tsquery('simple', %(error)s)

-- name: with_failing_tasks
AND e.id IN (
    SELECT t.workflow_execution_id
    FROM task_execution AS t
    WHERE
        t.tenant_id = %(tenant_id)s
        AND t.workflow_execution_id IS NOT NULL
        AND t.error IS NOT NULL
        AND t.status IN ('PENDING', 'RUNNING')
)

-- name: after
AND (e.created_at, e.id) < (%(after_0)s, %(after_1)s)

-- name: ordered
    ORDER BY e.created_at DESC, e.id DESC
    LIMIT %(limit)s OFFSET %(offset)s
) AS picked
INNER JOIN workflow_execution AS e ON e.tenant_id = picked.tenant_id AND e.id = picked.id
ORDER BY e.created_at DESC, e.id DESC

-- name: ordered_matches
-- All rows that match are found, by the most selective index, and sorted: the expression keeps PostgreSQL from walking
-- through the list in its order until it meets enough of them.
    ORDER BY e.created_at + interval '0' DESC, e.id DESC
    LIMIT %(limit)s OFFSET %(offset)s
) AS picked
INNER JOIN workflow_execution AS e ON e.tenant_id = picked.tenant_id AND e.id = picked.id
ORDER BY e.created_at DESC, e.id DESC

-- name: count_from
SELECT count(*)
FROM (
    SELECT
    FROM workflow_execution AS e
    WHERE e.tenant_id = %(tenant_id)s

-- name: count_to
    LIMIT %(most)s
) AS counted

-- name: children
SELECT
    -- use: workflow
FROM workflow_execution AS e
WHERE e.tenant_id = %(tenant_id)s AND e.parent_id = %(id)s
ORDER BY e.created_at, e.id
LIMIT %(limit)s

-- part: wanted_events
SELECT v.sequence, v.event_type AS type, v.event_data::text AS data, v.created_at, v.superseded
FROM workflow_event AS v
WHERE
    v.tenant_id = %(tenant_id)s
    AND v.workflow_execution_id = %(id)s
    AND v.sequence > %(since)s
    AND v.sequence < %(before)s
    AND (%(types)s::text[] IS NULL OR v.event_type = ANY (%(types)s))

-- name: events
-- Without a limit (NULL), all of them.
-- use: wanted_events
ORDER BY v.sequence
LIMIT %(limit)s::integer

-- name: newest_events
-- use: wanted_events
ORDER BY v.sequence DESC
LIMIT %(limit)s::integer

-- name: state
-- The last event of each key holds its value. Keys are compared as text, at the beginning of the document: the
-- operators of PostgreSQL refuse a whole document that contains \u0000.
SELECT last.event_data
FROM (
    SELECT DISTINCT ON (spelled.key)
        v.event_data::text AS event_data,
        v.event_type
    FROM workflow_event AS v
    CROSS JOIN LATERAL (
        SELECT substring(left(v.event_data::text, 4000) FROM '"key"\s*:\s*("(?:[^"\\]|\\.)*")') AS key
    ) AS spelled
    WHERE
        v.tenant_id = %(tenant_id)s
        AND v.workflow_execution_id = %(id)s
        AND v.event_type IN ('STATE_SET', 'STATE_CLEARED')
    ORDER BY spelled.key, v.sequence DESC
) AS last
WHERE last.event_type = 'STATE_SET'
