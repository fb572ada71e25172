-- name: lock
-- An advisory lock on the call, until the end of the transaction: the second of two concurrent copies waits here for
-- the answer of the first. The lock is a statement of its own, so that the next statement sees what was committed
-- meanwhile.
SELECT pg_advisory_xact_lock(hashtextextended('flovyn-call:' || encode(%(call_hash)s::bytea, 'hex'), 0))

-- name: find
SELECT a.content_hash, a.answer, a.resource_id
FROM call_answer AS a
WHERE a.tenant_id = %(tenant_id)s AND a.call_hash = %(call_hash)s AND a.expires_at > now()

-- name: keep
-- An existing answer has expired, or belongs to an earlier deletion of the same name.
INSERT INTO call_answer (tenant_id, call_hash, content_hash, answer, resource_id, expires_at)
VALUES (
    %(tenant_id)s, %(call_hash)s, %(content_hash)s, %(answer)s, %(resource_id)s,
    now() + %(keep)s * interval '1 second'
)
ON CONFLICT (tenant_id, call_hash) DO UPDATE
SET
    content_hash = excluded.content_hash,
    answer = excluded.answer,
    resource_id = excluded.resource_id,
    expires_at = excluded.expires_at

-- name: clean
-- A bounded number of expired answers of all tenants, except rows that are locked at this moment.
WITH expired AS (
    SELECT a.tenant_id, a.call_hash
    FROM call_answer AS a
    WHERE a.expires_at <= now()
    ORDER BY a.expires_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
DELETE FROM call_answer AS a
USING expired
WHERE a.tenant_id = expired.tenant_id AND a.call_hash = expired.call_hash
RETURNING 1
