-- An agent: a long-running program that starts at its top in each activation. claim_number counts its activations.
CREATE TABLE agent_execution (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    kind text NOT NULL,
    queue text NOT NULL,
    status text NOT NULL,
    persistence_mode text NOT NULL,
    metadata jsonb NOT NULL,
    -- json, not jsonb: payloads are returned as they were sent
    input json NOT NULL,
    output json,
    error text,
    stack_trace text,
    failure_type text,
    -- no foreign key: a child may outlive its parent
    parent_id uuid,
    depth integer NOT NULL DEFAULT 0,
    -- the order in which pollers are served: when the agent became claimable
    claim_at timestamptz NOT NULL,
    claim_id uuid,
    claim_number integer NOT NULL DEFAULT 0,
    claimed_at timestamptz,
    claimed_by integer,
    held_by text,
    worker_id text,
    -- the last call that named the agent in the present claim
    last_seen_at timestamptz,
    wait_kind text,
    wait_name text,
    wait_ids uuid[],
    wait_reason text,
    -- the children of the last suspension, where it waited for all of them
    joined_ids uuid[],
    checkpoint_seq integer NOT NULL DEFAULT 0,
    -- signals that are not consumed
    signal_count integer NOT NULL DEFAULT 0,
    -- whether signals were consumed since the last checkpoint or suspension
    has_provisional boolean NOT NULL DEFAULT false,
    -- activations that were lost in a row, without a checkpoint in between
    lost_claims smallint NOT NULL DEFAULT 0,
    cancel_reason text,
    cancel_at timestamptz,
    -- whether open children must still be cancelled, because the agent was
    cascades boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    completed_at timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT agent_execution_status CHECK (
        status IN ('PENDING', 'RUNNING', 'WAITING', 'CANCELLING', 'COMPLETED', 'FAILED', 'CANCELLED')
    ),
    CONSTRAINT agent_execution_persistence_mode CHECK (persistence_mode IN ('REMOTE', 'LOCAL', 'EXTERNAL')),
    CONSTRAINT agent_execution_wait_kind CHECK (
        wait_kind IN ('SIGNAL', 'TASKS_ALL', 'TASKS_ANY', 'ANY_CHILD', 'ALL_CHILDREN')
    )
);

-- One probe answers an empty poll. The kind comes last, so that agents of other kinds are skipped inside of the index.
CREATE INDEX agent_execution_claim ON agent_execution (tenant_id, queue, claim_at, id, kind)
WHERE status = 'PENDING';

-- Agents that are out with a worker, oldest claim first.
CREATE INDEX agent_execution_lease ON agent_execution (claimed_at)
WHERE status IN ('RUNNING', 'CANCELLING');

-- The agents of a tenant, in the order of their creation.
CREATE INDEX agent_execution_created ON agent_execution (tenant_id, created_at, id);

-- The children of an agent, in the order of their creation.
CREATE INDEX agent_execution_of_parent ON agent_execution (tenant_id, parent_id, created_at, id)
WHERE parent_id IS NOT NULL;

-- Agents that have ended, the longest ago first: retention deletes them.
CREATE INDEX agent_execution_finished ON agent_execution (completed_at)
WHERE completed_at IS NOT NULL;

-- Cancelled agents whose children are not cancelled yet: mostly none.
CREATE INDEX agent_execution_cascade ON agent_execution (cancel_at)
WHERE cascades AND status = 'CANCELLED';

-- A message of a conversation. The number is the order of arrival.
CREATE TABLE agent_entry (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    agent_execution_id uuid NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    parent_id uuid,
    entry_type text NOT NULL,
    role text,
    content json NOT NULL,
    -- bytes of the content: pages of entries are cut by it
    size integer NOT NULL,
    turn_id text,
    token_usage json,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, agent_execution_id) REFERENCES agent_execution (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX agent_entry_of_agent ON agent_entry (tenant_id, agent_execution_id, number);

-- A snapshot of an agent, numbered from 1. An agent starts again from the newest one.
CREATE TABLE agent_checkpoint (
    tenant_id uuid NOT NULL,
    agent_execution_id uuid NOT NULL,
    sequence integer NOT NULL,
    id uuid NOT NULL,
    -- no foreign key: some workers keep the entries themselves
    leaf_entry_id text,
    state json NOT NULL,
    token_usage json,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, agent_execution_id, sequence),
    FOREIGN KEY (tenant_id, agent_execution_id) REFERENCES agent_execution (tenant_id, id) ON DELETE CASCADE
);

-- A signal that is queued at an agent. The number is the order of arrival.
CREATE TABLE agent_signal (
    tenant_id uuid NOT NULL,
    agent_execution_id uuid NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    id uuid NOT NULL,
    name text NOT NULL,
    value json NOT NULL,
    size integer NOT NULL,
    -- the child that sent it
    sender_id uuid,
    created_at timestamptz NOT NULL,
    consumed_at timestamptz,
    -- whether the consumption is undone when the activation is lost
    provisional boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, agent_execution_id, number),
    FOREIGN KEY (tenant_id, agent_execution_id) REFERENCES agent_execution (tenant_id, id) ON DELETE CASCADE
);

-- Signals that are not consumed, by name.
CREATE INDEX agent_signal_open ON agent_signal (tenant_id, agent_execution_id, name, number)
WHERE consumed_at IS NULL;

-- The same, by the child that sent them.
CREATE INDEX agent_signal_of_child ON agent_signal (tenant_id, agent_execution_id, sender_id, number)
WHERE consumed_at IS NULL AND sender_id IS NOT NULL;

CREATE INDEX agent_signal_provisional ON agent_signal (tenant_id, agent_execution_id)
WHERE provisional;

-- A task has one owner, or none. ended_in_claim is the claim_number of the agent when its task ended; rows that an older
-- version ends have none.
ALTER TABLE task_execution
    ADD COLUMN agent_execution_id uuid,
    ADD COLUMN ended_in_claim integer,
    ADD CONSTRAINT task_execution_of_agent_fkey FOREIGN KEY (tenant_id, agent_execution_id)
    REFERENCES agent_execution (tenant_id, id) ON DELETE CASCADE NOT VALID,
    ADD CONSTRAINT task_execution_one_owner CHECK (workflow_execution_id IS NULL OR agent_execution_id IS NULL) NOT VALID;

-- The tasks of an agent, in the order of their creation.
CREATE INDEX task_execution_of_agent ON task_execution (tenant_id, agent_execution_id, created_at, id)
WHERE agent_execution_id IS NOT NULL;

-- Tasks of agents that an older version has ended: their agents were not woken.
CREATE INDEX task_execution_unseen ON task_execution (completed_at)
WHERE agent_execution_id IS NOT NULL AND ended_in_claim IS NULL AND completed_at IS NOT NULL;

-- Standalone tasks, listed newest first: those of agents are none.
CREATE INDEX task_execution_alone ON task_execution (tenant_id, created_at, id)
WHERE workflow_execution_id IS NULL AND agent_execution_id IS NULL;

DROP INDEX task_execution_standalone;

-- A key may lead to an agent, too.
ALTER TABLE idempotency_key
    ADD COLUMN agent_execution_id uuid,
    DROP CONSTRAINT idempotency_key_leads_to_one,
    ADD CONSTRAINT idempotency_key_leads_to_one CHECK (
        num_nonnulls(workflow_execution_id, task_execution_id, promise_id, agent_execution_id) = 1
    ) NOT VALID;

ALTER TABLE definition
    DROP CONSTRAINT definition_category,
    ADD CONSTRAINT definition_category CHECK (category IN ('WORKFLOW', 'TASK', 'AGENT')) NOT VALID;

-- As for workflow executions: their rows change several times in a short life.
ALTER TABLE agent_execution SET (
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0
);
