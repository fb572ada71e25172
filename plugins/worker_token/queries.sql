-- part: token_columns
id, tenant_id, display_name, description, token_prefix, token_hash, expires_at,
created_at, last_used_at, revoked_at, rotated_at, previous_prefix, previous_hash, previous_until

-- name: create
INSERT INTO p_worker_token__tokens (
    id, tenant_id, display_name, description, token_prefix, token_hash, expires_at
)
SELECT *
FROM unnest(
    %(id)s::uuid[], %(tenant_id)s::uuid[], %(display_name)s::text[], %(description)s::text[],
    %(token_prefix)s::text[], %(token_hash)s::text[], %(expires_at)s::timestamptz[]
)
RETURNING
    -- use: token_columns

-- name: get
SELECT
    -- use: token_columns
FROM p_worker_token__tokens
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: page
SELECT
    -- use: token_columns
FROM p_worker_token__tokens
WHERE
    tenant_id = %(tenant_id)s
    AND (%(include_revoked)s OR revoked_at IS NULL)
    AND (created_at, id) > (
        coalesce(%(after_created_at)s::timestamptz, '-infinity'),
        coalesce(%(after_id)s::uuid, '00000000-0000-0000-0000-000000000000')
    )
ORDER BY created_at, id
LIMIT %(limit)s OFFSET %(offset)s

-- name: count
-- Up to a number; all of them where that is NULL.
SELECT count(*)
FROM (
    SELECT
    FROM p_worker_token__tokens
    WHERE tenant_id = %(tenant_id)s AND (%(include_revoked)s OR revoked_at IS NULL)
    LIMIT %(most)s::bigint
) AS counted

-- name: rotate
-- Of two rotations at once, one finds the other's rotated_at and does nothing.
UPDATE p_worker_token__tokens
SET
    previous_prefix = token_prefix,
    previous_hash = token_hash,
    previous_until = %(previous_until)s,
    token_prefix = %(token_prefix)s,
    token_hash = %(token_hash)s,
    rotated_at = clock_timestamp()
WHERE
    tenant_id = %(tenant_id)s
    AND id = %(id)s
    AND revoked_at IS NULL
    AND rotated_at IS NOT DISTINCT FROM %(seen)s
RETURNING
    -- use: token_columns

-- name: revoke
-- A token that was revoked keeps the time of the first revocation.
UPDATE p_worker_token__tokens
SET revoked_at = coalesce(revoked_at, now())
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING
    -- use: token_columns

-- name: by_prefixes
-- The one look-up without a tenant: the token is what tells the tenant. Each branch has an index of its own.
SELECT
    asked.prefix,
    -- use: token_columns
FROM unnest(%(prefix)s::text[]) AS asked (prefix)
INNER JOIN p_worker_token__tokens ON token_prefix = asked.prefix
UNION ALL
SELECT
    asked.prefix,
    -- use: token_columns
FROM unnest(%(prefix)s::text[]) AS asked (prefix)
INNER JOIN p_worker_token__tokens ON previous_prefix = asked.prefix

-- name: changed
-- Which of these tokens are no longer what a process remembers of them: revoked, rotated, given another end, or gone.
SELECT asked.id
FROM unnest(
    %(tenant_id)s::uuid[], %(id)s::uuid[], %(token_hash)s::text[], %(expires_at)s::timestamptz[]
) AS asked (tenant_id, id, token_hash, expires_at)
LEFT JOIN p_worker_token__tokens AS token ON token.tenant_id = asked.tenant_id AND token.id = asked.id
WHERE
    token.id IS NULL
    OR token.revoked_at IS NOT NULL
    OR token.token_hash <> asked.token_hash
    OR token.expires_at IS DISTINCT FROM asked.expires_at

-- name: note_uses
-- Rows that another transaction is writing are left out: two processes that note the same tokens would wait for each other.
UPDATE p_worker_token__tokens AS token
SET last_used_at = now()
FROM (
    SELECT tenant_id, id
    FROM p_worker_token__tokens
    INNER JOIN unnest(%(tenant_id)s::uuid[], %(id)s::uuid[]) AS used (tenant_id, id) USING (tenant_id, id)
    WHERE last_used_at IS NULL OR last_used_at < now() - interval '1 minute'
    FOR NO KEY UPDATE OF p_worker_token__tokens SKIP LOCKED
) AS due
WHERE token.tenant_id = due.tenant_id AND token.id = due.id

-- name: rehash
-- Either of a token's two hashes, or both, and only while they are still what was read. Rows are locked in order.
WITH older AS (
    SELECT * FROM unnest(%(tenant_id)s::uuid[], %(id)s::uuid[], %(old)s::text[], %(new)s::text[])
        AS asked (tenant_id, id, old, new)
),

due AS (
    SELECT tenant_id, id
    FROM p_worker_token__tokens
    WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM older)
    ORDER BY tenant_id, id
    FOR NO KEY UPDATE
)

UPDATE p_worker_token__tokens AS token
SET
    token_hash = coalesce((SELECT new FROM older WHERE old = token.token_hash AND id = token.id), token.token_hash),
    previous_hash = coalesce(
        (SELECT new FROM older WHERE old = token.previous_hash AND id = token.id), token.previous_hash
    )
FROM due
WHERE token.tenant_id = due.tenant_id AND token.id = due.id
