-- name: make_chains
-- A chain whose head has gone while its events are there is not begun anew: that would hide the loss.
INSERT INTO p_audit_log__chains (tenant_id, last_hash, first_previous_hash)
SELECT t.tenant_id, %(no_hash)s, %(no_hash)s
FROM unnest(%(tenants)s::uuid[]) AS t (tenant_id)
WHERE NOT EXISTS (SELECT FROM p_audit_log__events AS e WHERE e.tenant_id = t.tenant_id)
ORDER BY t.tenant_id
ON CONFLICT (tenant_id) DO NOTHING

-- name: lock_heads
-- In the order of ids, so that servers which write for the same tenants wait for one another and never in a circle.
-- A head that lies before its own events is damaged; nothing can be written behind it.
SELECT
    c.tenant_id, c.last_sequence, c.last_hash,
    EXISTS (
        SELECT FROM p_audit_log__events AS e WHERE e.tenant_id = c.tenant_id AND e.sequence > c.last_sequence
    ) AS overrun
FROM p_audit_log__chains AS c
WHERE c.tenant_id = ANY(%(tenants)s::uuid[])
ORDER BY c.tenant_id
FOR UPDATE OF c

-- name: append
-- The events come as one JSON text: eighteen arrays take the driver twice as long.
WITH advanced AS (
    UPDATE p_audit_log__chains AS c
    SET last_sequence = h.last_sequence, last_hash = h.last_hash
    FROM
        unnest(%(head_tenant)s::uuid[], %(head_sequence)s::bigint[], %(head_hash)s::bytea[])
            AS h (tenant_id, last_sequence, last_hash)
    WHERE c.tenant_id = h.tenant_id
)
INSERT INTO p_audit_log__events (
    tenant_id, sequence, kind, call_id, at, request_id, protocol, operation, action, resource, resource_id,
    principal_type, principal_id, peer, code, duration_us, times, previous_hash, hash
)
SELECT
    tenant_id, sequence, kind, call_id, at, request_id, protocol, operation, action, resource, resource_id,
    principal_type, principal_id, peer, code, duration_us, times, previous_hash, hash
FROM json_populate_recordset(NULL::p_audit_log__events, %(events)s::json)

-- name: select_events
-- An attempt is shown with the code of its outcome. Filters and an order follow. A damaged time may be one that no
-- program can hold; it is shown as the first or the last that all can.
SELECT
    e.tenant_id, e.kind, e.call_id, least(greatest(e.at, '0001-01-02+00'), '9999-12-30+00') AS at, e.request_id, e.protocol, e.operation, e.action, e.resource, e.resource_id,
    e.principal_type, e.principal_id, e.peer, e.code, e.duration_us, e.times, e.sequence, e.previous_hash, e.hash,
    CASE WHEN e.kind = 'attempt' THEN (
        SELECT o.code
        FROM p_audit_log__events AS o
        WHERE o.tenant_id = e.tenant_id AND o.call_id = e.call_id AND o.kind = 'outcome'
        ORDER BY o.sequence
        LIMIT 1
    ) ELSE e.code END AS outcome
FROM p_audit_log__events AS e
WHERE e.tenant_id = %(tenant_id)s

-- name: with_sequence
AND e.sequence = %(sequence)s

-- name: with_from_time
AND e.at >= %(from_time)s

-- name: with_to_time
AND e.at < %(to_time)s

-- name: with_principal
AND e.principal_id = %(principal)s

-- name: with_action
AND e.action = %(action)s

-- name: with_resource
AND e.resource = %(resource)s

-- name: with_resource_id
AND e.resource_id = %(resource_id)s

-- name: with_operation
AND e.operation = %(operation)s

-- name: with_code
AND e.code = %(code)s

-- name: without_outcome
AND e.kind = 'attempt'
AND NOT EXISTS (
    SELECT
    FROM p_audit_log__events AS o
    WHERE o.tenant_id = e.tenant_id AND o.call_id = e.call_id AND o.kind = 'outcome'
)

-- name: before_cursor
AND (e.at, e.sequence) < (%(cursor_at)s::timestamptz, %(cursor_sequence)s::bigint)

-- name: after_cursor
AND (e.at, e.sequence) > (%(cursor_at)s::timestamptz, %(cursor_sequence)s::bigint)

-- name: newest_first
ORDER BY e.at DESC, e.sequence DESC
LIMIT %(limit)s

-- name: oldest_first
ORDER BY e.at, e.sequence
LIMIT %(limit)s

-- name: chain
-- One look at both ends, and at whether the events go on behind the head.
SELECT
    c.last_sequence, c.last_hash, c.first_sequence, c.first_previous_hash,
    EXISTS (
        SELECT FROM p_audit_log__events AS e WHERE e.tenant_id = c.tenant_id AND e.sequence > c.last_sequence
    ) AS overrun,
    EXISTS (
        SELECT FROM p_audit_log__events AS e WHERE e.tenant_id = c.tenant_id AND e.sequence < c.first_sequence
    ) AS underrun
FROM p_audit_log__chains AS c
WHERE c.tenant_id = %(tenant_id)s

-- name: has_events
SELECT EXISTS (SELECT FROM p_audit_log__events AS e WHERE e.tenant_id = %(tenant_id)s)

-- name: walk
-- A damaged time is read as in select_events: its event then differs from its hash.
SELECT
    e.tenant_id, e.kind, e.call_id, least(greatest(e.at, '0001-01-02+00'), '9999-12-30+00') AS at, e.request_id,
    e.protocol, e.operation, e.action, e.resource, e.resource_id, e.principal_type, e.principal_id, e.peer, e.code,
    e.duration_us, e.times, e.sequence, e.previous_hash, e.hash
FROM p_audit_log__events AS e
WHERE e.tenant_id = %(tenant_id)s AND e.sequence > %(after)s AND e.sequence <= %(up_to)s
ORDER BY e.sequence
LIMIT %(limit)s

-- name: get_retention
SELECT keep_days, changed_at, changed_by
FROM p_audit_log__retention
WHERE tenant_id = %(tenant_id)s

-- name: set_retention
-- Returns nothing where it is so already: who changed it and when stays.
INSERT INTO p_audit_log__retention (tenant_id, keep_days, changed_by)
VALUES (%(tenant_id)s, %(keep_days)s, %(changed_by)s)
ON CONFLICT (tenant_id) DO UPDATE
SET keep_days = excluded.keep_days, changed_by = excluded.changed_by, changed_at = now()
WHERE p_audit_log__retention.keep_days IS DISTINCT FROM excluded.keep_days
RETURNING keep_days, changed_at, changed_by

-- name: due
-- Tenants whose oldest kept event is past its time, behind the given one. The chain of refusals has a default.
SELECT r.tenant_id, r.keep_days
FROM (
    SELECT tenant_id, keep_days FROM p_audit_log__retention
    UNION ALL
    SELECT %(refusals)s::uuid, %(refusals_keep_days)s::integer
    WHERE NOT EXISTS (SELECT FROM p_audit_log__retention AS s WHERE s.tenant_id = %(refusals)s::uuid)
) AS r
JOIN p_audit_log__chains AS c ON c.tenant_id = r.tenant_id
JOIN p_audit_log__events AS e ON e.tenant_id = c.tenant_id AND e.sequence = c.first_sequence
WHERE
    r.keep_days IS NOT NULL
    AND e.at < %(now)s::timestamptz - make_interval(days => r.keep_days)
    AND (%(after)s::uuid IS NULL OR r.tenant_id > %(after)s)
ORDER BY r.tenant_id
LIMIT %(limit)s

-- name: move_beginning
-- Moves the beginning of a chain behind the events at its start that are past their time, at most a batch of them.
WITH
batch AS (
    SELECT e.sequence, e.hash, e.at >= %(before)s::timestamptz AS stays
    FROM p_audit_log__chains AS c
    JOIN p_audit_log__events AS e ON e.tenant_id = c.tenant_id AND e.sequence >= c.first_sequence
    WHERE c.tenant_id = %(tenant_id)s
    ORDER BY e.sequence
    LIMIT %(limit)s
),
last_gone AS (
    SELECT b.sequence, b.hash
    FROM batch AS b
    WHERE NOT EXISTS (SELECT FROM batch AS s WHERE s.stays AND s.sequence <= b.sequence)
    ORDER BY b.sequence DESC
    LIMIT 1
)
UPDATE p_audit_log__chains AS c
SET first_sequence = g.sequence + 1, first_previous_hash = g.hash
FROM last_gone AS g
WHERE c.tenant_id = %(tenant_id)s

-- name: take_away
DELETE FROM p_audit_log__events AS e
USING p_audit_log__chains AS c
WHERE e.tenant_id = %(tenant_id)s AND c.tenant_id = e.tenant_id AND e.sequence < c.first_sequence
