-- A token as it is stored: found by its prefix, compared by its HMAC.
CREATE TABLE p_worker_token__tokens (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    display_name text NOT NULL,
    token_prefix text NOT NULL,
    token_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT p_worker_token__tokens_pkey PRIMARY KEY (tenant_id, id)
);

CREATE UNIQUE INDEX p_worker_token__tokens_prefix ON p_worker_token__tokens (token_prefix);
