-- The answers of calls that were sent with an idempotency key, and of deletions: who sends such a call again gets the
-- answer again. Written in the transaction of what the call does. The key is a hash, because keys are their callers'.
-- No foreign key to the tenant: operators' calls concern none, and stand under the nil UUID.
CREATE TABLE call_answer (
    tenant_id uuid NOT NULL,
    call_hash bytea NOT NULL,
    content_hash bytea NOT NULL,
    answer bytea,
    resource_id text,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, call_hash)
);

-- Answers to clean up, the first to expire first.
CREATE INDEX call_answer_expiry ON call_answer (expires_at);
