-- A run of a workflow. last_sequence is its one counter of events, advanced only under this row's lock.
CREATE TABLE workflow_execution (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    kind text NOT NULL,
    queue text NOT NULL,
    status text NOT NULL,
    priority_ms bigint NOT NULL,
    workflow_version text,
    metadata jsonb NOT NULL,
    -- json, not jsonb: payloads are returned as they were sent, with the client's number formatting
    input json NOT NULL,
    output json,
    error text,
    worker_id text,
    last_sequence integer NOT NULL,
    dispatched_sequence integer NOT NULL DEFAULT 0,
    -- the newest event from outside that wakes the run; above dispatched_sequence, a worker may not have seen it
    waking_sequence integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    -- created_at less the priority: the order in which pollers are served
    claim_at timestamptz NOT NULL,
    started_at timestamptz,
    claimed_at timestamptz,
    completed_at timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT workflow_execution_status CHECK (
        status IN ('PENDING', 'RUNNING', 'WAITING', 'CANCELLING', 'COMPLETED', 'FAILED', 'CANCELLED')
    )
);

-- One probe answers an empty poll; one short scan serves a claim in order.
CREATE INDEX workflow_execution_claim ON workflow_execution (tenant_id, queue, claim_at, created_at, id)
WHERE status = 'PENDING';

-- Runs that are out with a worker, oldest claim first: few, and looked through for expired leases.
CREATE INDEX workflow_execution_lease ON workflow_execution (claimed_at)
WHERE status = 'RUNNING';

-- The history of a run: contiguous from 1.
CREATE TABLE workflow_event (
    tenant_id uuid NOT NULL,
    workflow_execution_id uuid NOT NULL,
    sequence integer NOT NULL,
    event_type text NOT NULL,
    event_data json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, workflow_execution_id, sequence),
    FOREIGN KEY (tenant_id, workflow_execution_id) REFERENCES workflow_execution (tenant_id, id) ON DELETE CASCADE
);
