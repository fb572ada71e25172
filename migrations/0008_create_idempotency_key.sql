-- Makes creations repeatable: while a key lives, it leads to what was first created with it. No foreign keys to what it
-- leads to: it is claimed before that exists, and a key that leads nowhere is free again.
CREATE TABLE idempotency_key (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    key text NOT NULL,
    workflow_execution_id uuid,
    task_execution_id uuid,
    promise_id uuid,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key),
    CONSTRAINT idempotency_key_leads_to_one CHECK (num_nonnulls(workflow_execution_id, task_execution_id, promise_id) = 1)
);

-- Keys to clean up, the first to expire first.
CREATE INDEX idempotency_key_expiry ON idempotency_key (expires_at);

-- The keys of what failed or was cancelled go.
CREATE INDEX idempotency_key_of_workflow ON idempotency_key (tenant_id, workflow_execution_id)
WHERE workflow_execution_id IS NOT NULL;

CREATE INDEX idempotency_key_of_task ON idempotency_key (tenant_id, task_execution_id)
WHERE task_execution_id IS NOT NULL;
