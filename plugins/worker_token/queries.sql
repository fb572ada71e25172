-- name: create
INSERT INTO p_worker_token__tokens (tenant_id, id, display_name, token_prefix, token_hash)
SELECT *
FROM unnest(
    %(tenant_id)s::uuid[], %(id)s::uuid[], %(display_name)s::text[], %(token_prefix)s::text[], %(token_hash)s::text[]
)
RETURNING id, tenant_id, display_name, token_prefix, token_hash, created_at, last_used_at, revoked_at

-- name: by_prefix
-- The one look-up without a tenant: the token is what tells the tenant.
SELECT id, tenant_id, display_name, token_prefix, token_hash, created_at, last_used_at, revoked_at
FROM p_worker_token__tokens
WHERE token_prefix = %(token_prefix)s

-- name: touch
UPDATE p_worker_token__tokens
SET last_used_at = now()
WHERE
    tenant_id = %(tenant_id)s
    AND id = %(id)s
    AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
