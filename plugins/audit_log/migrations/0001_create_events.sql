-- What happened, one row per event, chained by hashes within a tenant. Rows are only ever added; retention takes the
-- oldest away. No foreign key to tenant: the record of a tenant outlives the tenant, and calls of strangers, which
-- belong to none, stand under the zero UUID.
CREATE TABLE p_audit_log__events (
    tenant_id uuid NOT NULL,
    sequence bigint NOT NULL,
    kind text NOT NULL CONSTRAINT events_kind CHECK (kind IN ('call', 'attempt', 'outcome')),
    call_id uuid NOT NULL,
    at timestamptz NOT NULL,
    request_id text NOT NULL,
    protocol text NOT NULL,
    operation text NOT NULL,
    action text NOT NULL,
    resource text NOT NULL,
    resource_id text,
    principal_type text,
    principal_id text,
    peer text,
    code text,
    duration_us bigint,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT p_audit_log__events_pkey PRIMARY KEY (tenant_id, sequence)
);

CREATE INDEX p_audit_log__events_at ON p_audit_log__events (tenant_id, at, sequence);
CREATE INDEX p_audit_log__events_principal ON p_audit_log__events (tenant_id, principal_id, at, sequence);
CREATE INDEX p_audit_log__events_resource ON p_audit_log__events (tenant_id, resource, resource_id, at, sequence);
CREATE INDEX p_audit_log__events_not_ok ON p_audit_log__events (tenant_id, code, at, sequence) WHERE code <> 'ok';
CREATE INDEX p_audit_log__events_outcome ON p_audit_log__events (tenant_id, call_id) WHERE kind = 'outcome';

-- Both ends of a tenant's chain: the last event, whose row lock gives out numbers, and where the kept part begins.
CREATE TABLE p_audit_log__chains (
    tenant_id uuid NOT NULL,
    last_sequence bigint NOT NULL DEFAULT 0,
    last_hash bytea NOT NULL,
    first_sequence bigint NOT NULL DEFAULT 1,
    first_previous_hash bytea NOT NULL,
    CONSTRAINT p_audit_log__chains_pkey PRIMARY KEY (tenant_id)
);

-- How many days a tenant's events are kept; no row and NULL: for ever.
CREATE TABLE p_audit_log__retention (
    tenant_id uuid NOT NULL,
    keep_days integer CONSTRAINT retention_days CHECK (keep_days BETWEEN 1 AND 36500),
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL,
    CONSTRAINT p_audit_log__retention_pkey PRIMARY KEY (tenant_id)
);

CREATE FUNCTION p_audit_log__refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'p_audit_log__events is append-only' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON p_audit_log__events
FOR EACH STATEMENT EXECUTE FUNCTION p_audit_log__refuse_change();

-- Retention moves the chain's beginning first; what lies before it may go.
CREATE FUNCTION p_audit_log__refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1
        FROM gone AS g
        LEFT JOIN p_audit_log__chains AS c ON c.tenant_id = g.tenant_id
        WHERE c.tenant_id IS NULL OR g.sequence >= c.first_sequence
    ) THEN
        RAISE EXCEPTION 'p_audit_log__events is append-only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER refuse_delete AFTER DELETE ON p_audit_log__events REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION p_audit_log__refuse_delete();

-- down
DROP TABLE p_audit_log__events;
DROP TABLE p_audit_log__chains;
DROP TABLE p_audit_log__retention;
DROP FUNCTION p_audit_log__refuse_change();
DROP FUNCTION p_audit_log__refuse_delete();
