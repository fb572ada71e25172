-- A promise of a run, settled once: from outside, by the run itself, or by its time-out. Names may recur in a run.
-- One that is pending when its run ends is ABANDONED.
CREATE TABLE promise (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    workflow_execution_id uuid NOT NULL,
    name text NOT NULL,
    -- tells apart, by age, promises that one batch created
    ordinal bigint GENERATED ALWAYS AS IDENTITY,
    status text NOT NULL DEFAULT 'PENDING',
    -- json, not jsonb: payloads are returned as they were sent
    value json,
    error text,
    timeout_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, workflow_execution_id) REFERENCES workflow_execution (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT promise_status CHECK (status IN ('PENDING', 'RESOLVED', 'REJECTED', 'TIMEOUT', 'ABANDONED'))
);

-- The promises of a run, by name.
CREATE INDEX promise_of_run ON promise (tenant_id, workflow_execution_id, name);

-- Promises that run out of time, the nearest first.
CREATE INDEX promise_due ON promise (timeout_at)
WHERE status = 'PENDING' AND timeout_at IS NOT NULL;
