-- Sessions of browsers. The cookie holds a secret; the row holds its digest and the credential that the session stands
-- for, sealed with a key that is made of the secret. So neither the row nor the cookie alone tells the credential.
-- No foreign key to the tenant: sessions of operators concern none, and stand under the nil UUID.
CREATE TABLE session (
    tenant_id uuid NOT NULL,
    secret_digest bytea NOT NULL,
    sealed bytea NOT NULL,
    principal_type text NOT NULL,
    principal_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, secret_digest)
);

-- The sessions of one principal, which may end all of them.
CREATE INDEX session_principal ON session (tenant_id, principal_id);

-- Sessions to clean up, the first to expire first.
CREATE INDEX session_expiry ON session (expires_at);
