-- A token's life: what it is for, when it ends, and for a while after a rotation the secret that was replaced.
-- Servers of the version before read and write none of this; they know revocation and admit what has expired.
ALTER TABLE p_worker_token__tokens
ADD COLUMN description text NOT NULL DEFAULT '',
ADD COLUMN expires_at timestamptz,
ADD COLUMN rotated_at timestamptz,
ADD COLUMN previous_prefix text,
ADD COLUMN previous_hash text,
ADD COLUMN previous_until timestamptz;

CREATE UNIQUE INDEX p_worker_token__tokens_previous_prefix ON p_worker_token__tokens (previous_prefix);

CREATE INDEX p_worker_token__tokens_listed ON p_worker_token__tokens (tenant_id, created_at, id);

-- down
DROP INDEX p_worker_token__tokens_listed;

DROP INDEX p_worker_token__tokens_previous_prefix;

ALTER TABLE p_worker_token__tokens
DROP COLUMN previous_until,
DROP COLUMN previous_hash,
DROP COLUMN previous_prefix,
DROP COLUMN rotated_at,
DROP COLUMN expires_at,
DROP COLUMN description;
