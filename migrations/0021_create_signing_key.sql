-- Keys of the whole deployment that sign what callers send back, such as the cursors of lists. Made when first needed. They
-- stand under the nil UUID, because they concern no tenant alone.
CREATE TABLE signing_key (
    tenant_id uuid NOT NULL,
    purpose text NOT NULL,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, purpose)
);
