-- part: workflow
    e.id, e.tenant_id, e.kind, e.queue, e.status, e.input::text, e.output::text, e.error, e.last_sequence,
    e.workflow_version, e.parent_id, e.child_execution_name AS child_name, e.worker_id, e.retry_count, e.priority_ms, e.created_at,
    e.started_at, e.completed_at, e.updated_at, e.metadata, e.history_bytes

-- name: get
SELECT
    -- use: workflow
FROM workflow_execution AS e
WHERE e.tenant_id = %(tenant_id)s AND e.id = %(id)s

-- name: page
SELECT
    -- use: workflow
FROM workflow_execution AS e
WHERE
    e.tenant_id = %(tenant_id)s
    AND (%(status)s::text IS NULL OR e.status = %(status)s)
    AND (%(kind)s::text IS NULL OR e.kind = %(kind)s)
    AND (%(queue)s::text IS NULL OR e.queue = %(queue)s)
    AND (%(metadata)s::text IS NULL OR e.metadata @> %(metadata)s::jsonb)
ORDER BY e.created_at DESC, e.id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: count
SELECT count(*)
FROM workflow_execution AS e
WHERE
    e.tenant_id = %(tenant_id)s
    AND (%(status)s::text IS NULL OR e.status = %(status)s)
    AND (%(kind)s::text IS NULL OR e.kind = %(kind)s)
    AND (%(queue)s::text IS NULL OR e.queue = %(queue)s)
    AND (%(metadata)s::text IS NULL OR e.metadata @> %(metadata)s::jsonb)

-- name: children
SELECT
    -- use: workflow
FROM workflow_execution AS e
WHERE e.tenant_id = %(tenant_id)s AND e.parent_id = %(id)s
ORDER BY e.created_at, e.id
LIMIT %(limit)s

-- name: events
SELECT v.sequence, v.event_type AS type, v.event_data::text AS data, v.created_at, v.superseded
FROM workflow_event AS v
WHERE v.tenant_id = %(tenant_id)s AND v.workflow_execution_id = %(id)s AND v.sequence > %(since)s
ORDER BY v.sequence

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
