-- name: open
INSERT INTO session (tenant_id, secret_digest, sealed, principal_type, principal_id, expires_at)
VALUES (
    %(tenant_id)s, %(secret_digest)s, %(sealed)s, %(principal_type)s, %(principal_id)s,
    now() + %(longest)s * interval '1 second'
)
RETURNING expires_at

-- name: use
SELECT s.secret_digest, s.sealed, s.expires_at, s.used_at < now() - interval '1 minute' AS is_noted_late
FROM unnest(%(tenant_id)s::uuid[], %(secret_digest)s::bytea[]) AS w (tenant_id, secret_digest)
JOIN session AS s ON s.tenant_id = w.tenant_id AND s.secret_digest = w.secret_digest
WHERE s.expires_at > now() AND s.used_at > now() - %(idle)s * interval '1 second'

-- name: note_use
-- Concurrent notes of one session wait for nothing: the second one is left out.
WITH wanted AS (
    SELECT s.tenant_id, s.secret_digest
    FROM unnest(%(tenant_id)s::uuid[], %(secret_digest)s::bytea[]) AS w (tenant_id, secret_digest)
    JOIN session AS s ON s.tenant_id = w.tenant_id AND s.secret_digest = w.secret_digest
    FOR UPDATE OF s SKIP LOCKED
)
UPDATE session AS s
SET used_at = now()
FROM wanted AS w
WHERE s.tenant_id = w.tenant_id AND s.secret_digest = w.secret_digest

-- name: end
DELETE FROM session AS s
WHERE s.tenant_id = %(tenant_id)s AND s.secret_digest = %(secret_digest)s

-- name: end_all
DELETE FROM session AS s
WHERE
    s.tenant_id = %(tenant_id)s
    AND s.principal_type = %(principal_type)s
    AND s.principal_id = %(principal_id)s
RETURNING s.secret_digest

-- name: clean
-- A bounded number of expired sessions of all tenants, except rows that are locked at this moment.
WITH expired AS (
    SELECT s.tenant_id, s.secret_digest
    FROM session AS s
    WHERE s.expires_at <= now()
    ORDER BY s.expires_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
DELETE FROM session AS s
USING expired
WHERE s.tenant_id = expired.tenant_id AND s.secret_digest = expired.secret_digest
RETURNING 1
