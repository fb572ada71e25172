-- A task: work outside of the deterministic workflow code, of a run or standing alone.
CREATE TABLE task_execution (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    -- null for a standalone task
    workflow_execution_id uuid,
    kind text NOT NULL,
    queue text NOT NULL,
    status text NOT NULL,
    metadata jsonb NOT NULL,
    -- json, not jsonb: payloads are returned as they were sent
    input json NOT NULL,
    output json,
    error text,
    max_retries integer NOT NULL,
    -- how often it was handed to a worker; 1 while the first attempt runs
    execution_count integer NOT NULL DEFAULT 0,
    worker_id text,
    progress double precision,
    progress_details text,
    scheduled_at timestamptz,
    -- the order in which pollers are served, and the moment from which on: scheduled_at, or created_at less the priority
    claim_at timestamptz NOT NULL,
    -- over all attempts, measured from the creation
    deadline_at timestamptz,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    claimed_at timestamptz,
    last_heartbeat_at timestamptz,
    completed_at timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, workflow_execution_id) REFERENCES workflow_execution (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT task_execution_status CHECK (status IN ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED'))
);

-- One probe answers an empty poll; one short scan serves a claim in order.
CREATE INDEX task_execution_claim ON task_execution (tenant_id, queue, claim_at, created_at, id)
WHERE status = 'PENDING';

-- Tasks that are out with a worker, oldest claim first: looked through for workers that died.
CREATE INDEX task_execution_lease ON task_execution (claimed_at)
WHERE status = 'RUNNING';

-- Open tasks that have a deadline, the nearest first.
CREATE INDEX task_execution_deadline ON task_execution (deadline_at)
WHERE deadline_at IS NOT NULL AND status IN ('PENDING', 'RUNNING');

-- The tasks of a run, in the order of their creation.
CREATE INDEX task_execution_of_run ON task_execution (tenant_id, workflow_execution_id, created_at, id)
WHERE workflow_execution_id IS NOT NULL;

-- Standalone tasks, listed newest first.
CREATE INDEX task_execution_standalone ON task_execution (tenant_id, created_at, id)
WHERE workflow_execution_id IS NULL;

-- An attempt that has ended. The one that runs stands on the task itself, so that a claim writes one row and not two.
CREATE TABLE task_attempt (
    tenant_id uuid NOT NULL,
    task_execution_id uuid NOT NULL,
    attempt integer NOT NULL,
    status text NOT NULL,
    error text,
    worker_id text,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, task_execution_id, attempt),
    FOREIGN KEY (tenant_id, task_execution_id) REFERENCES task_execution (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT task_attempt_status CHECK (status IN ('COMPLETED', 'FAILED', 'CANCELLED'))
);

-- What a task's worker logged.
CREATE TABLE task_log (
    tenant_id uuid NOT NULL,
    task_execution_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    level text NOT NULL,
    message text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, task_execution_id, id),
    FOREIGN KEY (tenant_id, task_execution_id) REFERENCES task_execution (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT task_log_level CHECK (level IN ('DEBUG', 'INFO', 'WARN', 'ERROR'))
);

-- What a task keeps for its later attempts.
CREATE TABLE task_state (
    tenant_id uuid NOT NULL,
    task_execution_id uuid NOT NULL,
    key text NOT NULL,
    value json NOT NULL,
    PRIMARY KEY (tenant_id, task_execution_id, key),
    FOREIGN KEY (tenant_id, task_execution_id) REFERENCES task_execution (tenant_id, id) ON DELETE CASCADE
);
